import { isJsonObject, type JsonObject } from "../../chat/json.ts";
import type { Part, TextPart, Tool } from "../../chat/request.ts";
import { isEmpty } from "../extensions.ts";
import { dialectName, kept } from "./kept.ts";

type Mark = Pick<TextPart, "cache">;

/**
 * The mark stays among the kept fields, so that it goes back to a target whose client knew that it takes it. OpenAI's own
 * keeps for as long as the request's `prompt_cache_options` say; five minutes is the least.
 */
export function decodeCache(marked: JsonObject): Mark {
  const mark = marked["cache_control"];
  if (!isJsonObject(mark)) return isJsonObject(marked["prompt_cache_breakpoint"]) ? { cache: { ttl: "5m" } } : {};
  return { cache: { ttl: mark["ttl"] === "1h" ? "1h" : "5m" } };
}

/** What clients of `@ai-sdk/openai-compatible` mark is a whole message: the mark is its last part's. */
export function withCache<P extends Part>(parts: readonly P[], { cache }: Mark): readonly P[] {
  const last = cache === undefined ? -1 : parts.findLastIndex(({ type }) => cacheable.has(type));
  return parts.map((part, at) =>
    at !== last || ("cache" in part && part.cache !== undefined)
      ? part
      : { ...part, cache, extensions: { ...part.extensions, [onMessage]: true } },
  );
}

/** A mark that there is no place for: one of another protocol. What came from here is written back where it stood. */
export function isLostMark(marked: Part | Tool): boolean {
  if (!("cache" in marked) || marked.cache === undefined || marked.extensions?.[onMessage] === true) return false;
  const own = kept(marked);
  const { function: definition, custom } = own;
  return [own, definition, custom].every((place) => !isJsonObject(place) || isEmpty(decodeCache(place)));
}

/** A sign on a part whose message has its mark. */
const onMessage = `${dialectName}/marked-message`;
const cacheable: ReadonlySet<Part["type"]> = new Set(["text", "media", "tool-call", "tool-result"]);
