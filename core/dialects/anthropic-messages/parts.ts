import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { MediaPart, OtherPart, TextPart } from "../../chat/request.ts";
import { without } from "../extensions.ts";
import { invalid, readObject, readString } from "../fields.ts";
import { decodeCache, encodeCache } from "./cache.ts";
import { decodeCitations, encodeOwnCitations } from "./citations.ts";
import { keep, kept } from "./kept.ts";
import { decodeMedia, encodeMedia } from "./media.ts";

export type ContentPart = TextPart | MediaPart | OtherPart;
export type Warn = (what: string) => void;

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

/** A block that may stand in any content: text, media, or one that only this dialect has a word for. */
export function decodePart(block: JsonObject, path: string): ContentPart {
  switch (block["type"]) {
    case "text":
      return decodeText(block, path);
    case "image":
    case "document":
      return decodeMedia(block) ?? decodeReadable(block) ?? decodeOther(block);
    case "search_result":
      return decodeReadable(block) ?? decodeOther(block);
    default:
      return decodeOther(block);
  }
}

/** `null`: it cannot be said, and `warn` was told. */
export function encodePart(part: ContentPart, warn: Warn): JsonObject | null {
  const own = kept(part);
  if (part.type === "other") {
    if (own["type"] === undefined) warn("a content part of another protocol");
    return own["type"] === undefined ? null : own;
  }
  if (part.type === "media") return encodeMedia(part, warn);
  if (own["type"] !== undefined) return own;
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

/**
 * A document or a search result that is text: other vendors can read it, so it is text with its title. This dialect writes
 * the block back, whole.
 */
function decodeReadable(block: JsonObject): TextPart | null {
  const source = block["source"];
  const body =
    block["type"] === "search_result"
      ? textOf(block["content"])
      : isJsonObject(source) && source["type"] === "text"
        ? textOf(source["data"])
        : isJsonObject(source) && source["type"] === "content"
          ? textOf(source["content"])
          : null;
  if (body === null) return null;
  const head = [block["title"], block["type"] === "search_result" ? source : null, block["context"]];
  const text = [...head.flatMap((line) => (typeof line === "string" && line !== "" ? line : [])), body].join("\n");
  return { type: "text", text, ...decodeCache(block).mark, ...keep(block) };
}

/** `null`: there is something else than text in it. */
function textOf(content: Json | undefined): string | null {
  if (typeof content === "string") return content;
  if (!isJsonArray(content)) return null;
  const texts = content.map((block) => (isJsonObject(block) && block["type"] === "text" ? block["text"] : null));
  return texts.every((text) => typeof text === "string") ? texts.join("\n") : null;
}

/** The input of a tool that a call or its result stands for. */
export const readInput = (value: Json | undefined, path: string): string =>
  JSON.stringify(readObject(value, path) ?? {});

const textKeys = new Set(["type", "text", "cache_control", "citations"]);
