import type { Json, JsonObject } from "../../chat/json.ts";
import { isJsonArray, isJsonObject } from "../../chat/json.ts";
import type { DialectName, Spelling } from "../dialect.ts";
import { ownExtensions, withExtensions } from "../extensions.ts";

export const dialectName: DialectName = "gemini";

/** Fields without a canonical name, to be spread into what they belong to. */
export const keep = (fields: JsonObject) => withExtensions(dialectName, fields);

/** What `keep` kept there. */
export const kept = (owner: { readonly extensions?: JsonObject } | undefined): JsonObject =>
  ownExtensions(dialectName, owner?.extensions);

/*
 * A request that was decoded here has a note beside its extensions: it is written as it was, where one from elsewhere is
 * fitted to the model. What the note holds has a canonical name too, in other words; it is a list, which no other dialect
 * takes for fields of ours.
 */
const noteKey = `${dialectName}/as-sent`;

export const withNote = (note: JsonObject): JsonObject => ({ [noteKey]: [note] });

/** `null`: the request is of another dialect. */
export function noteOf(extensions: JsonObject): JsonObject | null {
  const note: Json | undefined = extensions[noteKey];
  const first = isJsonArray(note) ? note[0] : null;
  return isJsonObject(first) ? first : null;
}

/** What `keep` kept of tools, messages and parts that is no loss to a target of another dialect. */
export const spelling: Spelling = {
  ownWords: new Set(["id", "name", "role", "wrapper", "parameters", "response", "displayName"]),
  objects: new Set(["functionCall", "functionResponse", "inlineData", "fileData"]),
};
