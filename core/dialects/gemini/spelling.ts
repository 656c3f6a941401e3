import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import { invalid } from "../fields.ts";

/*
 * Google reads the JSON of protocol buffers: every field has a name in camel case and one in snake case, a list of one may
 * be its item, and an enum may be its number. Vendors' own clients send all of these.
 */

/** The object's own fields in camel case, `max_output_tokens` as `maxOutputTokens`. With both given the camel one counts. */
export function inCamel(object: JsonObject): JsonObject {
  let isCamel = true;
  // Every object of every chunk comes here.
  for (const key in object) if (key.includes("_")) isCamel = false;
  if (isCamel) return object;
  const members = new Map<string, Json | undefined>();
  for (const [key, value] of Object.entries(object)) {
    const name = snake.test(key) ? key.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase()) : key;
    if (name === key || !members.has(name)) members.set(name, value);
  }
  return Object.fromEntries(members);
}

const snake = /^[a-z][a-z0-9]*(_[a-z0-9]+)+$/;

/** As `inCamel`, of a value that need not be an object. */
export const camelObject = (value: Json | undefined): JsonObject => (isJsonObject(value) ? inCamel(value) : {});

/** A list of objects, or one alone. Strings stand for `asText` of them. */
export function listOf(
  value: Json | undefined,
  path: string,
  most: number,
  asText?: (text: string) => JsonObject,
): readonly JsonObject[] {
  if (value === undefined || value === null) return [];
  const items = isJsonArray(value) ? value : [value];
  if (items.length > most) throw invalid(path, `must have at most ${most} entries`);
  return items.map((item: Json, i) => {
    if (isJsonObject(item)) return inCamel(item);
    if (typeof item === "string" && asText) return asText(item);
    throw invalid(isJsonArray(value) ? `${path}[${i}]` : path, "must be an object");
  });
}

/** The word of an enum that may come as its number. */
export function enumWord(value: Json | undefined, numbers: readonly string[]): string | null {
  if (typeof value === "number") return numbers[value] ?? String(value);
  return typeof value === "string" && value !== "" ? value : null;
}
