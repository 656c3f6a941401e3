import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { MediaPart, OtherPart, TextPart } from "../../chat/request.ts";
import { decodeCache } from "./cache.ts";
import { keep, withinKey } from "./kept.ts";
import { decodeMedia } from "./media.ts";

type ReadablePart = TextPart | MediaPart | OtherPart;

/**
 * A document or a search result that is text, or text and images: other vendors can read it, so it is parts of its own, with
 * its title in front. This dialect writes the block back, whole, for the first of them. `null`: nothing in it can be read.
 */
export function decodeReadable(block: JsonObject): readonly ReadablePart[] | null {
  const content = contentOf(block);
  if (content === null) return null;
  const { title, source, context } = block;
  const head = [title, block["type"] === "search_result" ? source : null, context];
  const [first = { type: "text", text: "" }, ...others] = joined([...head.filter(isWord), ...content]);
  const { mark } = decodeCache(block);
  if (others.length === 0) return [{ ...first, ...mark, ...keep(block) }];
  return [
    { ...first, ...keep(block) },
    // The mark is of all that stands before the end of the block.
    ...others.map((part, i) => ({ ...part, ...(i === others.length - 1 ? mark : {}), extensions: within(part) })),
  ];
}

type Piece = string | MediaPart | OtherPart;

function contentOf(block: JsonObject): readonly Piece[] | null {
  const { source } = block;
  if (block["type"] === "search_result") return pieces(block["content"]);
  if (!isJsonObject(source)) return null;
  if (source["type"] === "text") return pieces(source["data"]);
  return source["type"] === "content" ? pieces(source["content"]) : null;
}

function pieces(content: Json | undefined): readonly Piece[] | null {
  if (typeof content === "string") return [content];
  if (!isJsonArray(content)) return null;
  const found = content.map((block): Piece => {
    if (!isJsonObject(block)) return other({});
    const { type, text } = block;
    if (type === "text" && typeof text === "string") return text;
    return (type === "image" ? decodeMedia(block) : null) ?? other(block);
  });
  return found.length > 0 && found.every(isOther) ? null : found;
}

/** Each run of texts as one. */
function joined(all: readonly Piece[]): readonly ReadablePart[] {
  const parts: ReadablePart[] = [];
  for (const piece of all) {
    const last = parts.at(-1);
    if (typeof piece !== "string") parts.push(piece);
    else if (last?.type === "text") parts[parts.length - 1] = { type: "text", text: `${last.text}\n${piece}` };
    else parts.push({ type: "text", text: piece });
  }
  return parts;
}

const other = (block: JsonObject): OtherPart => ({ type: "other", extensions: keep(block).extensions ?? {} });
const isOther = (piece: Piece): boolean => typeof piece !== "string" && piece.type === "other";
const isWord = (line: Json | undefined): line is string => typeof line === "string" && line !== "";
const within = (part: ReadablePart): JsonObject => ({ ...part.extensions, [withinKey]: true });
