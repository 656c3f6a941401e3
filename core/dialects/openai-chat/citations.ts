import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { Citation } from "../../chat/request.ts";
import { keep, kept } from "./kept.ts";

/** `annotations` of a message: `{type: "url_citation", url_citation: {url, title, start_index, end_index}}`. */
export const decodeAnnotations = (annotations: Json | undefined): readonly Citation[] =>
  isJsonArray(annotations) ? annotations.filter(isJsonObject).map(decodeAnnotation) : [];

/** A citation of something that is no page has no word here, unless it came from here. */
export const encodeAnnotations = (citations: readonly Citation[]): readonly JsonObject[] =>
  citations.flatMap((citation): readonly JsonObject[] => {
    const own = kept(citation);
    if (own["type"] !== undefined) return [own];
    const { url, title, start, end } = citation;
    if (url === null) return [];
    const span = { start_index: start ?? 0, end_index: end ?? 0 };
    return [{ type: "url_citation", url_citation: { ...span, url, title: title ?? "" } }];
  });

function decodeAnnotation(annotation: JsonObject): Citation {
  const { url_citation: inner } = annotation;
  const page = isJsonObject(inner) ? inner : {};
  return {
    url: text(page["url"]),
    title: text(page["title"]),
    quote: text(page["content"]), // OpenRouter
    start: offset(page["start_index"]),
    end: offset(page["end_index"]),
    ...keep(annotation),
  };
}

const text = (value: Json | undefined): string | null => (typeof value === "string" ? value : null);
const offset = (value: Json | undefined): number | null => (typeof value === "number" ? value : null);
