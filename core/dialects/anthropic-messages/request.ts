import { isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { ChatRequest, Message, NativeOnly, Part } from "../../chat/request.ts";
import type { Encoded } from "../dialect.ts";
import { foreignFields, without } from "../extensions.ts";
import { invalid, isGiven, readNumber, readObjects, readString } from "../fields.ts";
import { encodeConversation, splitBilling } from "./conversation.ts";
import { maxMessages, maxTools } from "../request-caps.ts";
import { readCountEnvelope, readEnvelope } from "./envelope.ts";
import { decodeFormat, encodeFormat, encodeOwnFormat } from "./format.ts";
import { billingKey, formatKey, dialectName, isOwn, keep, kept, ownKey } from "./kept.ts";
import { decodeBlocks, decodeMessage, plainContent } from "./messages.ts";
import { type ModelTraits, modelTraits } from "./models.ts";
import { readBlocks, type Warn } from "./parts.ts";
import { decodeReasoning, encodeOwnReasoning, encodeReasoning } from "./reasoning.ts";
import { encodeSampling } from "./sampling.ts";
import { decodeTool, decodeToolChoice, encodeTools } from "./tools.ts";

export function decodeRequest(body: JsonObject): ChatRequest {
  readEnvelope(body, 0);
  return decodeAnyRequest(body);
}

/** As above; a request that counts tokens has no cap. */
export function decodeAnyRequest(body: JsonObject): ChatRequest {
  const { model, stream, maxOutputTokens } = readCountEnvelope(body, 0);
  const { billing, system } = splitBilling(readBlocks(body["system"], "system"));
  const { choice, parallel, rest: moreChoice } = decodeToolChoice(body["tool_choice"]);
  const { reasoning, rest: moreReasoning } = decodeReasoning(body);
  const { format: said, rest: config } = decodeFormat(object(moreReasoning["output_config"]));
  // Its name while it was in beta; the SDKs of that time say it so.
  const { format: before } = decodeFormat({ format: body["output_format"] });
  const isBefore = said.type === "text" && config["format"] === undefined && before.type !== "text";
  const metadata = object(body["metadata"]);
  const user = typeof metadata["user_id"] === "string" ? metadata["user_id"] : null;
  const moreMetadata = user === null ? metadata : without(metadata, userKeys);
  const rest: JsonObject = {
    ...without(body, isBefore ? fieldsAndFormat : plainFields),
    ...moreChoice,
    ...without(moreReasoning, configKeys),
    ...(Object.keys(config).length === 0 ? {} : { output_config: config }),
    ...(Object.keys(moreMetadata).length === 0 ? {} : { metadata: moreMetadata }),
  };
  const messages: readonly Message[] = [
    ...(system.length === 0 ? [] : [{ role: "system" as const, parts: decodeBlocks(system, "system") }]),
    ...(readObjects(body["messages"], "messages", maxMessages) ?? []).map((message, i) =>
      decodeMessage(message, `messages[${i}]`),
    ),
  ];
  return {
    model,
    messages,
    tools: (readObjects(body["tools"], "tools", maxTools) ?? []).map((tool, i) => decodeTool(tool, `tools[${i}]`)),
    toolChoice: choice,
    parallelToolCalls: parallel,
    maxOutputTokens,
    candidates: 1,
    stream,
    temperature: readNumber(body["temperature"], "temperature"),
    topP: readNumber(body["top_p"], "top_p"),
    topK: readNumber(body["top_k"], "top_k"),
    frequencyPenalty: null,
    presencePenalty: null,
    seed: null,
    stop: readStop(body["stop_sequences"]),
    format: isBefore ? before : said,
    reasoning,
    logprobs: null,
    nativeOnly: nativeOnlyOf(body),
    user,
    metadata: {},
    serviceTier: decodeTier(readString(body["service_tier"], "service_tier")),
    ...(messages.some(({ parts }) => parts.some(isToCite)) ? { citesDocuments: true } : {}),
    extensions: {
      ...keep(Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== null))).extensions,
      [ownKey]: true,
      ...(isBefore ? { [formatKey]: true } : {}),
      ...(billing === null ? {} : { [billingKey]: billing }),
    },
  };
}

/** A document, or a result of a search. */
function isToCite(part: Part): boolean {
  if (part.type === "tool-result") return part.parts.some(isToCite);
  if (part.type !== "text" && part.type !== "media") return false;
  const { citations } = kept(part);
  return isJsonObject(citations) && citations["enabled"] === true;
}

export function encodeRequest(request: ChatRequest, model: string): Encoded {
  const warnings = new Set<string>();
  const note = (sentence: string) => void warnings.add(sentence);
  const warn: Warn = (what, instead = "left out") => note(`${dialectName} cannot say ${what}; ${instead}`);
  for (const field of foreignFields(dialectName, request.extensions)) warn(`'${field}'`);
  for (const what of unsaid(request)) warn(what);
  const body = isOwn(request) ? encodeOwn(request, model, warn) : encodeForeign(request, model, warn, note);
  if (request.maxOutputTokens === null) {
    note(`${dialectName} needs a cap on output tokens; ${JSON.stringify(body["max_tokens"])} is sent`);
  }
  return { body, warnings: [...warnings] };
}

/** As the client wrote it: it knows what its model takes. */
function encodeOwn(request: ChatRequest, model: string, warn: Warn): JsonObject {
  const { thinking: _thinking, output_config: _config, metadata, tool_choice: moreChoice, ...own } = kept(request);
  const said = encodeOwnReasoning(request, kept(request));
  const { format } = encodeOwnFormat(request.format);
  const isBefore = request.extensions[formatKey] === true;
  const config = { ...object(said["output_config"]), ...given("format", isBefore ? null : (format ?? null)) };
  const { system, messages } = encodeConversation(request, warn);
  const { tool_choice: choice, ...tools } = encodeTools(request, null, warn);
  const fullChoice = { ...object(choice), ...object(moreChoice) };
  const named = { ...object(metadata), ...(request.user === null ? {} : { user_id: request.user }) };
  return {
    ...own,
    model,
    max_tokens: request.maxOutputTokens ?? modelTraits(model).outputLimit,
    ...encodeSystem(system),
    messages,
    ...tools,
    ...(Object.keys(fullChoice).length === 0 ? {} : { tool_choice: fullChoice }),
    ...(request.stream ? { stream: true } : {}),
    ...given("temperature", request.temperature),
    ...given("top_p", request.topP),
    ...given("top_k", request.topK),
    ...(request.stop.length === 0 ? {} : { stop_sequences: request.stop }),
    ...said,
    ...(Object.keys(config).length === 0 ? {} : { output_config: config }),
    ...given("output_format", isBefore ? (format ?? null) : null),
    ...(Object.keys(named).length === 0 ? {} : { metadata: named }),
    ...given("service_tier", request.serviceTier === "default" ? standardOnly : request.serviceTier),
  };
}

/** As the target's model takes it. */
function encodeForeign(request: ChatRequest, model: string, warn: Warn, note: (sentence: string) => void): JsonObject {
  const traits: ModelTraits = modelTraits(model);
  const { fields, isOn, maxTokens } = encodeReasoning(request, traits, warn);
  const { config, instruction } = encodeFormat(request.format, traits, note);
  const { system, messages } = encodeConversation(request, warn);
  const output = { ...object(fields["output_config"]), ...config };
  const stop = request.stop.filter((sequence) => sequence.trim() !== "");
  if (stop.length < request.stop.length) warn("a stop sequence of white space");
  return {
    ...kept(request),
    model,
    max_tokens: maxTokens,
    ...encodeSystem(instruction === null ? system : [...system, { type: "text", text: instruction }]),
    messages,
    ...encodeTools(request, traits, warn),
    ...(request.stream ? { stream: true } : {}),
    ...encodeSampling(request, traits, isOn, warn),
    ...(stop.length === 0 ? {} : { stop_sequences: stop }),
    ...fields,
    ...(Object.keys(output).length === 0 ? {} : { output_config: output }),
    ...(request.user === null ? {} : { metadata: { user_id: request.user } }),
    ...encodeTier(request.serviceTier, warn),
  };
}

const encodeSystem = (blocks: readonly JsonObject[]): JsonObject =>
  blocks.length === 0 ? {} : { system: plainContent(blocks) };

/** What the protocol has no word for at all. */
function* unsaid(request: ChatRequest): Generator<string> {
  if (request.candidates > 1) yield "several answers";
  if (request.frequencyPenalty !== null) yield "a frequency penalty";
  if (request.presencePenalty !== null) yield "a presence penalty";
  if (request.seed !== null) yield "a seed";
  if (request.logprobs !== null) yield "log probabilities";
  if (Object.keys(request.metadata).length > 0) yield "metadata";
  if (request.verbosity !== undefined) yield "'verbosity'";
  if (request.cacheKey !== undefined) yield "a cache key";
}

/** What others call the default. */
const standardOnly = "standard_only";

/** The canonical words are OpenAI's. */
const decodeTier = (tier: string | null): string | null => (tier === standardOnly ? "default" : tier);

/** Tiers that are bought by the call it has none. */
function encodeTier(tier: string | null, warn: Warn): JsonObject {
  if (tier === null) return {};
  if (tier === "auto") return { service_tier: tier };
  if (tier === "default" || tier === "standard" || tier === standardOnly) return { service_tier: standardOnly };
  warn(`the service tier '${tier.slice(0, 32)}'`);
  return {};
}

/** What asks the provider to run something of its own, or to go on from something that it has stored. */
function nativeOnlyOf(body: JsonObject): readonly NativeOnly[] {
  const found: NativeOnly[] = [];
  for (const [i, tool] of (readObjects(body["tools"], "tools", maxTools) ?? []).entries()) {
    const { type } = tool;
    if (typeof type === "string" && type !== "custom") {
      found.push({ param: `tools[${i}]`, what: `the tool ${type.slice(0, 64)}` });
    }
  }
  for (const [field, what] of nativeFields) if (isGiven(body[field])) found.push({ param: field, what });
  return found;
}

const nativeFields: readonly (readonly [string, string])[] = [
  ["container", "a container for code"],
  ["thread", "a conversation that the provider stores"],
  ["mcp_servers", "servers of tools that the provider calls"],
];

function readStop(value: Json | undefined): readonly string[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw invalid("stop_sequences", "must be an array of strings");
  return value.map((item: Json, i) => readString(item, `stop_sequences[${i}]`) ?? "");
}

const given = (field: string, value: Json): JsonObject => (value === null ? {} : { [field]: value });
const object = (value: Json | undefined): JsonObject => (isJsonObject(value) ? value : {});

const userKeys = new Set(["user_id"]);
const configKeys = new Set(["output_config"]);
const plainFields = new Set([
  "model",
  "max_tokens",
  "system",
  "messages",
  "tools",
  "tool_choice",
  "stream",
  "temperature",
  "top_p",
  "top_k",
  "stop_sequences",
  "thinking",
  "output_config",
  "metadata",
  "service_tier",
]);
const fieldsAndFormat = new Set([...plainFields, "output_format"]);
