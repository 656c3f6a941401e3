import { Buffer } from "node:buffer";
import { isJsonObject, type JsonObject } from "../../chat/json.ts";
import type { MediaPart } from "../../chat/request.ts";
import { without } from "../extensions.ts";
import { decodeCache, encodeCache } from "./cache.ts";
import { keep, kept } from "./kept.ts";

/** An image or a document by its bytes, its address or its file id; `null` for a source of another kind. */
export function decodeMedia(block: JsonObject): MediaPart | null {
  const source = isJsonObject(block["source"]) ? block["source"] : {};
  const address = decodeSource(source);
  if (address === null) return null;
  const { mark, rest } = decodeCache(block);
  const { title } = block;
  const mediaType = source["media_type"];
  return {
    type: "media",
    kind: block["type"] === "image" ? "image" : "file",
    mediaType: typeof mediaType === "string" ? mediaType : null,
    source: address,
    ...(typeof title === "string" ? { name: title } : {}),
    ...mark,
    ...keep({ ...without(block, mediaKeys), ...rest }),
  };
}

/** `null`: the model has no eyes or ears for it, and `warn` was told. */
export function encodeMedia(part: MediaPart, warn: (what: string) => void): JsonObject | null {
  const own = kept(part);
  const source = encodeSource(part);
  if (source === null) {
    warn(part.kind === "audio" ? "audio" : `a file of type ${part.mediaType ?? "unknown"}`);
    return null;
  }
  if (part.detail !== undefined && part.detail !== "auto") warn("the detail of an image");
  if (isImage(part)) return { type: "image", source, ...encodeCache(part), ...own };
  const title = part.name === undefined ? {} : { title: part.name };
  return { type: "document", source, ...title, ...encodeCache(part), ...own };
}

/**
 * Images are of four types, documents PDFs or text (https://platform.claude.com/docs/en/build-with-claude/vision), and those
 * that have an address PDFs alone (https://platform.claude.com/docs/en/build-with-claude/pdf-support).
 */
export function takenMedia(part: MediaPart): MediaPart | null {
  const { kind, mediaType, source } = part;
  const isOtherImage = kind === "image" && source.by === "data" && mediaType !== null && !imageTypes.has(mediaType);
  const isOtherFile = kind === "file" && source.by === "url" && !fetchedTypes.has(mediaType);
  return isOtherImage || isOtherFile || encodeSource(part) === null ? null : part;
}

function decodeSource(source: JsonObject): MediaPart["source"] | null {
  const { type, data, url, file_id: id } = source;
  if (type === "base64" && typeof data === "string") return { by: "data", base64: data };
  if (type === "url" && typeof url === "string") return { by: "url", url };
  return type === "file" && typeof id === "string" ? { by: "id", id } : null;
}

function encodeSource(part: MediaPart): JsonObject | null {
  const { kind, source, mediaType } = part;
  if (kind === "audio") return null;
  if (source.by === "url") return { type: "url", url: source.url };
  if (source.by === "id") return { type: "file", file_id: source.id };
  if (isImage(part)) {
    return { type: "base64", media_type: mediaType ?? guessImage(source.base64), data: source.base64 };
  }
  if (mediaType === null || mediaType === "application/pdf") {
    return { type: "base64", media_type: mediaType ?? "application/pdf", data: source.base64 };
  }
  if (!mediaType.startsWith("text/") && mediaType !== "application/json") return null;
  // Text is told as text, whatever its kind.
  return { type: "text", media_type: "text/plain", data: Buffer.from(source.base64, "base64").toString("utf8") };
}

const isImage = ({ kind, mediaType }: MediaPart): boolean =>
  kind === "image" || (kind === "file" && mediaType !== null && imageTypes.has(mediaType));

const fetchedTypes: ReadonlySet<string | null> = new Set([null, "application/pdf"]);
const imageTypes: ReadonlySet<string> = new Set(["image/jpeg", "image/png", "image/gif", "image/webp"]);

/** By the first bytes. */
function guessImage(base64: string): string {
  if (base64.startsWith("/9j/")) return "image/jpeg";
  if (base64.startsWith("R0lG")) return "image/gif";
  return base64.startsWith("UklG") ? "image/webp" : "image/png";
}

const mediaKeys = new Set(["type", "source", "title", "cache_control"]);
