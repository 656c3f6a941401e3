import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { MediaPart, OtherPart, TextPart } from "../../chat/request.ts";
import { without } from "../extensions.ts";
import { invalid, readObject, readString } from "../fields.ts";
import { decodeCache, encodeCache } from "./cache.ts";
import { decodeCitations, encodeOwnCitations } from "./citations.ts";
import { keep, kept, withinKey } from "./kept.ts";
import { decodeMedia, encodeMedia } from "./media.ts";
import { decodeReadable } from "./readable.ts";

export type ContentPart = TextPart | MediaPart | OtherPart;
/** `instead`: what is asked for in its place. */
export type Warn = (what: string, instead?: string) => void;

/** `content` of a message, a tool result or the system prompt as blocks; a string is one block of text. */
export function readBlocks(content: Json | undefined, path: string): readonly JsonObject[] {
  if (content === undefined || content === null) return [];
  if (typeof content === "string") return [{ type: "text", text: content }];
  if (!isJsonArray(content)) throw invalid(path, "must be a string or an array");
  return content.map((block, i) => {
    if (!isJsonObject(block)) throw invalid(`${path}[${i}]`, "must be an object");
    return block;
  });
}

/** A block that may stand in any content: text, media, a document of both, or one that only this dialect has a word for. */
export function decodePart(block: JsonObject, path: string): readonly ContentPart[] {
  switch (block["type"]) {
    case "text":
      return [decodeText(block, path)];
    case "image":
    case "document": {
      const media = decodeMedia(block);
      return media === null ? (decodeReadable(block) ?? [decodeOther(block)]) : [media];
    }
    case "search_result":
      return decodeReadable(block) ?? [decodeOther(block)];
    default:
      return [decodeOther(block)];
  }
}

/** `null`: it cannot be said, and `warn` was told; or it stands in the block of a part before it. */
export function encodePart(part: ContentPart, warn: Warn): JsonObject | null {
  if (part.extensions?.[withinKey] === true) return null;
  const own = kept(part);
  if (part.type === "other") {
    if (own["type"] === undefined) warn("a content part of another protocol");
    return own["type"] === undefined ? null : own;
  }
  if (own["type"] !== undefined) return own;
  if (part.type === "media") return encodeMedia(part, warn);
  if (part.signature !== undefined) warn("thought signatures");
  const citations = encodeOwnCitations(part.citations ?? []);
  return {
    type: "text",
    text: part.text,
    ...encodeCache(part),
    ...(citations.length === 0 ? {} : { citations }),
    ...own,
  };
}

const decodeOther = (block: JsonObject): OtherPart => ({
  type: "other",
  extensions: keep(block).extensions ?? {},
});

function decodeText(block: JsonObject, path: string): TextPart {
  const text = readString(block["text"], `${path}.text`);
  if (text === null) throw invalid(`${path}.text`, "is required");
  const citations = decodeCitations(block["citations"]);
  const { mark, rest } = decodeCache(block);
  return {
    type: "text",
    text,
    ...mark,
    ...(citations.length === 0 ? {} : { citations }),
    ...keep({ ...without(block, textKeys), ...rest }),
  };
}

/** The input of a tool that a call or its result stands for. */
export const readInput = (value: Json | undefined, path: string): string =>
  JSON.stringify(readObject(value, path) ?? {});

const textKeys = new Set(["type", "text", "cache_control", "citations"]);
