import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { Envelope, InPath, InputMeasure } from "../dialect.ts";
import { invalid, missing, readInteger, readObject } from "../fields.ts";
import {
  checkModel,
  maxCandidates,
  maxEntries,
  maxMessages,
  maxOutputTokens,
  maxToolNameLength,
  maxTools,
} from "../request-caps.ts";
import { camelObject, inCamel, listOf } from "./spelling.ts";

/** As the other caps on what a request may count. */
export const maxParts = 100_000;

/** Checks what the gateway acts on and leaves everything else to the provider. */
export function readEnvelope(body: JsonObject, bytes: number, path?: InPath): Envelope {
  const { model, stream } = pathOf(path);
  const request = inCamel(body);
  checkCounts(request);
  return {
    model: checkModel(model),
    stream,
    includeUsage: true, // Every stream tells it.
    maxOutputTokens: readCap(body),
    ...readThinking(body),
    candidates: Math.max(...configsOf(body).map((config) => readCandidates(inCamel(config)))),
    input: measure(request, bytes),
  };
}

/** The model and the kind of answer are not in the body: without its path there is no request. */
export function pathOf(path: InPath | undefined): InPath {
  if (path === undefined) throw new Error("a request of this dialect cannot be read without its path");
  return path;
}

/** The settings, whichever way their name is spelled; never none. */
const configsOf = (body: JsonObject): readonly JsonObject[] => [
  readObject(body["generationConfig"], "generationConfig") ?? {},
  readObject(body["generation_config"], "generation_config") ?? {},
];

/** All settings in camel case. */
export function configOf(body: JsonObject): JsonObject {
  const [camel = {}, snake = {}] = configsOf(body);
  return { ...inCamel(snake), ...inCamel(camel) };
}

/** With several caps given the largest bounds the call: the provider may obey any of them. */
function readCap(body: JsonObject): number | null {
  const caps = configsOf(body).flatMap((config) =>
    capFields.map((field) => readInteger(config[field], `generationConfig.${field}`, 1, maxOutputTokens) ?? 0),
  );
  return Math.max(...caps) || null;
}

function readThinking(body: JsonObject): { readonly reasoningTokens?: number } {
  const { thinkingBudget } = camelObject(configOf(body)["thinkingConfig"]);
  const isSaid = typeof thinkingBudget === "number" && Number.isInteger(thinkingBudget) && thinkingBudget > 0;
  return isSaid ? { reasoningTokens: thinkingBudget } : {};
}

export const configFields = ["generationConfig", "generation_config"] as const;
export const capFields = ["maxOutputTokens", "max_output_tokens"] as const;

const readCandidates = (config: JsonObject): number =>
  readInteger(config["candidateCount"], "generationConfig.candidateCount", 1, maxCandidates) ?? 1;

/** The messages, each an object: one alone needs no list, and a string is the text of a user's. */
export const readContents = (value: Json | undefined): readonly JsonObject[] =>
  listOf(value, "contents", maxMessages, (text) => ({ parts: [{ text }] }));

/** The parts of a content, or of a system instruction, which may be a plain text. */
export const readParts = (value: Json | undefined, path: string): readonly JsonObject[] =>
  listOf(value, path, maxParts, (text) => ({ text }));

/** A tool each, or one that is all of them. */
export const readTools = (value: Json | undefined): readonly JsonObject[] => listOf(value, "tools", maxTools);

export const readFunctions = (tool: JsonObject, path: string): readonly JsonObject[] =>
  listOf(tool["functionDeclarations"], `${path}.functionDeclarations`, maxTools);

function checkCounts(request: JsonObject): void {
  const contents = readContents(request["contents"]);
  if (contents.length === 0)
    throw isJsonArray(request["contents"]) ? invalid("contents", "must not be empty") : missing("contents");
  readTools(request["tools"]).forEach((tool, i) => {
    readFunctions(tool, `tools[${i}]`).forEach(({ name }, j) => {
      if (typeof name !== "string" || name.length <= maxToolNameLength) return;
      const path = `tools[${i}].functionDeclarations[${j}]`;
      throw invalid(path, `must have a name of at most ${maxToolNameLength} characters`);
    });
  });
  const stop = camelObject(request["generationConfig"])["stopSequences"];
  if (isJsonArray(stop) && stop.length > maxEntries) {
    throw invalid("generationConfig.stopSequences", `must have at most ${maxEntries} entries`);
  }
}

type Found = { -readonly [K in keyof InputMeasure]: InputMeasure[K] };

/** What of a request, in camel case, its bytes bound, and what they do not. */
export function measure(request: JsonObject, bytes: number): InputMeasure {
  const found = { textBytes: bytes, functionTools: 0, images: 0, audioBytes: 0, unbounded: false };
  for (const tool of readTools(request["tools"])) {
    for (const key in tool) {
      if (key === "functionDeclarations") found.functionTools += readFunctions(tool, "tools").length;
      else found.unbounded = true; // Run by the provider, which reads what it finds.
    }
  }
  if (request["cachedContent"] !== undefined && request["cachedContent"] !== null) found.unbounded = true;
  for (const { parts } of readContents(request["contents"])) measureParts(parts, found);
  const { systemInstruction: system } = request;
  measureParts(isJsonObject(system) ? system["parts"] : system, found);
  return found;
}

function measureParts(parts: Json | undefined, found: Found): void {
  for (const part of readParts(parts, "contents")) {
    for (const key in part) if (!boundedFields.has(key)) found.unbounded = true;
    if (isJsonObject(part["inlineData"])) measureBlob(inCamel(part["inlineData"]), found);
    const { functionResponse: response } = part;
    if (isJsonObject(response)) measureParts(response["parts"], found);
  }
}

/** Fields of a part whose bytes bound their tokens; inline data is looked at. A file by its address is not among them. */
const boundedFields = new Set([
  "text",
  "thought",
  "thoughtSignature",
  "functionCall",
  "functionResponse",
  "inlineData",
  "executableCode",
  "codeExecutionResult",
  "toolCall",
  "toolResponse",
  "videoMetadata",
  "mediaResolution",
  "partMetadata",
]);

function measureBlob({ mimeType, data }: JsonObject, found: Found): void {
  const type = typeof mimeType === "string" ? mimeType : "";
  const length = typeof data === "string" ? data.length : 0;
  if (type.startsWith("text/")) return;
  found.textBytes -= length;
  if (type.startsWith("image/")) found.images++;
  else if (type.startsWith("audio/")) found.audioBytes += Math.ceil((length * 3) / 4);
  else found.unbounded = true;
}
