import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { MediaPart, OtherPart, RefusalPart, TextPart } from "../../chat/request.ts";
import { without } from "../extensions.ts";
import { invalid, readObject, readString } from "../fields.ts";
import { decodeAnnotations, encodeAnnotations } from "./annotations.ts";
import { commonFields } from "./common.ts";
import { keep, kept } from "./kept.ts";

export type ContentPart = TextPart | MediaPart | OtherPart | RefusalPart;
/** Text is told under one name to the model and under another by it. */
export type TextType = "input_text" | "output_text";

/** `content` of a message, or `output` of a tool: a string or a list of parts. */
export function decodeContent(content: Json | undefined, path: string, textType: TextType): readonly ContentPart[] {
  if (content === undefined || content === null) return [];
  if (typeof content === "string") return [{ type: "text", text: content }];
  if (!isJsonArray(content)) throw invalid(path, "must be a string or an array");
  return content.map((part: Json, i) => {
    if (!isJsonObject(part)) throw invalid(`${path}[${i}]`, "must be an object");
    return decodePart(part, `${path}[${i}]`, textType);
  });
}

/** A part as JSON; a part that another dialect kept whole has none. `warn` is told what cannot be said. */
export function encodePart(part: ContentPart, textType: TextType, warn: (what: string) => void): JsonObject | null {
  const { item: _item, ...ours } = kept(part);
  // What the model said has no mark here.
  const own = textType === "output_text" ? ours : { ...commonFields(part.extensions), ...ours };
  switch (part.type) {
    case "other":
      if (isJsonObject(own["part"])) return own["part"];
      warn("a content part of another protocol");
      return null;
    case "refusal":
      if (textType === "output_text") return { type: "refusal", refusal: part.text, ...own };
      return { type: textType, text: part.text };
    case "text": {
      if (part.cache !== undefined && own["prompt_cache_breakpoint"] === undefined) warn("cache marks");
      if (textType === "input_text") return { type: textType, text: part.text, ...own };
      return {
        type: textType,
        text: part.text,
        annotations: encodeAnnotations(part.citations ?? [], part.text),
        ...own,
      };
    }
    case "media": {
      if (part.cache !== undefined && own["prompt_cache_breakpoint"] === undefined) warn("cache marks");
      const media = encodeMedia(part);
      if (media === null) warn(`${part.kind} by ${part.source.by}`);
      return media === null ? null : { ...media, ...own };
    }
  }
}

/** Of files OpenAI reads documents. */
export const takenMedia = (part: MediaPart): MediaPart | null =>
  part.kind === "audio" || part.mediaType?.startsWith("video/") ? null : part;

function decodePart(part: JsonObject, path: string, textType: TextType): ContentPart {
  switch (part["type"]) {
    case "input_text":
    case "output_text":
    case "text":
      return decodeText(part, path, textType);
    case "refusal":
      return {
        type: "refusal",
        text: readString(part["refusal"], `${path}.refusal`) ?? "",
        ...keep(without(part, refusalKeys)),
      };
    case "input_image":
      return decodeImage(part, path);
    case "input_file":
      return decodeFile(part, path);
    case "input_audio":
      return decodeAudio(part, path);
    default:
      return { type: "other", extensions: keep({ part }).extensions ?? {} };
  }
}

function decodeText(part: JsonObject, path: string, textType: TextType): TextPart {
  const text = readString(part["text"], `${path}.text`);
  if (text === null) throw invalid(`${path}.text`, "is required");
  const { annotations, logprobs } = part;
  const citations = decodeAnnotations(annotations);
  const consumed = new Set(textKeys);
  if (part["type"] === textType) consumed.add("type");
  if (isJsonArray(annotations)) consumed.add("annotations");
  if (isJsonArray(logprobs) && logprobs.length === 0) consumed.add("logprobs");
  return {
    type: "text",
    text,
    ...(citations.length === 0 ? {} : { citations }),
    ...decodeCache(part),
    ...keep(without(part, consumed)),
  };
}

/** OpenAI keeps what is marked for as long as the request's own `prompt_cache_options` say; five minutes is the least. */
const decodeCache = (part: JsonObject): Pick<TextPart, "cache"> =>
  isJsonObject(part["prompt_cache_breakpoint"]) ? { cache: { ttl: "5m" } } : {};

function decodeImage(part: JsonObject, path: string): MediaPart {
  const url = readString(part["image_url"], `${path}.image_url`);
  const id = readString(part["file_id"], `${path}.file_id`);
  if (url === null && id === null) throw invalid(path, "must have 'image_url' or 'file_id'");
  const detail = readString(part["detail"], `${path}.detail`);
  return {
    type: "media",
    kind: "image",
    ...(url === null ? byId(id ?? "") : addressed(url)),
    ...(detail === null ? {} : { detail }),
    ...decodeCache(part),
    ...keep(without(part, imageKeys)),
  };
}

function decodeFile(part: JsonObject, path: string): MediaPart {
  const data = readString(part["file_data"], `${path}.file_data`);
  const url = readString(part["file_url"], `${path}.file_url`);
  const id = readString(part["file_id"], `${path}.file_id`);
  if (data === null && url === null && id === null) {
    throw invalid(path, "must have 'file_data', 'file_url' or 'file_id'");
  }
  const name = readString(part["filename"], `${path}.filename`);
  return {
    type: "media",
    kind: "file",
    ...(data !== null ? inlined(data) : url !== null ? addressed(url) : byId(id ?? "")),
    ...(name === null ? {} : { name }),
    ...decodeCache(part),
    ...keep(without(part, fileKeys)),
  };
}

function decodeAudio(part: JsonObject, path: string): MediaPart {
  const audio = readObject(part["input_audio"], `${path}.input_audio`) ?? {};
  const data = readString(audio["data"], `${path}.input_audio.data`);
  if (data === null) throw invalid(`${path}.input_audio.data`, "is required");
  const format = readString(audio["format"], `${path}.input_audio.format`);
  const mediaType = format === null ? null : format === "mp3" ? "audio/mpeg" : `audio/${format}`;
  return {
    type: "media",
    kind: "audio",
    mediaType,
    source: { by: "data", base64: data },
    ...keep(without(part, audioKeys)),
  };
}

const byId = (id: string) => ({ mediaType: null, source: { by: "id", id } }) as const;

function addressed(url: string): Pick<MediaPart, "mediaType" | "source"> {
  // Only the plain form is taken apart, so that it can be put together again exactly.
  const [, mediaType, base64] = /^data:([^;,]+);base64,([^]*)$/.exec(url) ?? [];
  if (mediaType === undefined || base64 === undefined) return { mediaType: null, source: { by: "url", url } };
  return { mediaType, source: { by: "data", base64 } };
}

/** A data URL by the book; some servers take bare base64. */
const inlined = (data: string): Pick<MediaPart, "mediaType" | "source"> =>
  data.startsWith("data:") ? addressed(data) : { mediaType: null, source: { by: "data", base64: data } };

function encodeMedia(part: MediaPart): JsonObject | null {
  const { kind, source, mediaType } = part;
  if (kind === "audio") {
    // OpenAI has no audio here; servers that take it have clients which know.
    if (source.by !== "data" || kept(part)["type"] === undefined) return null;
    const format = mediaType === null || mediaType === "audio/mpeg" ? "mp3" : mediaType.replace(/^audio\/(x-)?/, "");
    return { type: "input_audio", input_audio: { data: source.base64, format } };
  }
  if (kind === "image") {
    const detail = part.detail === undefined ? {} : { detail: part.detail };
    if (source.by === "id") return { type: "input_image", file_id: source.id, ...detail };
    const url = source.by === "url" ? source.url : dataUrl(mediaType ?? "image/png", source.base64);
    return { type: "input_image", image_url: url, ...detail };
  }
  const name = part.name === undefined ? {} : { filename: part.name };
  if (source.by === "id") return { type: "input_file", file_id: source.id, ...name };
  if (source.by === "url" && !source.url.startsWith("data:")) {
    return { type: "input_file", file_url: source.url, ...name };
  }
  const data =
    source.by === "url" ? source.url : mediaType === null ? source.base64 : dataUrl(mediaType, source.base64);
  // Inline data without a name is refused.
  return { type: "input_file", filename: part.name ?? defaultName(mediaType), file_data: data };
}

const dataUrl = (mediaType: string, base64: string) => `data:${mediaType};base64,${base64}`;
const defaultName = (mediaType: string | null) => (mediaType === "text/plain" ? "document.txt" : "document.pdf");

const textKeys = new Set(["text"]);
const refusalKeys = new Set(["type", "refusal"]);
const imageKeys = new Set(["type", "image_url", "file_id", "detail"]);
const fileKeys = new Set(["type", "file_data", "file_url", "file_id", "filename"]);
const audioKeys = new Set(["input_audio"]);
