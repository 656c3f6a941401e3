import type { TSchema } from "@sinclair/typebox";
import { isJsonObject, type Json, type JsonObject } from "../chat/json.ts";

/** Keywords of ours, which mean nothing to others. */
const ownKeywords: ReadonlySet<string> = new Set(["expected", "expectedName", "filePath"]);
const filled: JsonObject = { $ref: "#/$defs/filled" };

/**
 * The schema of what an operator writes, from that of what the program uses: options with a default may be left out, and
 * `${NAME}` may stand for a number, a boolean, one of several words, or a text of a certain form.
 */
export function writtenForm(schema: TSchema): JsonObject {
  const json: Json = JSON.parse(JSON.stringify(schema));
  return isJsonObject(json) ? formOf(json) : {};
}

function formOf(schema: JsonObject): JsonObject {
  const form: Record<string, Json> = {};
  for (const [keyword, value] of Object.entries(schema)) {
    if (value === undefined || ownKeywords.has(keyword)) continue;
    const inner = innerForm(keyword, value, schema);
    if (inner !== null) form[keyword] = inner;
  }
  return canBeFilled(schema) ? orFilled(form) : form;
}

/** `null`: the keyword says nothing any more. */
function innerForm(keyword: string, value: Json, schema: JsonObject): Json | null {
  switch (keyword) {
    case "properties":
    case "patternProperties":
      return isJsonObject(value)
        ? Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, anyForm(inner)]))
        : value;
    case "items":
    case "additionalProperties":
      return anyForm(value);
    case "anyOf":
    case "allOf":
      return Array.isArray(value) ? value.map(anyForm) : value;
    case "required":
      return needed(value, schema);
    default:
      return value;
  }
}

const anyForm = (value: Json | undefined): Json => (isJsonObject(value) ? formOf(value) : (value ?? null));

function needed(required: Json, { properties }: JsonObject): Json | null {
  const names = Array.isArray(required) ? required.map(String).filter((name) => !hasDefault(properties, name)) : [];
  return names.length === 0 ? null : names;
}

function hasDefault(properties: Json | undefined, name: string): boolean {
  const property = isJsonObject(properties) ? properties[name] : undefined;
  return isJsonObject(property) && property.default !== undefined;
}

function canBeFilled({ type, pattern, anyOf }: JsonObject): boolean {
  if (type === "number" || type === "integer" || type === "boolean" || pattern !== undefined) return true;
  return Array.isArray(anyOf) && anyOf.every((variant) => isJsonObject(variant) && variant.const !== undefined);
}

function orFilled({ description, default: fallback, anyOf, ...form }: Record<string, Json>): JsonObject {
  return {
    ...(description === undefined ? {} : { description }),
    ...(fallback === undefined ? {} : { default: fallback }),
    anyOf: [...(Array.isArray(anyOf) ? anyOf : [form]), filled],
  };
}
