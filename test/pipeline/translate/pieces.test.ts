import { expect, test } from "bun:test";
import type { Dialect } from "../../../core/dialects/dialect.ts";
import { anthropicMessages } from "../../../core/dialects/anthropic-messages/index.ts";
import { gemini } from "../../../core/dialects/gemini/index.ts";
import { openaiResponses } from "../../../core/dialects/openai-responses/index.ts";
import { translatedAnswer } from "../../../core/pipeline/translate/answer.ts";

/** The text of a whole answer of Gemini's in several parts, as it comes now and then. */

async function told(client: Dialect, parts: readonly object[]) {
  const body = { candidates: [{ content: { role: "model", parts }, finishReason: "STOP" }] };
  const bytes = new TextEncoder().encode(JSON.stringify(body));
  const answer = await translatedAnswer({ kind: "whole", bytes }, false, {
    client,
    target: gemini,
    asked: gemini.decodeRequest({ contents: [{ parts: [{ text: "hi" }] }] }, { model: "m", stream: false }),
    includeUsage: true,
    framing: "sse",
    restore: (emit) => emit,
    secrets: [],
  });
  if (answer.kind !== "whole") throw new Error(`a ${answer.kind} answer`);
  const { body: sent } = answer;
  return JSON.parse(typeof sent === "string" ? sent : new TextDecoder().decode(sent));
}

test("is one text, as clients that read it as JSON need it", async () => {
  const parts = [{ text: '{"a":' }, { text: "1" }, { text: "}" }];
  expect((await told(openaiResponses, parts)).output).toMatchObject([{ content: [{ text: '{"a":1}' }] }]);
  expect((await told(anthropicMessages, parts)).content).toMatchObject([{ type: "text", text: '{"a":1}' }]);
});

test("stays apart where something stands between, and keeps its signature", async () => {
  const parts = [{ text: "a" }, { functionCall: { name: "f", args: {} } }, { text: "b" }, { text: "c" }];
  expect((await told(anthropicMessages, parts)).content).toMatchObject([
    { text: "a" },
    { type: "tool_use" },
    { text: "bc" },
  ]);
  const signed = [{ text: "a", thoughtSignature: "c2ln" }, { text: "b" }];
  expect((await told(gemini, signed)).candidates[0].content.parts).toEqual(signed);
});
