import { isJsonObject, type Json, type JsonObject, objectsIn } from "../../chat/json.ts";
import type { Envelope, InputMeasure } from "../dialect.ts";
import { invalid, missing, readBoolean, readInteger, readObject, readObjects, readString } from "../fields.ts";
import { otherModels } from "../other-models.ts";
import { checkEntries, checkToolName, maxMessages, maxOutputTokens, maxTools, readModel } from "../request-caps.ts";
import { outputCapField } from "./edit-request.ts";
import { dialectName } from "./kept.ts";

/** Checks what the gateway acts on and leaves everything else to the provider. */
export function readEnvelope(body: JsonObject, bytes: number): Envelope {
  const model = readModel(body["model"]);
  checkCounts(body);
  const stream = readBoolean(body["stream"], "stream") ?? false;
  const isBackground = readBoolean(body["background"], "background") === true;
  // It would be answered before anything is used, and nobody would ever hear what was.
  if (isBackground && !stream) throw invalid("background", "needs 'stream': an answer cannot be fetched later");
  const models = otherModels(body);
  return {
    model,
    stream,
    includeUsage: true,
    maxOutputTokens: readInteger(body[outputCapField], outputCapField, 1, maxOutputTokens),
    candidates: 1,
    input: measure(body, bytes),
    ...(models.length > 0 && { otherModels: { dialect: dialectName, models } }),
    ...(isBackground && { changed: "background set to false, because a call is over when its client leaves" }),
  };
}

/** What the provider has stored, which may be all of the input there is. */
const storedFields = ["previous_response_id", "conversation", "prompt"];

function checkCounts(body: JsonObject): void {
  const { input } = body;
  const isStored = storedFields.some((field) => isGiven(body[field]));
  if ((input === undefined || input === null) && !isStored) missing("input");
  if (typeof input !== "string") {
    const items = readObjects(input, "input", maxMessages);
    if (items?.length === 0 && !isStored) throw invalid("input", "must not be empty");
  }
  readString(body["instructions"], "instructions");
  readObjects(body["tools"], "tools", maxTools)?.forEach(({ name }, i) => checkToolName(name, "tools", i));
  checkEntries(readObject(body["metadata"], "metadata"), "metadata");
}

type Found = { -readonly [K in keyof InputMeasure]: InputMeasure[K] };

function measure(body: JsonObject, bytes: number): InputMeasure {
  const found: Found = { textBytes: bytes, functionTools: 0, images: 0, audioBytes: 0, unbounded: false };
  measureTools(body["tools"], found);
  if (storedFields.some((field) => isGiven(body[field]))) found.unbounded = true;
  const { reasoning } = body;
  const mode = isJsonObject(reasoning) ? (reasoning["mode"] ?? "standard") : "standard";
  if (mode !== "standard") found.unbounded = true; // Thinks in several runs, each of which reads the input.
  for (const item of objectsIn(body["input"])) measureItem(item, found);
  return found;
}

function measureTools(tools: Json | undefined, found: Found): void {
  for (const tool of objectsIn(tools)) {
    if (isPlainTool(tool)) found.functionTools++;
    else if (tool["type"] === "namespace") measureTools(tool["tools"], found);
    else found.unbounded = true;
  }
}

/** One that the client runs. */
export const isPlainTool = ({ type }: JsonObject) => type === "function" || type === "custom";

function measureItem(item: JsonObject, found: Found): void {
  switch (item["type"] ?? "message") {
    case "message":
      for (const part of objectsIn(item["content"])) measurePart(part, found);
      break;
    case "function_call":
    case "custom_tool_call":
      break;
    case "function_call_output":
    case "custom_tool_call_output":
      for (const part of objectsIn(item["output"])) measurePart(part, found);
      break;
    case "reasoning":
      // Without its encrypted content it stands for what the provider has stored under its id.
      if (typeof item["encrypted_content"] !== "string" && typeof item["id"] === "string") found.unbounded = true;
      break;
    default: // Stored items, and tools that the provider ran: their content is not here.
      found.unbounded = true;
  }
}

function measurePart(part: JsonObject, found: Found): void {
  const { type } = part;
  if (typeof type === "string" && textParts.has(type)) return;
  if (type === "input_image") {
    const { image_url: url } = part;
    found.images++;
    if (typeof url !== "string" || !url.startsWith("data:")) return;
    // A document in its place would have no bound that its bytes show.
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

/** Content parts that are text: their bytes bound their tokens. */
const textParts: ReadonlySet<string> = new Set(["input_text", "output_text", "text", "refusal", "reasoning_text"]);

const isGiven = (value: Json | undefined) => value !== undefined && value !== null;
