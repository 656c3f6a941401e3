import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { ChatRequest, Message, NativeOnly } from "../../chat/request.ts";
import { customNames } from "../../chat/tools.ts";
import type { Encoded } from "../dialect.ts";
import { foreignFields, without } from "../extensions.ts";
import { readBoolean, readNumber, readObject, readObjects, readString } from "../fields.ts";
import { commonFields } from "./common.ts";
import { outputCapField } from "./edit-request.ts";
import { maxTools } from "../request-caps.ts";
import { readEnvelope } from "./envelope.ts";
import { decodeInput, encodeInput } from "./items.ts";
import { dialectName } from "./kept.ts";
import {
  decodeInclude,
  decodeReasoningOptions,
  decodeText,
  encodeInclude,
  encodeReasoningOptions,
  encodeText,
  wantsReasoning,
} from "./settings.ts";
import { noted, ownFields, spellingOf } from "./spelling.ts";
import { decodeTool, decodeToolChoice, encodeToolChoice, encodeTools, nativeTools } from "./tools.ts";

export function decodeRequest(body: JsonObject): ChatRequest {
  const { model, stream, maxOutputTokens } = readEnvelope(body, 0);
  const instructions = readString(body["instructions"], "instructions") ?? "";
  const cacheKey = readString(body["prompt_cache_key"], "prompt_cache_key");
  const { verbosity, ...format } = decodeText(body["text"]);
  const reasoning = decodeReasoningOptions(body["reasoning"]);
  const include = decodeInclude(body["include"], body["top_logprobs"]);
  const toolChoice = decodeToolChoice(body["tool_choice"]);
  const user = readString(body["user"], "user");
  const safetyIdentifier = readString(body["safety_identifier"], "safety_identifier");

  const consumed = new Set(plainFields);
  if (toolChoice !== null) consumed.add("tool_choice");
  if (include.value !== null) consumed.add("top_logprobs");
  if (user === null) consumed.add("safety_identifier");
  const rest: JsonObject = {
    ...without(body, consumed),
    text: format.rest,
    reasoning: reasoning.rest,
    include: include.rest,
  };
  const spelling = [
    ...(instructions === "" ? [] : ["instructions"]),
    ...(user === null && safetyIdentifier !== null ? ["safety_identifier"] : []),
  ];
  const asked: readonly Message[] =
    instructions === "" ? [] : [{ role: "system", parts: [{ type: "text", text: instructions }] }];
  return {
    model,
    messages: [...asked, ...decodeInput(body["input"])],
    tools: (readObjects(body["tools"], "tools", maxTools) ?? []).flatMap((tool, i) => decodeTool(tool, `tools[${i}]`)),
    toolChoice,
    parallelToolCalls: readBoolean(body["parallel_tool_calls"], "parallel_tool_calls"),
    maxOutputTokens,
    candidates: 1,
    stream,
    temperature: readNumber(body["temperature"], "temperature"),
    topP: readNumber(body["top_p"], "top_p"),
    topK: null,
    frequencyPenalty: null,
    presencePenalty: null,
    seed: null,
    stop: [],
    format: format.value,
    reasoning: reasoning.value,
    logprobs: include.value,
    nativeOnly: nativeOnlyOf(body),
    user: user ?? safetyIdentifier,
    metadata: readMetadata(body["metadata"]),
    serviceTier: readString(body["service_tier"], "service_tier"),
    ...(cacheKey === null ? {} : { cacheKey }),
    ...(verbosity === null ? {} : { verbosity }),
    extensions: noted(rest, spelling),
  };
}

export function encodeRequest(request: ChatRequest, model: string): Encoded {
  const warnings = new Set<string>();
  const warn = (what: string) => warnings.add(`openai-responses cannot say ${what}; left out`);
  const common = commonFields(request.extensions);
  for (const field of foreignFields(dialectName, request.extensions)) {
    if (common[field] === undefined) warn(`'${field}'`);
  }
  const spelling = spellingOf(request);
  const isForeign = spelling === null;
  if (isForeign) for (const what of unsayable(request)) warn(what);
  const { text, reasoning, include, ...own } = ownFields(request);
  // A request of instructions alone is refused, unless it goes on from something that is stored. JSON mode wants the word in
  // the input.
  const isPrompt = isForeign
    ? request.messages.length > 1 && request.format.type !== "json"
    : spelling.has("instructions");
  const [instructions, messages] = splitInstructions(request.messages, isPrompt);
  if (instructions !== null && request.messages[0]?.name !== undefined) warn("the name of a speaker");
  const choice = request.toolChoice;
  const custom = customNames(request.tools);
  const tools = encodeTools(request.tools, isForeign, warn);
  const body: JsonObject = {
    ...common,
    ...own,
    model,
    ...given("instructions", instructions),
    input: encodeInput(messages, warn),
    ...(tools.length === 0 ? {} : { tools }),
    ...(choice === null ? {} : { tool_choice: encodeToolChoice(choice, custom) }),
    ...given("parallel_tool_calls", request.parallelToolCalls),
    ...given(outputCapField, request.maxOutputTokens),
    ...(request.stream ? { stream: true } : {}),
    ...given("temperature", request.temperature),
    ...given("top_p", request.topP),
    ...encodeText(request, text),
    ...encodeReasoningOptions(request.reasoning, reasoning, isForeign, warn),
    ...encodeInclude(request.logprobs, include, isForeign && keepsThoughts(request)),
    ...given(spelling?.has("safety_identifier") ? "safety_identifier" : "user", request.user),
    ...(Object.keys(request.metadata).length === 0 ? {} : { metadata: request.metadata }),
    ...given("service_tier", request.serviceTier),
    ...given("prompt_cache_key", request.cacheKey ?? null),
    // Other protocols leave nothing with the provider, so neither does a call that comes from them.
    ...(isForeign ? { store: false } : {}),
  };
  return { body, warnings: [...warnings] };
}

/** What asks the provider to go on from something that it has stored, or to store or run something of its own. */
function nativeOnlyOf(body: JsonObject): readonly NativeOnly[] {
  const found: NativeOnly[] = [];
  for (const [param, what] of storedFields) if (!isNothing(body[param])) found.push({ param, what });
  if (body["store"] === true) found.push({ param: "store", what: "a response that is stored" });
  for (const [i, item] of (isJsonArray(body["input"]) ? body["input"] : []).entries()) {
    const what = isJsonObject(item) ? essential(item) : null;
    if (what !== null) found.push({ param: `input[${i}]`, what });
  }
  return [...found, ...nativeTools(body["tools"])];
}

const storedFields = [
  ["previous_response_id", "a stored response"],
  ["conversation", "a stored conversation"],
  ["prompt", "a stored prompt"],
] as const;

/** What an item is that a conversation means nothing without; calls of the provider's own tools have told their result. */
function essential({ type }: JsonObject): string | null {
  if (type === "item_reference") return "a stored item";
  if (type === "compaction" || type === "compaction_summary") return "a compacted conversation";
  if (type === "additional_tools" || type === "mcp_approval_response") return `the item ${type}`;
  if (typeof type !== "string" || !type.endsWith("_output")) return null;
  return type === "function_call_output" || type === "custom_tool_call_output" ? null : `the item ${type.slice(0, 64)}`;
}

/** What of another protocol's settings has no word here. */
function unsayable(request: ChatRequest): readonly string[] {
  return [
    ...(request.candidates > 1 ? ["more than one candidate"] : []),
    ...(request.topK === null ? [] : ["top_k"]),
    ...(request.frequencyPenalty === null ? [] : ["a frequency penalty"]),
    ...(request.presencePenalty === null ? [] : ["a presence penalty"]),
    ...(request.seed === null ? [] : ["a seed"]),
    ...(request.stop.length === 0 ? [] : ["stop sequences"]),
    ...(request.citesDocuments ? ["citations of documents"] : []),
  ];
}

/** A first system message of one plain text is what `instructions` is for. */
function splitInstructions(messages: readonly Message[], wanted: boolean): [string | null, readonly Message[]] {
  const [first, ...others] = messages;
  if (!wanted || first?.role !== "system" || first.parts.length !== 1) return [null, messages];
  const [part] = first.parts;
  if (part?.type !== "text" || part.cache !== undefined || part.text === "") return [null, messages];
  return [part.text, others];
}

/** The client sends thoughts back, or wants some that it may send back. */
const keepsThoughts = (request: ChatRequest): boolean =>
  wantsReasoning(request.reasoning) ||
  request.messages.some(({ parts }) =>
    parts.some((part) => part.type === "reasoning" && (part.encrypted ?? part.signature) !== undefined),
  );

const given = (field: string, value: Json): JsonObject => (value === null ? {} : { [field]: value });
const isNothing = (value: Json | undefined) => value === undefined || value === null;

function readMetadata(value: Json | undefined): Readonly<Record<string, string>> {
  const entries = Object.entries(readObject(value, "metadata") ?? {});
  return Object.fromEntries(entries.map(([key, item]) => [key, readString(item, "metadata") ?? ""]));
}

const plainFields = [
  "model",
  "instructions",
  "input",
  "tools",
  "parallel_tool_calls",
  "stream",
  "temperature",
  "top_p",
  "text",
  "reasoning",
  "include",
  "user",
  "metadata",
  "service_tier",
  "prompt_cache_key",
  outputCapField,
];
