import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../chat/json.ts";
import type { OutputFormat } from "../chat/request.ts";

/* What dialects share of answers in JSON: what a strict schema is, and what to tell a model that cannot be held to one. */

/** For the system prompt. Parsers take the whole text, so a fence around it would break them. */
export function instructionFor(format: Exclude<OutputFormat, { readonly type: "text" }>): string {
  const isObject = format.type === "json" || format.schema["type"] === "object";
  const only = `Answer with one JSON ${isObject ? "object" : "value"} and nothing else: no words before or after it and no code fence around it.`;
  if (format.type === "json") return only;
  const described = format.description === null ? "" : ` It is: ${format.description}`;
  return `${only} It must fit this JSON schema: ${JSON.stringify(format.schema)}${described}`;
}

/**
 * Whether OpenAI takes the schema with `strict`, which it refuses for any other
 * (https://platform.openai.com/docs/guides/structured-outputs#supported-schemas): objects are closed and have all of their
 * properties, and nothing is said that it does not list.
 */
export const mayBeStrict = (schema: Json | undefined): boolean =>
  isJsonObject(schema) && schema["type"] === "object" && schema["anyOf"] === undefined && isWithinStrict(schema);

function isWithinStrict(schema: Json | undefined): boolean {
  if (!isJsonObject(schema)) return false;
  const keys = Object.keys(schema);
  if (schema["$ref"] !== undefined) return keys.length === 1;
  const { type, anyOf, format, items } = schema;
  if (!keys.every((key) => strictKeys.has(key)) || (type === undefined && anyOf === undefined)) return false;
  if (typeof format === "string" && !strictFormats.has(format)) return false;
  const types = isJsonArray(type) ? type : [type];
  if (types.includes("array") && items === undefined) return false;
  return (!types.includes("object") || isWhole(schema)) && subschemas(schema).every(isWithinStrict);
}

function isWhole({ properties, required, additionalProperties }: JsonObject): boolean {
  const names = isJsonObject(properties) ? Object.keys(properties) : [];
  const demanded = new Set(isJsonArray(required) ? required : []);
  return additionalProperties === false && names.every((name) => demanded.has(name));
}

const strictKeys: ReadonlySet<string> = new Set([
  "$schema",
  "$defs",
  "definitions",
  "title",
  "description",
  "type",
  "enum",
  "const",
  "anyOf",
  "properties",
  "required",
  "additionalProperties",
  "items",
  "pattern",
  "format",
  "multipleOf",
  "maximum",
  "exclusiveMaximum",
  "minimum",
  "exclusiveMinimum",
  "minItems",
  "maxItems",
]);
const strictFormats: ReadonlySet<string> = new Set([
  "date-time",
  "time",
  "date",
  "duration",
  "email",
  "hostname",
  "ipv4",
  "ipv6",
  "uuid",
]);

/** Those that a schema is made of. */
export function subschemas(schema: JsonObject): readonly (Json | undefined)[] {
  return Object.entries(schema).flatMap(([key, member]): readonly (Json | undefined)[] => {
    if (key === "items") return [member];
    if (listKeys.has(key) && isJsonArray(member)) return member;
    return mapKeys.has(key) && isJsonObject(member) ? Object.values(member) : [];
  });
}

export const listKeys: ReadonlySet<string> = new Set(["anyOf", "allOf"]);
export const mapKeys: ReadonlySet<string> = new Set(["properties", "$defs", "definitions"]);
