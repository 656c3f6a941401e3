import type { JsonObject } from "../../chat/json.ts";
import type { DialectName, Spelling } from "../dialect.ts";
import { ownExtensions, withExtensions } from "../extensions.ts";

export const dialectName: DialectName = "openai-responses";

/** Fields without a canonical name, to be spread into what they belong to. */
export const keep = (fields: JsonObject) => withExtensions(dialectName, fields);

/** What `keep` kept there. */
export const kept = (owner: { readonly extensions?: JsonObject } | undefined): JsonObject =>
  ownExtensions(dialectName, owner?.extensions);

/** What `keep` kept of tools, messages and parts that is no loss to a target of another dialect. */
export const spelling: Spelling = {
  ownWords: new Set([
    "type",
    "id",
    "status",
    "phase",
    "name",
    "namespace",
    "caller",
    "item",
    "prompt_cache_breakpoint",
    // A note that Codex writes for itself.
    "internal_chat_message_metadata_passthrough",
  ]),
  objects: new Set([]),
};
