import type { JsonObject } from "../../chat/json.ts";
import type { DialectName } from "../dialect.ts";
import { ownExtensions, withExtensions } from "../extensions.ts";

export const dialectName: DialectName = "openai-responses";

/** Fields without a canonical name, to be spread into what they belong to. */
export const keep = (fields: JsonObject) => withExtensions(dialectName, fields);

/** What `keep` kept there. */
export const kept = (owner: { readonly extensions?: JsonObject } | undefined): JsonObject =>
  ownExtensions(dialectName, owner?.extensions);
