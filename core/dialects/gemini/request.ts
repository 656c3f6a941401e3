import { isJsonArray, type Json, type JsonObject } from "../../chat/json.ts";
import type { ChatRequest, Message, NativeOnly, OutputFormat } from "../../chat/request.ts";
import type { Encoded, InPath } from "../dialect.ts";
import { foreignFields, without } from "../extensions.ts";
import { invalid, readInteger, readNumber, readString } from "../fields.ts";
import { instructionFor } from "../json-format.ts";
import { decodeMessages } from "./contents.ts";
import { encodeMessages } from "./contents-encode.ts";
import { configOf, readEnvelope } from "./envelope.ts";
import { decodeFormat } from "./format.ts";
import { dialectName, keep, kept, noteOf, withNote } from "./kept.ts";
import { isStoredFile } from "./media.ts";
import { generationOf } from "./model.ts";
import { camelObject, inCamel } from "./spelling.ts";
import { decodeThinking, thinkingFields } from "./thinking.ts";
import { callingConfigOf, decodeToolChoice, decodeTools, encodeTools, serverToolsIn } from "./tools.ts";
import {
  callingPath,
  configPath,
  encodeConfig,
  encodeTier,
  encodeToolConfig,
  formatPath,
  thinkingPath,
  toolPath,
} from "./settings.ts";
import type { Warn } from "./warn.ts";

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

  const consumed = new Set([...configKeys, ...format.consumed]);
  const logprobs = config["responseLogprobs"] === true;
  if (logprobs) consumed.add("logprobs");
  // What goes without saying elsewhere is no loss.
  const saysText = isTextAlone(config["responseModalities"]);
  if (saysText) consumed.add("responseModalities");
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
        ...atPath(formatPath, format.otherFormats),
        ...atPath(thinkingPath, without(thinking, thinkingKeys)),
        ...atPath(toolPath, without(toolConfig, callingKey)),
        ...atPath(callingPath, choice === null ? calling : without(calling, choiceKeys)),
      }).extensions,
      ...withNote({
        ...(format.asSent === null ? {} : { format: format.asSent }),
        ...(choice?.validated ? { validated: true } : {}),
        ...(saysText ? { responseModalities: config["responseModalities"] } : {}),
      }),
    },
  };
}

export function encodeRequest(request: ChatRequest, model: string): Encoded {
  const warnings = new Set<string>();
  const warn: Warn = (what, instead = "left out") => void warnings.add(`gemini cannot say ${what}; ${instead}`);
  const note = noteOf(request.extensions);
  for (const field of foreignFields(dialectName, request.extensions)) warn(`'${field}'`);
  if (request.user !== null) warn("'user'");
  if (Object.keys(request.metadata).length > 0) warn("'metadata'");
  if (request.citesDocuments) warn("citations of documents");
  if (request.verbosity !== undefined) warn("'verbosity'");
  if (request.cacheKey !== undefined) warn("a cache key");
  if (request.parallelToolCalls === false) warn("that calls must come one by one");
  const own = kept(request);
  const tools = encodeTools(request.tools, warn);
  const isToldFormat = note === null && mustTellFormat(request, model, warn);
  const config = encodeConfig(isToldFormat ? { ...request, format: { type: "text" } } : request, model, note, warn);
  const messages = isToldFormat ? [...instructed(request.format), ...request.messages] : request.messages;
  const body = {
    ...encodeMessages(messages, { model, asSent: note !== null, warn }),
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

/** Before generation 3 Google refuses functions and a format of the answer together. */
function mustTellFormat({ format, tools }: ChatRequest, model: string, warn: Warn): boolean {
  const isBoth = format.type !== "text" && tools.some(({ type }) => type === "function");
  if (!isBoth || (generationOf(model) ?? 3) >= 3) return false;
  warn("with this model that an answer be JSON, beside functions", "asked for in the system instruction");
  return true;
}

const instructed = (format: OutputFormat): readonly Message[] =>
  format.type === "text" ? [] : [{ role: "system", parts: [{ type: "text", text: instructionFor(format) }] }];

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

const isTextAlone = (modalities: Json | undefined): boolean =>
  isJsonArray(modalities) && modalities.length > 0 && modalities.every((word) => word === "TEXT" || word === "text");

function readStop(value: Json | undefined): readonly string[] {
  if (value === undefined || value === null) return [];
  const stop = typeof value === "string" ? [value] : value;
  if (!isJsonArray(stop)) throw invalid(`${configPath}stopSequences`, "must be an array of strings");
  return stop.map((item: Json, i) => readString(item, `${configPath}stopSequences[${i}]`) ?? "");
}

const atPath = (path: string, fields: JsonObject): JsonObject =>
  Object.fromEntries(
    Object.entries(fields).flatMap(([key, value]) => (value === null ? [] : [[`${path}${key}`, value]])),
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
