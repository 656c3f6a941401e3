import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { Citation } from "../../chat/request.ts";
import { keep, kept } from "./kept.ts";

/** `annotations` of a text: `{type: "url_citation", url, title, start_index, end_index}`, `file_citation` and others. */
export const decodeAnnotations = (annotations: Json | undefined): readonly Citation[] =>
  isJsonArray(annotations) ? annotations.filter(isJsonObject).map(decodeAnnotation) : [];

/**
 * Of `text`. A citation of something that is no page has no word here, unless it came from here; one that does not say what
 * it supports supports all of the text.
 */
export const encodeAnnotations = (citations: readonly Citation[], text: string): readonly JsonObject[] =>
  citations.flatMap((citation): readonly JsonObject[] => {
    const own = kept(citation);
    if (own["type"] !== undefined) return [own];
    const { url, title, start, end } = citation;
    if (url === null) return [];
    // What supports a text before this one has no place in that any more: it is named at the start.
    const indices = { start_index: Math.max(start ?? 0, 0), end_index: Math.max(end ?? text.length, 0) };
    return [{ type: "url_citation", ...indices, url, title: title ?? "" }];
  });

const decodeAnnotation = (annotation: JsonObject): Citation => ({
  url: word(annotation["url"]),
  title: word(annotation["title"]) ?? word(annotation["filename"]),
  quote: null,
  start: offset(annotation["start_index"]),
  end: offset(annotation["end_index"]),
  ...keep(annotation),
});

const word = (value: Json | undefined): string | null => (typeof value === "string" ? value : null);
const offset = (value: Json | undefined): number | null => (typeof value === "number" ? value : null);
