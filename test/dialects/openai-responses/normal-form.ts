import type { Json, JsonObject } from "../../../core/chat/json.ts";

/*
 * Two bodies mean the same when their normal forms are equal. These are all the liberties that the codec may take; beyond
 * them a body must come back with the same JSON value.
 */

/**
 * Requests: an absent field, `null`, empty words and lists, and an explicit default (`stream: false`, `text.format: text`,
 * `metadata: {}`) are one · a string as `input` is one user message · an item without a type is a message, and its content
 * as a string is a list of one text, as is a tool's output · the order of `include` means nothing.
 */
export function normalRequest(body: JsonObject): Json {
  const { input, include, stream, text, metadata, ...rest } = body;
  const { format, ...settings } = object(text);
  const items = typeof input === "string" ? [{ role: "user", content: input }] : list(input);
  return tidy({
    ...rest,
    stream: stream === true ? true : null,
    metadata: Object.keys(object(metadata)).length === 0 ? null : metadata,
    text: { ...settings, format: object(format)["type"] === "text" ? null : format },
    include: (Array.isArray(include) ? include : []).map(String).toSorted(),
    input: items.map(normalItem),
  });
}

/**
 * Responses, besides: an item has an id, also where the vendor gave it none · `status: complete` is `completed` · what is
 * added beyond the vendor's fields says nothing (`fields`: those of the original; others are left out).
 */
export function normalResponse(body: JsonObject, fields: JsonObject = body): Json {
  const known = Object.entries(body).filter(([key]) => key in fields);
  const { output, metadata, created_at: created, ...rest } = Object.fromEntries(known);
  return tidy({
    ...rest,
    created_at: typeof created === "number" ? Math.floor(created) : created,
    metadata: Object.keys(object(metadata)).length === 0 ? null : metadata,
    output: list(output).map(normalItem),
  });
}

function normalItem(item: JsonObject): JsonObject {
  const { content, output, type, ...rest } = item;
  const role = item["role"] === "assistant" ? "output_text" : "input_text";
  return {
    ...rest,
    type: type ?? "message",
    content: typeof content === "string" ? [{ type: role, text: content }] : content,
    output: typeof output === "string" ? [{ type: "input_text", text: output }] : output,
  };
}

/** Drops what is nothing: absent, `null`, empty words, lists and objects; all the way down. */
function tidy(value: Json | undefined): Json {
  if (Array.isArray(value)) return value.map(tidy);
  if (typeof value !== "object" || value === null) return value ?? null;
  const members = Object.entries(value).map(([key, member]) => [key, tidy(member)] as const);
  return Object.fromEntries(members.filter(([, member]) => !isNothing(member)));
}

const isNothing = (value: Json) =>
  value === null ||
  value === "" ||
  (Array.isArray(value) ? value.length === 0 : Object.keys(object(value)).length === 0 && typeof value === "object");
const object = (value: Json | undefined): JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
const list = (value: Json | undefined): readonly JsonObject[] =>
  Array.isArray(value) ? value.filter((item) => typeof item === "object" && item !== null) : [];
