import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../chat/json.ts";
import { listKeys, mapKeys, subschemas } from "../json-format.ts";

/*
 * What a schema may hold that Anthropic compiles to a grammar, for `output_config.format` and `strict` tools
 * (https://platform.claude.com/docs/en/build-with-claude/structured-outputs#json-schema-limitations). A schema with more
 * is refused with a 400.
 */

/** Whether the schema is taken as it is. */
export function isConstrainable(schema: Json | undefined): boolean {
  if (!isJsonObject(schema)) return false;
  const isClosed = schema["type"] !== "object" || schema["additionalProperties"] === false;
  return isClosed && Object.keys(schema).every((key) => known.has(key)) && subschemas(schema).every(isConstrainable);
}

/**
 * The schema as it is taken, and whether a rule was lost: objects are closed, and rules that no grammar can hold are told in
 * the description instead. `null`: it is open to any property, which no grammar can say.
 */
export function constrained(schema: JsonObject): { readonly schema: JsonObject; readonly lost: boolean } | null {
  let lost = false;
  const visit = (given: Json | undefined): JsonObject | null => {
    if (!isJsonObject(given)) return null;
    const value = withAnyOf(given);
    const { additionalProperties: open } = value;
    if (isJsonObject(open) || (open === true && value["properties"] === undefined)) return null;
    const told = Object.entries(value).filter(([key]) => !known.has(key) && key !== "$schema");
    if (told.length > 0 || open === true) lost = true;
    const entries: [string, Json][] = [];
    for (const [key, member] of Object.entries(value)) {
      if (!known.has(key) || member === undefined) continue;
      const inner = visitMember(key, member, visit);
      if (inner === null && member !== null) return null;
      entries.push([key, inner]);
    }
    const rules = told.map(([key, rule]) => `${key}: ${JSON.stringify(rule)}`).join(", ");
    const { description } = value;
    return {
      ...Object.fromEntries(entries),
      ...(value["type"] === "object" ? { additionalProperties: false } : {}),
      ...(rules === "" ? {} : { description: typeof description === "string" ? `${description} (${rules})` : rules }),
    };
  };
  const result = visit(schema);
  return result === null ? null : { schema: result, lost };
}

/** `oneOf` is not taken; for what a model writes, `anyOf` is as good. */
function withAnyOf(schema: JsonObject): JsonObject {
  const { oneOf, ...rest } = schema;
  return oneOf === undefined || rest["anyOf"] !== undefined ? schema : { ...rest, anyOf: oneOf };
}

/** `null`: a schema in it cannot be said. */
function visitMember(key: string, member: Json, visit: (value: Json | undefined) => JsonObject | null): Json {
  if (key === "items") return visit(member);
  if (listKeys.has(key) && isJsonArray(member)) {
    const visited = member.map(visit);
    return visited.every((item) => item !== null) ? visited : null;
  }
  if (mapKeys.has(key) && isJsonObject(member)) {
    const visited = Object.entries(member).map(([name, item]) => [name, visit(item)] as const);
    return visited.every(([, item]) => item !== null) ? Object.fromEntries(visited) : null;
  }
  return member;
}

const known: ReadonlySet<string> = new Set([
  ...listKeys,
  ...mapKeys,
  "type",
  "title",
  "description",
  "enum",
  "const",
  "default",
  "format",
  "items",
  "required",
  "additionalProperties",
  "$ref",
]);
