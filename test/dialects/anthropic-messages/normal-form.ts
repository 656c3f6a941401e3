import type { Json, JsonObject } from "../../../core/chat/json.ts";

/*
 * Two bodies mean the same when their normal forms are equal. These are all the liberties that the codec may take; beyond
 * them a body must come back with the same JSON value.
 */

/**
 * Requests: an absent field, `null`, an empty list and an explicit default (`stream: false`, `is_error: false`) are one ·
 * content as a string is a list of one text · an input that is absent is `{}`.
 */
export function normalRequest(body: JsonObject): Json {
  const { messages, system, stream, ...rest } = body;
  return tidy({
    ...rest,
    stream: stream === false ? null : stream,
    system: blocksOf(system),
    messages: list(messages).map((message) => ({ ...message, content: blocksOf(message["content"]) })),
  });
}

/** Answers: an absent field, `null` and an empty list are one. */
export const normalResponse = (body: JsonObject): Json => tidy(body);

function blocksOf(content: Json | undefined): readonly JsonObject[] {
  const blocks = typeof content === "string" ? [{ type: "text", text: content }] : list(content);
  return blocks.map((block) => {
    if (block["type"] === "tool_use") return { ...block, input: block["input"] ?? {} };
    if (block["type"] !== "tool_result") return block;
    const { content: inner, is_error: isError, ...rest } = block;
    const told = blocksOf(inner).filter((part) => part["text"] !== "");
    return { ...rest, content: told, ...(isError === true ? { is_error: true } : {}) };
  });
}

/** Drops what is nothing: absent, `null`, empty lists; all the way down. */
function tidy(value: Json | undefined): Json {
  if (Array.isArray(value)) return value.map(tidy);
  if (typeof value !== "object" || value === null) return value ?? null;
  const members = Object.entries(value).map(([key, member]) => [key, tidy(member)] as const);
  return Object.fromEntries(members.filter(([, member]) => !isNothing(member)));
}

const isNothing = (value: Json) => value === null || (Array.isArray(value) && value.length === 0);
const list = (value: Json | undefined): readonly JsonObject[] =>
  Array.isArray(value) ? value.filter((item) => typeof item === "object" && item !== null) : [];
