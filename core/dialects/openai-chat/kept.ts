import type { JsonObject } from "../../chat/json.ts";
import type { DialectName, Spelling } from "../dialect.ts";
import { ownExtensions, withExtensions } from "../extensions.ts";

export const dialectName: DialectName = "openai-chat";

/** Fields without a canonical name, to be spread into what they belong to. */
export const keep = (fields: JsonObject) => withExtensions(dialectName, fields);

/** What `keep` kept there. */
export const kept = (owner: { readonly extensions?: JsonObject } | undefined): JsonObject =>
  ownExtensions(dialectName, owner?.extensions);

/** What `keep` kept of tools, messages and parts that is no loss to a target of another dialect. */
export const spelling: Spelling = {
  ownWords: new Set(["type", "cache_control", "prompt_cache_breakpoint"]),
  objects: new Set(["function", "custom", "image_url"]),
};
