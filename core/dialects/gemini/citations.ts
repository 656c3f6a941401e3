import { Buffer } from "node:buffer";
import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import type { Citation, Part } from "../../chat/request.ts";
import { camelObject } from "./spelling.ts";

/** What of a candidate's text a block is: `start` is its offset in all of the candidate's text, in UTF-16 units. */
export interface Block {
  readonly text: string;
  readonly start: number;
}

/**
 * The citations of a candidate that fall into one block of its text. Google gives offsets in UTF-8 bytes of the whole text,
 * and apart from them the sources: web pages, maps, documents that were searched, texts that were recited. A source that
 * no piece of the text points at is cited by the block that `isLast`. The metadata itself stays with the candidate.
 */
export function citationsOf(candidate: JsonObject, all: string, block: Block, isLast: boolean): readonly Citation[] {
  const cited = [...grounded(candidate["groundingMetadata"]), ...recited(candidate["citationMetadata"])];
  return cited.flatMap(({ startByte, endByte, ...source }): readonly Citation[] => {
    if (endByte === null) return isLast ? [{ ...source, start: null, end: null }] : [];
    const start = utf16Offset(all, startByte) - block.start;
    const end = utf16Offset(all, endByte) - block.start;
    if (start < 0 || start >= Math.max(block.text.length, 1)) return [];
    return [{ ...source, start, end: Math.min(end, block.text.length) }];
  });
}

/**
 * As metadata of web pages and of documents; `texts` with their offset in the candidate's text. A citation that does not say
 * what it supports supports its whole text.
 */
export function encodeCitations(
  texts: readonly (Block & { readonly citations: readonly Citation[] })[],
  all: string,
): JsonObject {
  const chunks: JsonObject[] = [];
  const places = new Map<string, number>();
  const supports = texts.flatMap(({ citations, text, start: offset }) =>
    citations.flatMap(({ url, title, quote, start, end }): readonly JsonObject[] => {
      const key = JSON.stringify([url, title, url === null ? quote : null]);
      const place = places.get(key) ?? chunks.length;
      if (place === chunks.length) {
        places.set(key, place);
        const titled = title === null ? {} : { title };
        const quoted = quote === null ? {} : { text: quote };
        chunks.push(url === null ? { retrievedContext: { ...titled, ...quoted } } : { web: { uri: url, ...titled } });
      }
      const from = offset + (start ?? 0);
      const to = offset + (end ?? text.length);
      if (from >= to) return [];
      const segment = {
        startIndex: utf8Offset(all, from),
        endIndex: utf8Offset(all, to),
        text: all.slice(from, to),
      };
      return [{ segment, groundingChunkIndices: [place] }];
    }),
  );
  if (chunks.length === 0) return {};
  return {
    groundingMetadata: { groundingChunks: chunks, ...(supports.length > 0 ? { groundingSupports: supports } : {}) },
  };
}

/** A candidate's texts, one after the other. */
export function blocksOf(parts: readonly Part[]): { readonly all: string; readonly starts: ReadonlyMap<Part, number> } {
  const starts = new Map<Part, number>();
  let all = "";
  for (const part of parts) {
    if (part.type !== "text") continue;
    starts.set(part, all.length);
    all += part.text;
  }
  return { all, starts };
}

type Cited = Pick<Citation, "url" | "title" | "quote"> & {
  readonly startByte: number;
  /** `null`: it says of no piece of the text that it comes from there. */
  readonly endByte: number | null;
};

function grounded(value: Json | undefined): readonly Cited[] {
  const { groundingChunks, groundingSupports } = camelObject(value);
  const sources = list(groundingChunks).map(sourceOf);
  const used = new Set<number>();
  const pointed = list(groundingSupports).flatMap((support) => {
    const { segment, groundingChunkIndices: indices } = camelObject(support);
    const { startIndex, endIndex } = camelObject(segment);
    return (isJsonArray(indices) ? indices : []).flatMap((index: Json): readonly Cited[] => {
      const source = typeof index === "number" ? sources[index] : undefined;
      if (typeof index !== "number" || source === undefined) return [];
      used.add(index);
      return [{ ...source, startByte: numberOf(startIndex), endByte: numberOf(endIndex) }];
    });
  });
  const rest = sources.flatMap((source, i) =>
    used.has(i) || (source.url === null && source.title === null && source.quote === null)
      ? []
      : [{ ...source, startByte: 0, endByte: null }],
  );
  return [...pointed, ...rest];
}

function sourceOf(chunk: JsonObject): Pick<Citation, "url" | "title" | "quote"> {
  const { web, maps, retrievedContext, image } = camelObject(chunk);
  const found = [web, maps, retrievedContext, image].find(isJsonObject);
  const { uri, sourceUri, title, text } = camelObject(found);
  return { url: word(uri) ?? word(sourceUri), title: word(title), quote: word(text) };
}

/** The Gemini API calls the list `citationSources`, Vertex `citations`. */
function recited(value: Json | undefined): readonly Cited[] {
  const { citationSources, citations } = camelObject(value);
  return [...list(citationSources), ...list(citations)].map((citation) => {
    const { uri, title, startIndex, endIndex } = camelObject(citation);
    return {
      url: word(uri),
      title: word(title),
      quote: null,
      startByte: numberOf(startIndex),
      endByte: typeof endIndex === "number" ? endIndex : null,
    };
  });
}

/** The offset of the character that `byte` of the text falls into. */
const utf16Offset = (text: string, byte: number): number =>
  // In most texts a character is a byte; a cut one decodes to a single replacement.
  Buffer.byteLength(text) === text.length ? byte : Buffer.from(text).subarray(0, byte).toString().length;

const utf8Offset = (text: string, unit: number): number => Buffer.byteLength(text.slice(0, unit));

const list = (value: Json | undefined): readonly JsonObject[] => (isJsonArray(value) ? value.filter(isJsonObject) : []);
const word = (value: Json | undefined): string | null => (typeof value === "string" && value !== "" ? value : null);
const numberOf = (value: Json | undefined): number => (typeof value === "number" ? value : 0);
