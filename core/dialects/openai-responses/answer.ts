import { isJsonObject, type JsonObject } from "../../chat/json.ts";
import type { ChatRequest } from "../../chat/request.ts";
import { customNames } from "../../chat/tools.ts";
import { without } from "../extensions.ts";
import { outputCapField } from "./edit-request.ts";
import { toldSettings } from "./settings.ts";
import { ownFields } from "./spelling.ts";
import { encodeToolChoice, encodeTools } from "./tools.ts";

/*
 * The fields of an answer that say what it answers. Clients read some of them, and the schema demands most.
 */

interface Identity {
  readonly id: string;
  readonly model: string;
  readonly createdMs: number;
}

/** All but `output` and how it ended. What the vendor itself said (`own`) goes before what was asked. */
export function answerFields(identity: Identity, asked: ChatRequest | undefined, own: JsonObject): JsonObject {
  return {
    id: identity.id,
    object: "response",
    created_at: Math.floor(identity.createdMs / 1000),
    ...defaults,
    ...(asked === undefined ? {} : toldOf(asked)),
    ...own,
    model: identity.model,
  };
}

/**
 * Made from the answer's id, so that an answer told twice has the same ids. OpenAI takes at most 64 characters. `null`:
 * an item of a type that is never made here.
 */
export function itemId(type: string, index: number, responseId: string): string | null {
  const prefix = prefixes.get(type);
  if (prefix === undefined) return null;
  const stem = responseId
    .replace(/^[a-z]+[-_]/, "")
    .replaceAll(/[^a-zA-Z0-9]/g, "")
    .slice(-40);
  return `${prefix}_${stem}${index.toString(16).padStart(4, "0")}`;
}

const prefixes: ReadonlyMap<string, string> = new Map([
  ["message", "msg"],
  ["function_call", "fc"],
  ["custom_tool_call", "ctc"],
  ["reasoning", "rs"],
  ["image_generation_call", "ig"],
]);

const defaults: JsonObject = {
  status: "in_progress",
  background: false,
  error: null,
  incomplete_details: null,
  instructions: null,
  max_output_tokens: null,
  max_tool_calls: null,
  parallel_tool_calls: true,
  previous_response_id: null,
  prompt_cache_key: null,
  reasoning: { effort: null, summary: null },
  safety_identifier: null,
  service_tier: "default",
  store: false,
  temperature: null,
  text: { format: { type: "text" } },
  tool_choice: "auto",
  tools: [],
  top_logprobs: 0,
  top_p: null,
  truncation: "disabled",
  user: null,
  metadata: {},
};

function toldOf(asked: ChatRequest): JsonObject {
  const own = ownFields(asked);
  const told = without(own, new Set(Object.keys(own).filter((key) => !(key in defaults))));
  const [first] = asked.messages;
  const [part] = first?.role === "system" ? first.parts : [];
  const custom = customNames(asked.tools);
  const settings = toldSettings(asked);
  const { reasoning, text } = own;
  return {
    ...told,
    ...given("instructions", part?.type === "text" ? part.text : null),
    ...given(outputCapField, asked.maxOutputTokens),
    ...given("parallel_tool_calls", asked.parallelToolCalls),
    ...given("temperature", asked.temperature),
    ...given("top_p", asked.topP),
    ...given("top_logprobs", asked.logprobs),
    ...given("user", asked.user),
    ...given("prompt_cache_key", asked.cacheKey ?? null),
    ...given("service_tier", asked.serviceTier === "auto" ? null : asked.serviceTier),
    ...(asked.toolChoice === null ? {} : { tool_choice: encodeToolChoice(asked.toolChoice, custom) }),
    tools: encodeTools(asked.tools, true, () => {}),
    metadata: asked.metadata,
    reasoning: { ...object(settings["reasoning"]), ...object(reasoning) },
    text: { ...object(settings["text"]), ...object(text) },
  };
}

const given = (field: string, value: JsonObject[string] | null): JsonObject =>
  value === null ? {} : { [field]: value };
const object = (value: JsonObject[string]): JsonObject => (isJsonObject(value) ? value : {});
