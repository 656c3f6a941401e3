import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../chat/json.ts";
import type { DialectName } from "./dialect.ts";

/** `{ extensions }` with the fields under the dialect's name, or nothing when there are none: to be spread. */
export const withExtensions = (dialect: DialectName, fields: JsonObject): { readonly extensions?: JsonObject } =>
  isEmpty(fields) ? {} : { extensions: { [dialect]: fields } };

/** What `dialect` itself kept. */
export function ownExtensions(dialect: DialectName, extensions: JsonObject | undefined): JsonObject {
  const own = extensions?.[dialect];
  return isJsonObject(own) ? own : {};
}

/** The names of fields that other dialects kept and that therefore go nowhere. What is no object is their own note. */
export const foreignFields = (dialect: DialectName, extensions: JsonObject | undefined): readonly string[] =>
  Object.entries(extensions ?? {}).flatMap(([owner, fields]) =>
    owner === dialect || !isJsonObject(fields)
      ? []
      : Object.entries(fields).flatMap(([field, value]) => (isHonoured(field, value) ? [] : namesIn(field, value))),
  );

/** Of an object that is carried in part, the rest that is not. */
const namesIn = (field: string, value: Json | undefined): readonly string[] =>
  inPart.has(field) && isJsonObject(value) ? Object.keys(value).map((inner) => `${field}.${inner}`) : [field];
const inPart: ReadonlySet<string> = new Set(["output_config", "thinking", "reasoning", "text", "metadata"]);

/**
 * They ask for the usage of a call, of which every client is told that asks for it, whatever the target; or for a form of
 * vectors that the answer is given in.
 */
const isHonoured = (field: string, value: Json | undefined): boolean =>
  field === "stream_options" ||
  field === "usage" ||
  (field === "encoding_format" && (value === "float" || value === "base64"));

/** A copy without `keys`. Built from entries, so that a key `__proto__` stays a key. */
export const without = (object: JsonObject, keys: ReadonlySet<string>): JsonObject =>
  Object.fromEntries(Object.entries(object).filter(([key, value]) => value !== undefined && !keys.has(key)));

/** `kept` with the members of `object` that are not among `known`; the same object when there is nothing new. */
export function keepRest(kept: JsonObject, object: JsonObject, known: ReadonlySet<string>): JsonObject {
  let fresh: string[] | null = null; // Once a chunk: most bring nothing new.
  for (const key in object) if (!known.has(key) && kept[key] !== object[key]) (fresh ??= []).push(key);
  return fresh === null ? kept : { ...kept, ...Object.fromEntries(fresh.map((key) => [key, object[key]])) };
}

export const isEmpty = (object: JsonObject): boolean => Object.keys(object).length === 0;

/** Equal as JSON values: the order of keys does not matter, an `undefined` member is an absent one. */
export function sameJson(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true;
  if (isJsonArray(a) || isJsonArray(b)) {
    return isJsonArray(a) && isJsonArray(b) && a.length === b.length && a.every((item, i) => sameJson(item, b[i]));
  }
  if (!isJsonObject(a) || !isJsonObject(b)) return false;
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...keys].every((key) => sameJson(a[key], b[key]));
}
