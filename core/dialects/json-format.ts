import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../chat/json.ts";
import type { OutputFormat } from "../chat/request.ts";

/* What dialects share of answers in JSON: what a strict schema is, and what to tell a model that cannot be held to one. */

/** For the system prompt. Parsers take the whole text, so a fence around it would break them. */
export function instructionFor(format: Exclude<OutputFormat, { readonly type: "text" }>): string {
  const only = "Answer with one JSON object and nothing else: no words before or after it and no code fence around it.";
  if (format.type === "json") return only;
  const described = format.description === null ? "" : ` It is: ${format.description}`;
  return `${only} It must fit this JSON schema: ${JSON.stringify(format.schema)}${described}`;
}

/** Whether every property of every object must be there: what other dialects ask of a strict schema. */
export function isAllRequired(schema: Json | undefined): boolean {
  if (!isJsonObject(schema)) return false;
  const required = new Set(isJsonArray(schema["required"]) ? schema["required"] : []);
  const properties = isJsonObject(schema["properties"]) ? Object.keys(schema["properties"]) : [];
  const isClosed = schema["type"] !== "object" || schema["additionalProperties"] === false;
  return isClosed && properties.every((name) => required.has(name)) && subschemas(schema).every(isAllRequired);
}

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
