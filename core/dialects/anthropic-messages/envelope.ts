import { isJsonObject, type Json, type JsonObject, objectsIn } from "../../chat/json.ts";
import type { Envelope, InputMeasure } from "../dialect.ts";
import { invalid, isGiven, missing, readBoolean, readInteger, readObjects, readString } from "../fields.ts";
import { otherModels } from "../other-models.ts";
import { checkEntries, checkToolName, maxMessages, maxOutputTokens, maxTools, readModel } from "../request-caps.ts";
import { dialectName } from "./kept.ts";
import { isPlainTool } from "./tools.ts";
import { pricedApart } from "./usage.ts";

/** Checks what the gateway acts on and leaves everything else to the provider. The protocol asks for a cap. */
export function readEnvelope(body: JsonObject, bytes: number): Envelope {
  const model = readModel(body["model"]);
  const cap = readInteger(body["max_tokens"], "max_tokens", 1, maxOutputTokens) ?? missing("max_tokens");
  const { thinking } = body;
  const models = otherModels(body);
  const speed = readString(body["speed"], "speed");
  const tier = pricedApart(speed, readString(body["inference_geo"], "inference_geo"));
  const budget = isJsonObject(thinking) && thinking["type"] === "enabled" ? thinking["budget_tokens"] : null;
  return {
    ...readCountEnvelope(body, bytes),
    model,
    maxOutputTokens: cap,
    ...(typeof budget === "number" && Number.isInteger(budget) ? { reasoningTokens: budget } : {}),
    ...(models.length > 0 && { otherModels: { dialect: dialectName, models } }),
    ...(tier !== null && {
      tier: { dialect: dialectName, name: tier, param: pricedApart(speed, null) === null ? "inference_geo" : "speed" },
    }),
  };
}

/** The same without a cap: for a count of tokens. */
export function readCountEnvelope(body: JsonObject, bytes: number): Envelope {
  const model = readModel(body["model"]);
  checkCounts(body);
  return {
    model,
    stream: readBoolean(body["stream"], "stream") ?? false,
    includeUsage: true, // Every answer of this dialect has it.
    maxOutputTokens: readInteger(body["max_tokens"], "max_tokens", 1, maxOutputTokens),
    candidates: 1,
    input: measure(body, bytes),
  };
}

function checkCounts(body: JsonObject): void {
  const messages = readObjects(body["messages"], "messages", maxMessages) ?? missing("messages");
  if (messages.length === 0) throw invalid("messages", "must not be empty");
  readObjects(body["tools"], "tools", maxTools)?.forEach(({ name }, i) => checkToolName(name, "tools", i));
  for (const field of ["stop_sequences", "metadata"]) checkEntries(body[field], field);
}

type Measured = { -readonly [K in keyof InputMeasure]: InputMeasure[K] };

function measure(body: JsonObject, bytes: number): InputMeasure {
  const found: Measured = { textBytes: bytes, functionTools: 0, images: 0, audioBytes: 0, unbounded: false };
  for (const tool of objectsIn(body["tools"])) {
    if (isPlainTool(tool)) found.functionTools++;
    else found.unbounded = true;
  }
  if (isGiven(body["container"]) || isGiven(body["thread"]) || isGiven(body["mcp_servers"]) || compacts(body))
    found.unbounded = true;
  measureBlocks(body["system"], found);
  for (const message of objectsIn(body["messages"])) measureBlocks(message["content"], found);
  return found;
}

/** A compaction is a second answer within the first, over the whole input. */
function compacts(body: JsonObject): boolean {
  const management = body["context_management"];
  const edits = isJsonObject(management) ? objectsIn(management["edits"]) : [];
  return edits.some(({ type }) => typeof type === "string" && type.startsWith("compact"));
}

/** Blocks that are text: their bytes bound their tokens. */
const textBlocks: ReadonlySet<Json | undefined> = new Set([
  "text",
  "thinking",
  "redacted_thinking",
  "tool_use",
  "search_result",
  "tool_reference",
]);

function measureBlocks(content: Json | undefined, found: Measured): void {
  for (const block of objectsIn(content)) {
    const { type } = block;
    if (textBlocks.has(type)) continue;
    if (type === "tool_result") measureBlocks(block["content"], found);
    else if (type === "image") measureImage(block["source"], found);
    else if (type !== "document" || !isPlainText(block["source"])) found.unbounded = true;
  }
}

function measureImage(source: Json | undefined, found: Measured): void {
  found.images++;
  if (!isJsonObject(source)) return;
  const { type, data } = source;
  if (type === "base64" && typeof data === "string") found.textBytes -= data.length;
}

const isPlainText = (source: Json | undefined): boolean => isJsonObject(source) && source["type"] === "text";
