import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { Citation, Part } from "../../chat/request.ts";
import { dialectName, keep, kept } from "./kept.ts";

/** `annotations` of a message: `{type: "url_citation", url_citation: {url, title, start_index, end_index}}`. */
export const decodeAnnotations = (annotations: Json | undefined): readonly Citation[] =>
  isJsonArray(annotations) ? annotations.filter(isJsonObject).map(decodeAnnotation) : [];

/**
 * What an answer of Perplexity's or xAI's names beside its choices: pages in `search_results`, or in `citations` by their
 * addresses alone. Which words of the text have them says no offset, so all of it has.
 */
export function sourcesOf({ search_results: results, citations: addresses }: JsonObject): readonly Citation[] {
  const titles = new Map(
    (isJsonArray(results) ? results.filter(isJsonObject) : []).map(({ url, title }) => [text(url), text(title)]),
  );
  const urls = isJsonArray(addresses) && addresses.length > 0 ? addresses.map(text) : [...titles.keys()];
  return [...new Set(urls)].flatMap((url): readonly Citation[] => {
    if (url === null) return [];
    const title = titles.get(url) ?? null;
    return [{ url, title, quote: null, start: null, end: null, extensions: { [besideChoices]: true } }];
  });
}

/** A sign on a citation that this dialect keeps where it stood. */
const besideChoices = `${dialectName}/beside-choices`;

/** Which piece of its message's text a text is: a message has one text here, whatever blocks it came in. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** The annotations of the message that the texts among `parts` add up to. */
export function annotationsOf(parts: readonly Part[]): readonly JsonObject[] {
  let start = 0;
  return parts.flatMap((part) => {
    if (part.type !== "text") return [];
    const span = { start, end: start + part.text.length };
    start = span.end;
    return encodeAnnotations(part.citations ?? [], span);
  });
}

/**
 * Of the text at `span`. A citation of something that is no page has no word here, unless it came from here; one that does
 * not say what it supports supports its whole text.
 */
export const encodeAnnotations = (citations: readonly Citation[], span: Span): readonly JsonObject[] =>
  citations.flatMap((citation): readonly JsonObject[] => {
    const own = kept(citation);
    if (own["type"] !== undefined) return [own];
    if (citation.extensions?.[besideChoices] === true) return [];
    const { url, title, start, end } = citation;
    if (url === null) return [];
    const indices = { start_index: span.start + (start ?? 0), end_index: end === null ? span.end : span.start + end };
    return [{ type: "url_citation", url_citation: { ...indices, url, title: title ?? "" } }];
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
