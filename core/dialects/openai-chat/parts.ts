import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { MediaPart, OtherPart, ReasoningPart, RefusalPart, TextPart } from "../../chat/request.ts";
import { without } from "../extensions.ts";
import { invalid, readObject, readString } from "../fields.ts";
import { decodeCache, isLostMark } from "./cache.ts";
import { keep, kept } from "./kept.ts";
import { decodeThinking } from "./reasoning.ts";

export type ContentPart = TextPart | MediaPart | OtherPart | RefusalPart | ReasoningPart;

/** `content` of a message: a string, a list of parts, or nothing. */
export function decodeContent(content: Json | undefined, path: string): readonly ContentPart[] {
  if (content === undefined || content === null) return [];
  if (typeof content === "string") return [{ type: "text", text: content }];
  if (!isJsonArray(content)) throw invalid(path, "must be a string or an array");
  return content.map((part: Json, i) => {
    if (!isJsonObject(part)) throw invalid(`${path}[${i}]`, "must be an object");
    return decodePart(part, `${path}[${i}]`);
  });
}

/** A part as JSON; a part that another dialect kept whole has none. `warn` is told what cannot be said. */
export function encodePart(part: TextPart | MediaPart | OtherPart, warn: (what: string) => void): JsonObject | null {
  const own = kept(part);
  if (part.type === "other") {
    if (own["type"] !== undefined) return own;
    warn("a content part of another protocol");
    return null;
  }
  if (isLostMark(part)) warn("cache marks");
  if (part.type === "text") return { type: "text", text: part.text, ...own };
  const media = encodeMedia(part, own);
  if (media === null) warn(`${part.kind} by ${part.source.by}`);
  return media;
}

/** Of a message or an answer. */
export function decodePart(part: JsonObject, path: string): ContentPart {
  switch (part["type"]) {
    case "text":
      return decodeText(part, path);
    case "refusal":
      return { type: "refusal", text: readString(part["refusal"], `${path}.refusal`) ?? "" };
    case "thinking":
      return decodeThinking(part);
    case "image_url":
      return decodeImage(part, path);
    case "input_audio":
      return decodeAudio(part, path);
    case "file":
      return decodeFile(part, path);
    case "document_url":
      return decodeDocument(part, path);
    default:
      return { type: "other", extensions: keep(part).extensions ?? {} };
  }
}

function decodeText(part: JsonObject, path: string): TextPart {
  const text = readString(part["text"], `${path}.text`);
  if (text === null) throw invalid(`${path}.text`, "is required");
  return { type: "text", text, ...decodeCache(part), ...keep(without(part, textKeys)) };
}

const textKeys = new Set(["type", "text"]);
const imageKeys = new Set(["type", "image_url"]);
const audioKeys = new Set(["type", "input_audio"]);
const fileKeys = new Set(["type", "file"]);
const documentKeys = new Set(["document_url"]);

/** `image_url` is an object with OpenAI and may be a plain string with Mistral. */
function decodeImage(part: JsonObject, path: string): MediaPart {
  const value = part["image_url"];
  const image = typeof value === "string" ? { url: value } : (readObject(value, `${path}.image_url`) ?? {});
  const url = readString(image["url"], `${path}.image_url.url`);
  if (url === null) throw invalid(`${path}.image_url.url`, "is required");
  const detail = readString(image["detail"], `${path}.image_url.detail`);
  const more = without(image, new Set(["url", "detail"]));
  return {
    type: "media",
    kind: "image",
    ...addressed(url),
    ...(detail === null ? {} : { detail }),
    ...decodeCache(part),
    ...keep({ ...without(part, imageKeys), ...(Object.keys(more).length > 0 ? { image_url: more } : {}) }),
  };
}

function decodeAudio(part: JsonObject, path: string): MediaPart {
  const audio = readObject(part["input_audio"], `${path}.input_audio`) ?? {};
  const data = readString(audio["data"], `${path}.input_audio.data`);
  if (data === null) throw invalid(`${path}.input_audio.data`, "is required");
  const format = readString(audio["format"], `${path}.input_audio.format`);
  const mediaType = format === null ? null : format === "mp3" ? "audio/mpeg" : `audio/${format}`;
  const source = { by: "data", base64: data } as const;
  return { type: "media", kind: "audio", mediaType, source, ...decodeCache(part), ...keep(without(part, audioKeys)) };
}

/** `file_data` is a data URL with OpenAI, bare base64 with some, and with OpenRouter a web address too. */
function decodeFile(part: JsonObject, path: string): MediaPart {
  const file = readObject(part["file"], `${path}.file`) ?? {};
  const name = readString(file["filename"], `${path}.file.filename`);
  const id = readString(file["file_id"], `${path}.file.file_id`);
  const data = readString(file["file_data"], `${path}.file.file_data`);
  if (id === null && data === null) throw invalid(`${path}.file`, "must have 'file_data' or 'file_id'");
  const content =
    data === null
      ? ({ mediaType: null, source: { by: "id", id: id ?? "" } } as const)
      : /^(data|https?):/.test(data)
        ? addressed(data)
        : ({ mediaType: null, source: { by: "data", base64: data } } as const);
  return {
    type: "media",
    kind: "file",
    ...content,
    ...(name === null ? {} : { name }),
    ...decodeCache(part),
    ...keep(without(part, fileKeys)),
  };
}

/** Mistral's way to name a document; `type` stays among the kept fields and tells it from a `file`. */
function decodeDocument(part: JsonObject, path: string): MediaPart {
  const url = readString(part["document_url"], `${path}.document_url`);
  if (url === null) throw invalid(`${path}.document_url`, "is required");
  return { type: "media", kind: "file", ...addressed(url), ...keep(without(part, documentKeys)) };
}

function addressed(url: string): Pick<MediaPart, "mediaType" | "source"> {
  // Only the plain form is taken apart, so that it can be put together again exactly.
  const [, mediaType, base64] = /^data:([^;,]+);base64,([^]*)$/.exec(url) ?? [];
  if (mediaType === undefined || base64 === undefined) return { mediaType: null, source: { by: "url", url } };
  return { mediaType, source: { by: "data", base64 } };
}

function encodeMedia(part: MediaPart, own: JsonObject): JsonObject | null {
  const { source, mediaType } = part;
  const url =
    source.by === "url"
      ? source.url
      : source.by === "data"
        ? dataUrl(mediaType ?? guessed[part.kind], source.base64)
        : null;
  if (own["type"] === "document_url") return { document_url: url ?? "", ...own };
  if (part.kind === "image") {
    if (url === null) return null;
    const { image_url: more, ...others } = own;
    const detail = part.detail === undefined ? {} : { detail: part.detail };
    return { type: "image_url", image_url: { url, ...detail, ...(isJsonObject(more) ? more : {}) }, ...others };
  }
  if (part.kind === "audio") {
    if (source.by !== "data") return null;
    const format = mediaType === null ? {} : { format: audioFormat(mediaType) };
    return { type: "input_audio", input_audio: { data: source.base64, ...format }, ...own };
  }
  const name = part.name === undefined ? {} : { filename: part.name };
  if (source.by === "id") return { type: "file", file: { file_id: source.id, ...name }, ...own };
  const data = source.by === "data" && mediaType === null ? source.base64 : (url ?? "");
  return { type: "file", file: { ...name, file_data: data }, ...own };
}

const dataUrl = (mediaType: string, base64: string) => `data:${mediaType};base64,${base64}`;
const guessed = { image: "image/png", audio: "audio/wav", file: "application/octet-stream" } as const;

export function audioFormat(mediaType: string): string {
  if (mediaType === "audio/mpeg") return "mp3";
  return mediaType.replace(/^audio\/(x-)?/, "");
}
