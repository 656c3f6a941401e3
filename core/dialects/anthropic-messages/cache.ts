import { isJsonObject, type JsonObject } from "../../chat/json.ts";
import type { TextPart } from "../../chat/request.ts";

/** `cache_control` as a mark, and what is to be kept of it when the mark does not say it all (a `scope`, say). */
export function decodeCache(block: JsonObject): { readonly mark: Pick<TextPart, "cache">; readonly rest: JsonObject } {
  const control = block["cache_control"];
  if (!isJsonObject(control)) return nothing;
  const { type, ttl, ...more } = control;
  const isPlain = type === "ephemeral" && (ttl === undefined || ttl === "1h") && Object.keys(more).length === 0;
  return {
    mark: { cache: { ttl: ttl === "1h" ? "1h" : "5m" } },
    rest: isPlain ? {} : { cache_control: control },
  };
}

const nothing = { mark: {}, rest: {} };

export const encodeCache = ({ cache }: Pick<TextPart, "cache">): JsonObject =>
  cache === undefined
    ? {}
    : { cache_control: { type: "ephemeral", ...(cache.ttl === "1h" ? { ttl: cache.ttl } : {}) } };
