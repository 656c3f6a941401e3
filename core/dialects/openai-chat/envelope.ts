import { isJsonArray, isJsonObject, type Json, type JsonObject, objectsIn } from "../../chat/json.ts";
import type { Envelope, InputMeasure } from "../dialect.ts";
import { invalid, missing, readBoolean, readInteger, readObject, readObjects } from "../fields.ts";
import { otherModels } from "../other-models.ts";
import {
  checkEntries,
  checkToolName,
  maxCandidates,
  maxMessages,
  maxOutputTokens,
  maxTools,
  readModel,
} from "../request-caps.ts";
import { dialectName } from "./kept.ts";

/** Checks what the gateway acts on and leaves everything else to the provider. */
export function readEnvelope(body: JsonObject, bytes: number): Envelope {
  const model = readModel(body["model"]);
  const stream = readBoolean(body["stream"], "stream") ?? false;
  const streamOptions = readObject(body["stream_options"], "stream_options");
  const includeUsage = readBoolean(streamOptions?.["include_usage"], "stream_options.include_usage") ?? false;
  checkCounts(body);
  const models = otherModels(body);
  return {
    model,
    stream,
    includeUsage,
    maxOutputTokens: readCap(body),
    candidates: Math.max(readCandidates(body["n"], "n"), readCandidates(body["best_of"], "best_of")),
    input: measure(body, bytes),
    ...(models.length > 0 && { otherModels: { dialect: dialectName, models } }),
  };
}

/** With both caps given the larger one bounds the call: providers differ in which they obey. */
function readCap(body: JsonObject): number | null {
  let most = 0;
  for (const field of outputCapFields) most = Math.max(most, readInteger(body[field], field, 1, maxOutputTokens) ?? 0);
  return most || null;
}

/** The names of the cap on output tokens: the old one, which many vendors still ask for, and the new one. */
export const outputCapFields = ["max_tokens", "max_completion_tokens"] as const;

export const readCandidates = (value: Json | undefined, path: string): number =>
  readInteger(value, path, 1, maxCandidates) ?? 1;

function checkCounts(body: JsonObject): void {
  const messages = readObjects(body["messages"], "messages", maxMessages) ?? missing("messages");
  if (messages.length === 0) throw invalid("messages", "must not be empty");
  checkTools(body["tools"], "tools");
  checkTools(body["functions"], "functions");
  for (const field of boundedFields) checkEntries(body[field], field);
}

const boundedFields = ["stop", "metadata", "logit_bias"];

function checkTools(value: Json | undefined, path: string): void {
  const tools = readObjects(value, path, maxTools);
  if (tools === null) return;
  for (const [i, tool] of tools.entries()) {
    const { name } = isJsonObject(tool["function"]) ? tool["function"] : tool;
    checkToolName(name, path, i);
  }
}

/** Request fields that make the provider fetch or generate input of its own, or bill output beyond the cap. */
const unboundedFields = [
  "web_search_options",
  "search_parameters", // xAI
  "data_sources", // Azure
  "plugins", // OpenRouter: web search, file parsing
  "enable_search", // Alibaba
  "prediction", // Rejected predictions are billed as output.
];

/** Content parts that are text: their bytes bound their tokens. */
const textParts: ReadonlySet<Json | undefined> = new Set(["text", "refusal", "thinking"]);

function measure(body: JsonObject, bytes: number): InputMeasure {
  const found = { textBytes: bytes, functionTools: 0, images: 0, audioBytes: 0, unbounded: false };
  for (const tool of objectsIn(body["tools"])) {
    if (isPlainTool(tool)) found.functionTools++;
    else found.unbounded = true;
  }
  found.functionTools += objectsIn(body["functions"]).length;
  for (const field of unboundedFields) if (isGiven(body[field])) found.unbounded = true;
  for (const message of objectsIn(body["messages"])) {
    if (isJsonObject(message["audio"])) found.unbounded = true; // An earlier answer's audio, by id.
    for (const part of objectsIn(message["content"])) measurePart(part, found);
    // Of an earlier answer, as OpenRouter has them.
    for (const image of objectsIn(message["images"])) measurePart(image, found);
  }
  return found;
}

/** One that the client runs. */
export const isPlainTool = (tool: JsonObject) =>
  tool["type"] === "function" ||
  tool["type"] === "custom" ||
  (tool["type"] === undefined && isJsonObject(tool["function"]));

const isGiven = (value: Json | undefined) =>
  value !== undefined && value !== null && value !== false && !(isJsonArray(value) && value.length === 0);

function measurePart(part: JsonObject, found: { -readonly [K in keyof InputMeasure]: InputMeasure[K] }): void {
  const { type } = part;
  if (textParts.has(type)) return;
  if (type === "image_url") {
    const image = part["image_url"];
    const url = isJsonObject(image) ? image["url"] : image;
    found.images++;
    if (typeof url !== "string" || !url.startsWith("data:")) return;
    // Some vendors take documents here, and a document has no bound that its bytes show.
    if (url.startsWith("data:image/")) found.textBytes -= url.length;
    else found.unbounded = true;
    return;
  }
  if (type === "input_audio" && isJsonObject(part["input_audio"])) {
    const { data } = part["input_audio"];
    if (typeof data !== "string") return;
    found.textBytes -= data.length;
    found.audioBytes += Math.ceil((data.length * 3) / 4);
    return;
  }
  found.unbounded = true;
}
