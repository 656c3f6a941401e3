import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { Citation } from "../../chat/request.ts";
import { keep, kept } from "./kept.ts";

/** `citations` of a text block. The block is what they support, so they have no offsets in it. */
export const decodeCitations = (citations: Json | undefined): readonly Citation[] =>
  isJsonArray(citations) ? citations.filter(isJsonObject).map(decodeCitation) : [];

export function decodeCitation(citation: JsonObject): Citation {
  const { url, source, title, document_title: document, cited_text: quote } = citation;
  const address = text(url) ?? text(source);
  return {
    url: address !== null && /^https?:/.test(address) ? address : null,
    title: text(title) ?? text(document),
    quote: text(quote),
    start: null,
    end: null,
    ...keep(citation),
  };
}

/** For an answer. Other vendors cite pages of the web; what they cite besides has no word here. */
export const encodeCitations = (citations: readonly Citation[]): readonly JsonObject[] =>
  citations.flatMap((citation): readonly JsonObject[] => {
    const own = kept(citation);
    if (own["type"] !== undefined) return [own];
    const { url, title, quote } = citation;
    if (url === null) return [];
    return [{ type: "web_search_result_location", url, title, cited_text: quote ?? "", encrypted_index: "" }];
  });

/** For a request: Anthropic takes back only what it said itself, which `encrypted_index` proves. */
export const encodeOwnCitations = (citations: readonly Citation[]): readonly JsonObject[] =>
  citations.map(kept).filter((own) => own["type"] !== undefined && own["encrypted_index"] !== "");

const text = (value: Json | undefined): string | null => (typeof value === "string" ? value : null);
