import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { ChatRequest, NativeOnly, OutputFormat, Reasoning, ToolChoice } from "../../chat/request.ts";
import { effortOf } from "../../chat/reasoning.ts";
import { customNames } from "../../chat/tools.ts";
import { foreignFields, isEmpty, without } from "../extensions.ts";
import { invalid, readBoolean, readNumber, readObject, readObjects, readString } from "../fields.ts";
import { maxEntries, maxMessages, maxTools } from "../request-caps.ts";
import { isPlainTool, outputCapFields, readCandidates, readEnvelope } from "./envelope.ts";
import { isLostMark } from "./cache.ts";
import { dialectName, keep, kept } from "./kept.ts";
import { decodeMessage, encodeMessages } from "./messages.ts";
import { decodeTool, decodeToolChoice, encodeTool, encodeToolChoice } from "./tools.ts";

/*
 * Some settings have two spellings. Which one the client used is kept beside the extensions, as a list of the names that
 * are not what is written by default; what is written back under such a name is the canonical value.
 */
const spellingKey = `${dialectName}/spelling`;

/** Asked with `functions`, as before tools had ids: such a client waits for a `function_call`. */
export function isLegacyRequest(request: ChatRequest | undefined): boolean {
  const spelled = request?.extensions[spellingKey];
  return isJsonArray(spelled) && spelled.includes("functions");
}

export function decodeRequest(body: JsonObject): ChatRequest {
  const { model, stream, maxOutputTokens } = readEnvelope(body, 0);
  const isLegacy = body["functions"] !== undefined && body["tools"] === undefined;
  const format = decodeFormat(body["response_format"]);
  const toolChoice = decodeToolChoice(body[isLegacy ? "function_call" : "tool_choice"]);
  const logprobs = typeof body["logprobs"] === "boolean" ? body["logprobs"] : null;
  const metadata = readMetadata(body["metadata"]);
  const cacheKey = readString(body["prompt_cache_key"], "prompt_cache_key");
  const verbosity = readString(body["verbosity"], "verbosity");

  const user = readString(body["user"], "user");
  const safetyIdentifier = readString(body["safety_identifier"], "safety_identifier");
  const reasoning = isJsonObject(body["reasoning"]) ? body["reasoning"] : null;

  const consumed = new Set(plainFields);
  if (isLegacy) consumed.add("functions");
  if (format !== null) consumed.add("response_format");
  if (toolChoice !== null) consumed.add(isLegacy ? "function_call" : "tool_choice");
  if (user === null) consumed.add("safety_identifier");
  if (logprobs !== null) for (const field of ["logprobs", "top_logprobs"]) consumed.add(field);
  const rest = Object.entries(without(body, consumed)).filter(([, value]) => value !== null);
  const moreReasoning = reasoning === null ? {} : without(reasoning, reasoningKeys);
  if (!isEmpty(moreReasoning)) rest.push(["reasoning", moreReasoning]);
  const spelling = [
    ...(isNothing(body["max_tokens"]) ? [] : outputCapFields.filter((field) => !isNothing(body[field]))),
    ...(isLegacy ? ["functions"] : []),
    ...(reasoning === null ? [] : ["reasoning"]),
    ...(user === null && safetyIdentifier !== null ? ["safety_identifier"] : []),
  ];

  return {
    model,
    messages: (readObjects(body["messages"], "messages", maxMessages) ?? []).map((message, i) =>
      decodeMessage(message, `messages[${i}]`),
    ),
    tools: isLegacy
      ? (readObjects(body["functions"], "functions", maxTools) ?? []).map((tool, i) =>
          decodeTool({ type: "function", function: tool }, `functions[${i}]`),
        )
      : (readObjects(body["tools"], "tools", maxTools) ?? []).map((tool, i) => decodeTool(tool, `tools[${i}]`)),
    toolChoice,
    parallelToolCalls: readBoolean(body["parallel_tool_calls"], "parallel_tool_calls"),
    maxOutputTokens,
    candidates: readCandidates(body["n"], "n"),
    stream,
    temperature: readNumber(body["temperature"], "temperature"),
    topP: readNumber(body["top_p"], "top_p"),
    topK: readNumber(body["top_k"], "top_k"),
    frequencyPenalty: readNumber(body["frequency_penalty"], "frequency_penalty"),
    presencePenalty: readNumber(body["presence_penalty"], "presence_penalty"),
    seed: readNumber(body["seed"], "seed"),
    stop: readStop(body["stop"]),
    format: format ?? { type: "text" },
    reasoning: decodeReasoningOptions(body, reasoning ?? {}),
    logprobs: logprobs === true ? (readNumber(body["top_logprobs"], "top_logprobs") ?? 0) : null,
    nativeOnly: nativeOnlyOf(body),
    user: user ?? safetyIdentifier,
    metadata,
    serviceTier: readString(body["service_tier"], "service_tier"),
    ...(cacheKey === null ? {} : { cacheKey }),
    ...(verbosity === null ? {} : { verbosity }),
    extensions: {
      ...keep(Object.fromEntries(rest)).extensions,
      ...(spelling.length === 0 ? {} : { [spellingKey]: spelling }),
    },
  };
}

export function encodeRequest(
  request: ChatRequest,
  model: string,
): { readonly body: JsonObject; readonly warnings: readonly string[] } {
  const warnings = new Set<string>();
  const warn = (what: string) => warnings.add(`openai-chat cannot say ${what}; left out`);
  for (const field of foreignFields(dialectName, request.extensions)) warn(`'${field}'`);
  if (request.citesDocuments) warn("citations of documents");
  if (request.tools.some((tool) => tool.type === "server" && tool.dialect !== dialectName)) {
    warn("a tool that another provider runs");
  }
  const own = kept(request);
  const spelled = request.extensions[spellingKey];
  const spelling: ReadonlySet<Json> = new Set(isJsonArray(spelled) ? spelled : []);
  const body = {
    ...own,
    model,
    messages: encodeMessages(request.messages, warn),
    ...encodeTools(request, spelling.has("functions"), warn),
    ...given("parallel_tool_calls", request.parallelToolCalls),
    ...encodeCap(request.maxOutputTokens, spelling),
    ...(request.candidates === 1 ? {} : { n: request.candidates }),
    ...(request.stream ? { stream: true } : {}),
    ...given("temperature", request.temperature),
    ...given("top_p", request.topP),
    ...given("top_k", request.topK),
    ...given("frequency_penalty", request.frequencyPenalty),
    ...given("presence_penalty", request.presencePenalty),
    ...given("seed", request.seed),
    ...(request.stop.length === 0 ? {} : { stop: request.stop }),
    ...encodeFormat(request.format),
    ...(spelling.has("reasoning")
      ? encodeReasoningOptions(request.reasoning, own["reasoning"])
      : encodeEffort(request.reasoning, warn)),
    ...(request.logprobs === null ? {} : { logprobs: true }),
    ...(request.logprobs === null || request.logprobs === 0 ? {} : { top_logprobs: request.logprobs }),
    ...given(spelling.has("safety_identifier") ? "safety_identifier" : "user", request.user),
    ...(Object.keys(request.metadata).length === 0 ? {} : { metadata: request.metadata }),
    ...given("service_tier", request.serviceTier),
    ...given("prompt_cache_key", request.cacheKey ?? null),
    ...given("verbosity", request.verbosity ?? null),
  };
  return { body, warnings: [...warnings] };
}

/** What asks the provider to run something of its own, or to go on from something that it has stored. */
function nativeOnlyOf(body: JsonObject): readonly NativeOnly[] {
  const tools = (isJsonArray(body["tools"]) ? body["tools"] : []).flatMap((tool, i): readonly NativeOnly[] => {
    if (!isJsonObject(tool) || isPlainTool(tool)) return [];
    const name = typeof tool["type"] === "string" ? tool["type"].slice(0, 64) : "that the provider runs";
    return [{ param: `tools[${i}]`, what: `the tool ${name}` }];
  });
  return isNothing(body["web_search_options"])
    ? tools
    : [...tools, { param: "web_search_options", what: "the provider's web search" }];
}

const plainFields = [
  "model",
  "messages",
  "tools",
  "parallel_tool_calls",
  "n",
  "stream",
  "temperature",
  "top_p",
  "top_k",
  "frequency_penalty",
  "presence_penalty",
  "seed",
  "stop",
  "reasoning_effort",
  "reasoning",
  "max_tokens",
  "max_completion_tokens",
  "user",
  "metadata",
  "service_tier",
  "prompt_cache_key",
  "verbosity",
];

const given = (field: string, value: Json): JsonObject => (value === null ? {} : { [field]: value });
const isNothing = (value: Json | undefined) => value === undefined || value === null;

function encodeTools(request: ChatRequest, isLegacy: boolean, warn: (what: string) => void): JsonObject {
  if (request.tools.some(isLostMark)) warn("cache marks");
  if (request.tools.some((tool) => tool.type === "function" && tool.returns !== undefined)) warn("what a tool returns");
  const tools = request.tools.map(encodeTool).filter((tool) => tool !== null);
  if (tools.length < request.tools.length) warn("a tool that another provider runs");
  const choice = request.toolChoice;
  const custom = customNames(request.tools);
  if (!isLegacy) {
    return {
      ...(tools.length === 0 ? {} : { tools }),
      ...(choice === null ? {} : { tool_choice: encodeToolChoice(choice, custom) }),
    };
  }
  const functions = tools.map((tool) => tool["function"] ?? {});
  const called = choice === null ? {} : { function_call: encodeLegacyChoice(choice) };
  return { ...(functions.length === 0 ? {} : { functions }), ...called };
}

const encodeLegacyChoice = (choice: ToolChoice): Json => (choice.type === "tool" ? { name: choice.name } : choice.type);

function encodeCap(maxOutputTokens: number | null, spelling: ReadonlySet<Json>): JsonObject {
  if (maxOutputTokens === null) return {};
  const fields = outputCapFields.filter((field) => spelling.has(field));
  const names = fields.length > 0 ? fields : ["max_completion_tokens"];
  return Object.fromEntries(names.map((name) => [name, maxOutputTokens]));
}

/** `null`: a format only this dialect has a word for, e.g. a grammar. */
function decodeFormat(value: Json | undefined): OutputFormat | null {
  const format = readObject(value, "response_format");
  if (format === null || format["type"] === "text") return { type: "text" };
  if (format["type"] === "json_object") return { type: "json" };
  if (format["type"] !== "json_schema") return null;
  const definition = readObject(format["json_schema"], "response_format.json_schema");
  const schema = definition?.["schema"];
  if (definition === null || !isJsonObject(schema)) return null;
  return {
    type: "json-schema",
    name: readString(definition["name"], "response_format.json_schema.name") ?? "",
    description: readString(definition["description"], "response_format.json_schema.description"),
    schema,
    strict: readBoolean(definition["strict"], "response_format.json_schema.strict"),
  };
}

function encodeFormat(format: OutputFormat): JsonObject {
  if (format.type === "text") return {};
  if (format.type === "json") return { response_format: { type: "json_object" } };
  const { name, description, schema, strict } = format;
  const definition = {
    // OpenAI asks for one.
    name: name || "answer",
    ...given("description", description),
    schema,
    ...given("strict", strict),
  };
  return { response_format: { type: "json_schema", json_schema: definition } };
}

/** `reasoning_effort` is OpenAI's; `reasoning: {effort, max_tokens}` is OpenRouter's. */
function decodeReasoningOptions(body: JsonObject, options: JsonObject): Reasoning | null {
  const effort =
    readString(body["reasoning_effort"], "reasoning_effort") ?? readString(options["effort"], "reasoning.effort");
  const budgetTokens = readNumber(options["max_tokens"], "reasoning.max_tokens");
  // OpenRouter: `exclude` thinks all the same, and does not tell.
  const show = options["exclude"] === true ? false : null;
  return effort === null && budgetTokens === null && show === null ? null : { effort, budgetTokens, show };
}

const reasoningKeys = new Set(["effort", "max_tokens"]);

function encodeReasoningOptions(reasoning: Reasoning | null, more: Json | undefined): JsonObject {
  const effort = given("effort", reasoning?.effort ?? null);
  const budget = given("max_tokens", reasoning?.budgetTokens ?? null);
  return { reasoning: { ...(isJsonObject(more) ? more : {}), ...effort, ...budget } };
}

function encodeEffort(reasoning: Reasoning | null, warn: (what: string) => void): JsonObject {
  if (reasoning === null) return {};
  if (reasoning.budgetTokens !== null && reasoning.budgetTokens > 0) warn("a budget of reasoning tokens");
  return given("reasoning_effort", effortOf(reasoning));
}

function readStop(value: Json | undefined): readonly string[] {
  if (value === undefined || value === null) return [];
  const stop = typeof value === "string" ? [value] : value;
  if (!isJsonArray(stop)) throw invalid("stop", "must be a string or an array of strings");
  return stop.map((item: Json, i) => readString(item, `stop[${i}]`) ?? "");
}

function readMetadata(value: Json | undefined): Readonly<Record<string, string>> {
  const entries = Object.entries(readObject(value, "metadata") ?? {});
  if (entries.length > maxEntries) throw invalid("metadata", `must have at most ${maxEntries} entries`);
  return Object.fromEntries(entries.map(([key, item]) => [key, readString(item, "metadata") ?? ""]));
}
