import { describe, expect, test } from "bun:test";
import type { JsonObject } from "../../core/chat/json.ts";
import type { DialectName } from "../../core/dialects/dialect.ts";
import { dialects } from "../../core/dialects/index.ts";

/*
 * The longest histories that are taken. What copied or searched all that came before for each message took from ten
 * seconds to minutes for one of these, in which nobody else was served.
 */

const count = 9_900;
const numbers = Array.from({ length: count }, (_, n) => n);
const manyNames = Array.from({ length: 60_000 }, (_, n) => `p${n}`);
const wordsOf = (n: number) => `c${n}`;

const histories: Readonly<Record<string, readonly [DialectName, JsonObject]>> = {
  "messages of one side": ["openai-chat", { messages: numbers.map((n) => ({ role: "user", content: wordsOf(n) })) }],
  "calls at once, a message for each result": [
    "openai-chat",
    {
      messages: [
        { role: "user", content: "x" },
        {
          role: "assistant",
          content: null,
          tool_calls: numbers.map((n) => ({
            id: wordsOf(n),
            type: "function",
            function: { name: "f", arguments: "{}" },
          })),
        },
        ...numbers.map((n) => ({ role: "tool", tool_call_id: wordsOf(n), content: "r" })),
      ],
    },
  ],
  "items that the model said": [
    "openai-responses",
    {
      input: numbers.flatMap((n) => [
        { type: "reasoning", id: `r${n}`, summary: [], encrypted_content: "e" },
        { type: "function_call", call_id: wordsOf(n), name: "f", arguments: "{}" },
      ]),
    },
  ],
  "blocks of Anthropic's": [
    "anthropic-messages",
    {
      max_tokens: 9,
      messages: [
        { role: "user", content: "x" },
        {
          role: "assistant",
          content: numbers.map((n) => ({ type: "tool_use", id: wordsOf(n), name: "f", input: {} })),
        },
        {
          role: "user",
          content: numbers.map((n) => ({ type: "tool_result", tool_use_id: wordsOf(n), content: "r" })),
        },
      ],
    },
  ],
  "properties of a schema": [
    "anthropic-messages",
    {
      max_tokens: 9,
      messages: [{ role: "user", content: "x" }],
      output_config: {
        format: {
          type: "json_schema",
          schema: {
            type: "object",
            properties: Object.fromEntries(manyNames.map((name) => [name, { type: "string" }])),
            required: manyNames,
            additionalProperties: false,
          },
        },
      },
    },
  ],
  "calls without ids": [
    "gemini",
    {
      contents: [
        { role: "user", parts: [{ text: "x" }] },
        ...[0, 1, 2].flatMap(() => [
          { role: "model", parts: numbers.map((n) => ({ functionCall: { name: "f", args: { n } } })) },
          { role: "user", parts: numbers.map((n) => ({ functionResponse: { name: "f", response: { n } } })) },
        ]),
      ],
    },
  ],
};

describe.each(Object.entries(histories))("%s", (_, [client, body]) => {
  test.each([...dialects.keys()])("for %s", (target) => {
    const startedMs = performance.now();
    const asked = dialects.get(client)?.decodeRequest({ model: "m", ...body }, { model: "m", stream: false });
    if (asked === undefined) throw new Error("no such dialect");
    expect(dialects.get(target)?.encodeRequest(asked, "m").body).toBeDefined();
    // Far above what it takes on a busy machine, and far below what a search for each of them took.
    expect(performance.now() - startedMs).toBeLessThan(2_500);
  });
});
