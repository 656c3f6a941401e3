import { isJsonArray, type Json, type JsonObject } from "../../chat/json.ts";
import type { ChatRequest, NativeOnly } from "../../chat/request.ts";
import type { Encoded, InPath } from "../dialect.ts";
import { foreignFields, without } from "../extensions.ts";
import { invalid, readInteger, readNumber, readString } from "../fields.ts";
import { decodeMessages } from "./contents.ts";
import { encodeMessages } from "./contents-encode.ts";
import { configOf, readEnvelope } from "./envelope.ts";
import { decodeFormat, encodeFormat } from "./format.ts";
import { dialectName, keep, kept, noteOf, withNote } from "./kept.ts";
import { isStoredFile } from "./media.ts";
import { generationOf } from "./model.ts";
import { camelObject, inCamel } from "./spelling.ts";
import { decodeThinking, encodeThinking, encodeThinkingAsSent, thinkingFields } from "./thinking.ts";
import {
  callingConfigOf,
  decodeToolChoice,
  decodeTools,
  encodeToolChoice,
  encodeTools,
  serverToolsIn,
} from "./tools.ts";

/*
 * Settings without a canonical name are kept under their whole path, `generationConfig.speechConfig`, so that a warning
 * names them.
 */
const configPath = "generationConfig.";
const thinkingPath = "generationConfig.thinkingConfig.";
const toolPath = "toolConfig.";
const callingPath = "toolConfig.functionCallingConfig.";

export function decodeRequest(body: JsonObject, path?: InPath): ChatRequest {
  const { model, stream, maxOutputTokens, candidates } = readEnvelope(body, 0, path);
  const request = inCamel(body);
  const config = configOf(body);
  const toolConfig = camelObject(request["toolConfig"]);
  const calling = callingConfigOf(toolConfig);
  const choice = decodeToolChoice(calling);
  const thinking = camelObject(config["thinkingConfig"]);
  const format = decodeFormat(config);
  const tier = readString(request["serviceTier"], "serviceTier")?.toLowerCase() ?? null;
  const messages = decodeMessages(request);

  const consumed = new Set([...configKeys, ...(format.schema === null ? [] : format.consumed)]);
  if (format.format.type !== "text" || config["responseMimeType"] === "text/plain") consumed.add("responseMimeType");
  const logprobs = config["responseLogprobs"] === true;
  if (logprobs) consumed.add("logprobs");
  return {
    model,
    messages,
    tools: decodeTools(request["tools"]),
    toolChoice: choice?.choice ?? null,
    parallelToolCalls: null,
    maxOutputTokens,
    candidates,
    stream,
    temperature: readNumber(config["temperature"], `${configPath}temperature`),
    topP: readNumber(config["topP"], `${configPath}topP`),
    topK: readNumber(config["topK"], `${configPath}topK`),
    frequencyPenalty: readNumber(config["frequencyPenalty"], `${configPath}frequencyPenalty`),
    presencePenalty: readNumber(config["presencePenalty"], `${configPath}presencePenalty`),
    seed: readNumber(config["seed"], `${configPath}seed`),
    stop: readStop(config["stopSequences"]),
    format: format.format,
    reasoning: decodeThinking(thinking),
    logprobs: logprobs ? (readInteger(config["logprobs"], `${configPath}logprobs`, 0, 1_000) ?? 0) : null,
    nativeOnly: nativeOnlyOf(request, messages),
    user: null,
    metadata: {},
    serviceTier: tier === "standard" ? "default" : tier === "unspecified" ? null : tier,
    extensions: {
      ...keep({
        ...without(request, requestKeys),
        ...atPath(configPath, without(config, consumed)),
        ...atPath(thinkingPath, without(thinking, thinkingKeys)),
        ...atPath(toolPath, without(toolConfig, callingKey)),
        ...atPath(callingPath, choice === null ? calling : without(calling, choiceKeys)),
      }).extensions,
      ...withNote({
        ...(format.schema === null ? {} : { responseSchema: format.schema }),
        ...(choice?.validated ? { validated: true } : {}),
      }),
    },
  };
}

export function encodeRequest(request: ChatRequest, model: string): Encoded {
  const warnings = new Set<string>();
  const warn = (what: string) => warnings.add(`gemini cannot say ${what}; left out`);
  const note = noteOf(request.extensions);
  for (const field of foreignFields(dialectName, request.extensions)) warn(`'${field}'`);
  if (request.user !== null) warn("'user'");
  if (Object.keys(request.metadata).length > 0) warn("'metadata'");
  if (request.parallelToolCalls === false) warn("that calls must come one by one");
  const own = kept(request);
  const tools = encodeTools(request.tools, warn);
  const config = encodeConfig(request, model, note, warn);
  const body = {
    ...encodeMessages(request.messages, { model, asSent: note !== null, warn }),
    ...tools,
    ...encodeToolConfig(request, model, note, tools["tools"] !== undefined, warn),
    ...(Object.keys(config).length === 0 ? {} : { generationConfig: config }),
    ...encodeTier(request.serviceTier, warn),
    ...Object.fromEntries(
      Object.entries(own).filter(([key]) => !key.startsWith(configPath) && !key.startsWith(toolPath)),
    ),
  };
  return { body, warnings: [...warnings] };
}

/** What Google keeps, and what it runs itself. */
function nativeOnlyOf(request: JsonObject, messages: ChatRequest["messages"]): readonly NativeOnly[] {
  const { cachedContent: cached } = request;
  const hasStoredFile = messages.some(({ parts }) => parts.some((part) => part.type === "media" && isStoredFile(part)));
  return [
    ...serverToolsIn(request["tools"]),
    ...(cached === undefined || cached === null ? [] : [{ param: "cachedContent", what: "a cached content" }]),
    ...(hasStoredFile ? [{ param: "contents", what: "a file that Google stores" }] : []),
  ];
}

function encodeConfig(
  request: ChatRequest,
  model: string,
  note: JsonObject | null,
  warn: (what: string) => void,
): JsonObject {
  const own = kept(request);
  const { reasoning, logprobs } = request;
  const thinking = {
    ...(reasoning === null
      ? {}
      : note === null
        ? encodeThinking(reasoning, model, warn)
        : encodeThinkingAsSent(reasoning)),
    ...fromPath(thinkingPath, own),
  };
  const moreConfig = Object.entries(fromPath(configPath, own)).filter(([key]) => !key.startsWith("thinkingConfig."));
  return {
    ...(request.candidates === 1 ? {} : { candidateCount: request.candidates }),
    ...given("maxOutputTokens", request.maxOutputTokens),
    ...given("temperature", request.temperature),
    ...given("topP", request.topP),
    ...given("topK", request.topK),
    ...given("frequencyPenalty", request.frequencyPenalty),
    ...given("presencePenalty", request.presencePenalty),
    ...encodeSeed(request.seed, warn),
    ...encodeStop(request.stop, note, warn),
    ...encodeFormat(request.format, note),
    ...(logprobs === null ? {} : { responseLogprobs: true, ...(logprobs > 0 ? { logprobs } : {}) }),
    ...(Object.keys(thinking).length === 0 ? {} : { thinkingConfig: thinking }),
    ...Object.fromEntries(moreConfig),
  };
}

function encodeToolConfig(
  request: ChatRequest,
  model: string,
  note: JsonObject | null,
  hasTools: boolean,
  warn: (what: string) => void,
): JsonObject {
  const own = kept(request);
  const { toolChoice } = request;
  const isStrict = note === null && request.tools.some((tool) => tool.type === "function" && tool.strict === true);
  // Calls that were demanded are held to their schemas anyway.
  const isChosen = toolChoice !== null && toolChoice.type !== "auto";
  const canValidate = (generationOf(model) ?? 0) >= 2.5;
  if (isStrict && !isChosen && !canValidate) warn("strict tools");
  const validated = note === null ? isStrict && canValidate : note["validated"] === true;
  // Without functions Google refuses any word about them.
  const chosen = note === null && !hasTools ? {} : encodeToolChoice(toolChoice, validated && !isChosen);
  const calling = { ...chosen, ...fromPath(callingPath, own) };
  const more = Object.entries(fromPath(toolPath, own)).filter(([key]) => !key.startsWith("functionCallingConfig."));
  const config = {
    ...(Object.keys(calling).length === 0 ? {} : { functionCallingConfig: calling }),
    ...Object.fromEntries(more),
  };
  return Object.keys(config).length === 0 ? {} : { toolConfig: config };
}

function encodeSeed(seed: number | null, warn: (what: string) => void): JsonObject {
  if (seed === null || (seed === Math.trunc(seed) && Math.abs(seed) < 2 ** 31)) return given("seed", seed);
  warn("a seed of more than 32 bits");
  return {};
}

/** "Up to 5": more are refused. */
const maxStop = 5;

function encodeStop(stop: readonly string[], note: JsonObject | null, warn: (what: string) => void): JsonObject {
  if (stop.length === 0) return {};
  if (note === null && stop.length > maxStop) warn(`more than ${maxStop} stop sequences`);
  return { stopSequences: note === null ? stop.slice(0, maxStop) : stop };
}

/** The canonical words are OpenAI's. */
function encodeTier(tier: string | null, warn: (what: string) => void): JsonObject {
  if (tier === null || tier === "auto") return {};
  if (tier === "default") return { serviceTier: "standard" };
  if (tier === "flex" || tier === "priority") return { serviceTier: tier };
  warn(`the service tier '${tier}'`);
  return {};
}

function readStop(value: Json | undefined): readonly string[] {
  if (value === undefined || value === null) return [];
  const stop = typeof value === "string" ? [value] : value;
  if (!isJsonArray(stop)) throw invalid(`${configPath}stopSequences`, "must be an array of strings");
  return stop.map((item: Json, i) => readString(item, `${configPath}stopSequences[${i}]`) ?? "");
}

const given = (field: string, value: Json): JsonObject => (value === null ? {} : { [field]: value });

const atPath = (path: string, fields: JsonObject): JsonObject =>
  Object.fromEntries(
    Object.entries(fields).flatMap(([key, value]) => (value === null ? [] : [[`${path}${key}`, value]])),
  );

const fromPath = (path: string, fields: JsonObject): JsonObject =>
  Object.fromEntries(
    Object.entries(fields).flatMap(([key, value]) => (key.startsWith(path) ? [[key.slice(path.length), value]] : [])),
  );

/** The body's own `model` only repeats the path. */
const requestKeys = new Set([
  "model",
  "contents",
  "systemInstruction",
  "tools",
  "toolConfig",
  "generationConfig",
  "serviceTier",
]);
const configKeys = [
  "candidateCount",
  "maxOutputTokens",
  "temperature",
  "topP",
  "topK",
  "frequencyPenalty",
  "presencePenalty",
  "seed",
  "stopSequences",
  "thinkingConfig",
  "responseLogprobs",
];
const thinkingKeys = new Set(thinkingFields);
const callingKey = new Set(["functionCallingConfig"]);
const choiceKeys = new Set(["mode", "allowedFunctionNames"]);
