import { isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { MediaPart, Part, ReasoningPart } from "../../chat/request.ts";
import { without } from "../extensions.ts";
import { keep, kept } from "./kept.ts";
import { type ContentPart, decodeContent, encodePart } from "./parts.ts";
import { decodeReasoning } from "./reasoning.ts";
import { decodeToolCall, encodeToolCall } from "./tools.ts";

/*
 * What the model said is a list of items, the same in `output` of an answer and in `input` of a later request. The first
 * part of a message keeps the message's own fields under `item`, so that two messages in a row stay two.
 */

export function decodeOutputItem(item: JsonObject, path: string): readonly Part[] {
  switch (item["type"] ?? "message") {
    case "message":
      return decodeMessage(item, path);
    case "function_call":
    case "custom_tool_call":
      return [decodeToolCall(item)];
    case "reasoning":
      return [decodeReasoning(item)];
    case "image_generation_call":
      return [decodeImage(item)];
    default:
      return [decodeOther(item)];
  }
}

/** `encodeThought`: reasoning is said otherwise in an answer than in a request; `null` leaves it out. */
export function encodeOutput(
  parts: readonly Part[],
  warn: (what: string) => void,
  encodeThought: (part: ReasoningPart) => JsonObject | null,
): readonly JsonObject[] {
  const items: JsonObject[] = [];
  let open: { readonly fields: JsonObject; readonly content: JsonObject[] } | null = null;
  const close = () => {
    if (open === null) return;
    const { fields, content } = open;
    items.push({ ...fields, type: "message", role: "assistant", content });
    open = null;
  };
  for (const part of parts) {
    if (isContent(part)) {
      const json = encodePart(part, "output_text", warn);
      const { item } = kept(part);
      if (isJsonObject(item)) close();
      if (json === null && !isJsonObject(item)) continue;
      open ??= { fields: isJsonObject(item) ? item : {}, content: [] };
      if (json !== null) open.content.push(json);
      continue;
    }
    close();
    const item = encodeItem(part, warn, encodeThought);
    if (item !== null) items.push(item);
  }
  close();
  return items;
}

/** A part of a message; anything else is an item of its own. */
const isContent = (part: Part): part is ContentPart =>
  part.type === "text" ||
  part.type === "refusal" ||
  (part.type === "other" && kept(part)["whole"] === undefined && kept(part)["part"] !== undefined);

/** `null`: nothing of this protocol. */
export function encodeImage(part: MediaPart): JsonObject | null {
  const { whole } = kept(part);
  if (isJsonObject(whole)) return whole;
  if (part.kind !== "image" || part.source.by !== "data") return null;
  return { type: "image_generation_call", status: "completed", result: part.source.base64 };
}

function encodeItem(
  part: Part,
  warn: (what: string) => void,
  encodeThought: (part: ReasoningPart) => JsonObject | null,
): JsonObject | null {
  switch (part.type) {
    case "reasoning":
      return encodeThought(part);
    case "tool-call":
      if (part.cache !== undefined) warn("cache marks");
      return encodeToolCall(part);
    case "media": {
      const image = encodeImage(part);
      if (image === null) warn(`${part.kind} by ${part.source.by}`);
      return image;
    }
    case "other": {
      const { whole } = kept(part);
      if (isJsonObject(whole)) return whole;
      warn("a block of another protocol");
      return null;
    }
    case "text":
    case "refusal":
    case "tool-result":
      warn(`a ${part.type} in this place`);
      return null;
  }
}

function decodeMessage(item: JsonObject, path: string): readonly Part[] {
  const [first, ...more] = decodeContent(item["content"], `${path}.content`, "output_text");
  if (first === undefined) return [];
  return [{ ...first, ...keep({ ...kept(first), item: without(item, messageKeys) }) }, ...more];
}

/** An image that the model made, which other protocols have as a part of the answer. */
function decodeImage(item: JsonObject): Part {
  const { result } = item;
  if (typeof result !== "string" || result === "") return decodeOther(item);
  return {
    type: "media",
    kind: "image",
    mediaType: `image/${word(item["output_format"]) ?? "png"}`,
    source: { by: "data", base64: result },
    ...keep({ whole: item }),
  };
}

const decodeOther = (item: JsonObject): Part => ({ type: "other", extensions: keep({ whole: item }).extensions ?? {} });

const word = (value: Json | undefined): string | null => (typeof value === "string" && value !== "" ? value : null);
const messageKeys = new Set(["type", "role", "content"]);
