import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import { inCamel } from "./spelling.ts";

/**
 * Google's `Schema`, a piece of OpenAPI 3.0 in protocol buffers, as JSON Schema: types in lower case, `nullable` as a type,
 * counts that came as strings as numbers, no `propertyOrdering`, `example` as `examples`.
 * https://ai.google.dev/api/caching#Schema
 */
export function toJsonSchema(schema: JsonObject, depth = 0): JsonObject {
  if (depth > maxDepth) return {};
  const { type, nullable, properties, items, anyOf, example, propertyOrdering: _, ...rest } = inCamel(schema);
  const inner = (value: Json) => (isJsonObject(value) ? toJsonSchema(value, depth + 1) : value);
  const members: Record<string, Json | undefined> = {};
  for (const [key, value] of Object.entries(rest)) {
    // Assigned by definition, as a schema may well have a property of this name.
    Object.defineProperty(members, key, { value: counts.has(key) ? asNumber(value) : value, ...plain });
  }
  const word = typeof type === "number" ? typeNumbers[type] : typeof type === "string" ? type.toLowerCase() : type;
  const isTyped = word !== undefined && word !== "type_unspecified";
  return {
    ...(isTyped ? { type: nullable === true && typeof word === "string" ? [word, "null"] : word } : {}),
    ...members,
    ...(isJsonObject(properties)
      ? {
          properties: Object.fromEntries(Object.entries(properties).map(([name, value]) => [name, inner(value ?? {})])),
        }
      : {}),
    ...(items === undefined ? {} : { items: inner(items) }),
    ...(isJsonArray(anyOf)
      ? { anyOf: [...anyOf.map(inner), ...(nullable === true && !isTyped ? [nullType] : [])] }
      : {}),
    ...(example === undefined ? {} : { examples: [example] }),
  };
}

/** As requests are bounded; a deeper one cannot come here. */
const maxDepth = 128;
const plain = { enumerable: true, configurable: true, writable: true } as const;
const nullType: JsonObject = { type: "null" };
const typeNumbers: readonly (string | undefined)[] = [
  undefined,
  "string",
  "number",
  "integer",
  "boolean",
  "array",
  "object",
  "null",
];
const counts = new Set(["minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"]);

const asNumber = (value: Json | undefined) =>
  typeof value === "string" && /^\d{1,15}$/.test(value) ? Number(value) : value;
