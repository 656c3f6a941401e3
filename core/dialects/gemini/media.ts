import { isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { MediaPart } from "../../chat/request.ts";
import { readDataUrl } from "../data-url.ts";
import { isEmpty, without } from "../extensions.ts";
import { invalid, readString } from "../fields.ts";
import { keep, kept } from "./kept.ts";
import { inCamel } from "./spelling.ts";
import type { Warn } from "./warn.ts";

/** `inlineData` or `fileData`; `rest` are the part's other fields. */
export function decodeMedia(part: JsonObject, path: string): MediaPart | null {
  if (part["inlineData"] === undefined && part["fileData"] === undefined) return null;
  const { inlineData, fileData, ...rest } = part;
  if (isJsonObject(inlineData)) {
    const blob = inCamel(inlineData);
    const data = readString(blob["data"], `${path}.inlineData.data`);
    if (data === null) throw invalid(`${path}.inlineData.data`, "is required");
    const more = without(blob, blobKeys);
    return {
      ...typed(blob["mimeType"], `${path}.inlineData.mimeType`),
      source: { by: "data", base64: standardBase64(data) },
      ...named(blob),
      ...keep({ ...rest, ...(isEmpty(more) ? {} : { inlineData: more }) }),
    };
  }
  if (!isJsonObject(fileData)) return null;
  const file = inCamel(fileData);
  const url = readString(file["fileUri"], `${path}.fileData.fileUri`);
  if (url === null) throw invalid(`${path}.fileData.fileUri`, "is required");
  const more = without(file, fileKeys);
  return {
    ...typed(file["mimeType"], `${path}.fileData.mimeType`),
    source: { by: "url", url },
    ...named(file),
    ...keep({ ...rest, ...(isEmpty(more) ? {} : { fileData: more }) }),
  };
}

/** `null`: it cannot be said. `warn` is told what is lost. */
export function encodeMedia(part: MediaPart, warn: Warn): JsonObject | null {
  const { inlineData, fileData, ...rest } = kept(part);
  const { source } = part;
  if (part.cache !== undefined) warn("cache marks");
  if (part.detail !== undefined && part.detail !== "auto") warn("how closely to look at an image");
  // Vertex has a place for it, and the clients of it know.
  const hasName = [inlineData, fileData].some((own) => isJsonObject(own) && own["displayName"] !== undefined);
  if (part.name !== undefined && !hasName) warn("names of files");
  const inline = source.by === "url" ? readDataUrl(source.url) : null;
  if (source.by === "id") {
    warn(`${part.kind} by id`);
    return null;
  }
  if (source.by === "url" && inline === null) {
    const mimeType = part.mediaType ?? typeByEnding(source.url);
    const type = mimeType === null ? {} : { mimeType };
    return { fileData: { fileUri: source.url, ...type, ...(isJsonObject(fileData) ? fileData : {}) }, ...rest };
  }
  const mimeType = part.mediaType ?? inline?.mediaType ?? guessed[part.kind];
  const data = source.by === "data" ? source.base64 : (inline?.base64 ?? "");
  return { inlineData: { mimeType, data, ...(isJsonObject(inlineData) ? inlineData : {}) }, ...rest };
}

/** A file that Google keeps: nobody else can read it. */
export const isStoredFile = ({ source }: MediaPart): boolean =>
  source.by === "url" && /^(gs:|https:\/\/generativelanguage\.googleapis\.com\/)/.test(source.url);

function typed(mimeType: Json | undefined, path: string): Pick<MediaPart, "type" | "kind" | "mediaType"> {
  const mediaType = readString(mimeType, path);
  const kind = mediaType?.startsWith("image/") ? "image" : mediaType?.startsWith("audio/") ? "audio" : "file";
  return { type: "media", kind, mediaType };
}

const named = ({ displayName }: JsonObject): Pick<MediaPart, "name"> =>
  typeof displayName === "string" && displayName !== "" ? { name: displayName } : {};

/** Python's clients write the alphabet for addresses, and no padding. */
function standardBase64(data: string): string {
  const standard = /[-_]/.test(data) ? data.replaceAll("-", "+").replaceAll("_", "/") : data;
  return standard.length % 4 === 0 ? standard : standard.padEnd(Math.ceil(standard.length / 4) * 4, "=");
}

function typeByEnding(url: string): string | null {
  const ending = /\.([a-z0-9]+)(?:[?#]|$)/i.exec(url)?.[1]?.toLowerCase();
  return ending === undefined ? null : (types.get(ending) ?? null);
}

const types: ReadonlyMap<string, string> = new Map([
  ["png", "image/png"],
  ["jpg", "image/jpeg"],
  ["jpeg", "image/jpeg"],
  ["webp", "image/webp"],
  ["gif", "image/gif"],
  ["pdf", "application/pdf"],
  ["mp3", "audio/mp3"],
  ["wav", "audio/wav"],
  ["mp4", "video/mp4"],
]);
const guessed = { image: "image/png", audio: "audio/wav", file: "application/octet-stream" } as const;
const blobKeys = new Set(["mimeType", "data"]);
const fileKeys = new Set(["mimeType", "fileUri"]);
