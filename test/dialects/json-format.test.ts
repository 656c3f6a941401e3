import { describe, expect, test } from "bun:test";
import type { JsonObject } from "../../core/chat/json.ts";
import { mayBeStrict } from "../../core/dialects/json-format.ts";

const closed = (properties: JsonObject, more: JsonObject = {}): JsonObject => ({
  type: "object",
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
  ...more,
});

describe("a schema may be strict", () => {
  test.each<readonly [string, JsonObject]>([
    ["of plain fields", closed({ a: { type: "string", format: "date" }, b: { type: ["number", "null"], minimum: 1 } })],
    ["of lists", closed({ a: { type: "array", items: closed({ b: { type: "string", enum: ["x"] } }), maxItems: 3 } })],
    ["with alternatives", closed({ a: { anyOf: [closed({}), { type: "null" }] } })],
    ["with definitions", closed({ a: { $ref: "#/$defs/A" } }, { $defs: { A: { type: "string" } } })],
  ])("%s", (_, schema) => expect(mayBeStrict(schema)).toBe(true));
});

describe("a schema may not be strict", () => {
  const open = { type: "object", properties: { a: { type: "string" } }, required: ["a"] };
  test.each<readonly [string, JsonObject]>([
    ["of an open object", open],
    ["of an open object or null", closed({ a: { ...open, type: ["object", "null"] } })],
    ["with an optional property", closed({ a: { type: "string" } }, { required: [] })],
    ["whose root is a list", { type: "array", items: closed({}) }],
    ["whose root is a reference", { $ref: "#/$defs/A", $defs: { A: closed({}) } }],
    ["whose root has alternatives", closed({}, { anyOf: [closed({})] })],
    ["with oneOf", closed({ a: { oneOf: [{ type: "string" }] } })],
    ["with allOf", closed({ a: { type: "string", allOf: [{ type: "string" }] } })],
    ["with not", closed({ a: { type: "string", not: { const: "x" } } })],
    ["with if", closed({ a: { type: "string", if: { const: "x" } } })],
    ["with patternProperties", closed({}, { patternProperties: { "^a": { type: "string" } } })],
    ["with a word beside a reference", closed({ a: { $ref: "#/$defs/A", description: "d" } })],
    ["with an open object in an alternative", closed({ a: { anyOf: [open, { type: "null" }] } })],
    ["with an open object in a definition", closed({ a: { $ref: "#/$defs/A" } }, { $defs: { A: open } })],
    ["with an open object in a list", closed({ a: { type: "array", items: open } })],
    ["with a list of anything", closed({ a: { type: "array" } })],
    ["with a field of any type", closed({ a: {} })],
    ["with a format of its own", closed({ a: { type: "integer", format: "int32" } })],
  ])("%s", (_, schema) => expect(mayBeStrict(schema)).toBe(false));
});
