import { expect, test } from "bun:test";
import type { Dialect, DialectName } from "../../../core/dialects/dialect.ts";
import { dialects } from "../../../core/dialects/index.ts";
import { openaiChat } from "../../../core/dialects/openai-chat/index.ts";
import { TranslatedSource } from "../../../core/pipeline/translate/stream.ts";
import { nextOf } from "../../../core/runtime/upstream-response.ts";

const chunkOf = (index: number, at: number) => {
  const call = { index, id: `c${index}`, type: "function", function: { name: "f", arguments: "{}" } };
  const choice = { index: at, delta: { content: "x", tool_calls: [call] }, finish_reason: null };
  return new TextEncoder().encode(`data: ${JSON.stringify({ id: "c", model: "m", choices: [choice] })}\n\n`);
};

/** How many chunks are taken of a provider that never stops. */
async function taken(
  client: DialectName,
  chunkAt: (n: number) => Uint8Array,
  target: Dialect = openaiChat,
): Promise<number> {
  const spoken = dialects.get(client);
  if (spoken === undefined) throw new Error("no such dialect");
  const asked = openaiChat.decodeRequest({ model: "m", messages: [{ role: "user", content: "hi" }] });
  let chunks = 0;
  const source = new TranslatedSource(
    { kind: "events", framing: "sse", pieces: { next: () => chunkAt(chunks++) } },
    spoken.encodeStream({ includeUsage: true, asked }),
    {
      client: spoken,
      target,
      asked,
      includeUsage: true,
      framing: "sse",
      restore: (emit) => emit,
      secrets: [],
    },
  );
  const readOn = async () => {
    while (chunks < 10_000) await nextOf(source);
  };
  await expect(readOn()).rejects.toMatchObject({ details: { code: "provider_answer_too_large" } });
  return chunks;
}

test.each([...dialects.keys()])("a provider that calls tools without end is cut off for %s", async (client) => {
  expect(await taken(client, (n) => chunkOf(n, 0))).toBeLessThan(5_000);
});

test.each([...dialects.keys()])("so is one of answers without end, for %s", async (client) => {
  expect(await taken(client, (n) => chunkOf(0, n))).toBeLessThan(5_000);
});

/** Parts that stay open and of which the client is told nothing. */
const silent: Readonly<Record<string, readonly [DialectName, (n: number) => object]>> = {
  "calls without a name": [
    "openai-chat",
    (n) => ({ id: "c", choices: [{ index: 0, delta: { tool_calls: [{ index: n, id: `c${n}`, function: {} }] } }] }),
  ],
  "answers without a word": ["openai-chat", (n) => ({ id: "c", choices: [{ index: n, delta: {} }] })],
  "blocks of a kind of its own": [
    "anthropic-messages",
    (n) =>
      n === 0
        ? { type: "message_start", message: { id: "m", type: "message", role: "assistant", model: "m", content: [] } }
        : { type: "content_block_start", index: n, content_block: { type: "novelty" } },
  ],
  "empty candidates": ["gemini", (index) => ({ candidates: [{ index }] })],
  "items without content": [
    "openai-responses",
    (at) => ({ type: "response.output_item.added", output_index: at, item: { type: "message", id: `m${at}` } }),
  ],
};
test.each(Object.keys(silent))("so is one that begins %s without end", async (what) => {
  const [name, chunkAt] = silent[what] ?? ["openai-chat", () => ({})];
  const frame = (n: number) => new TextEncoder().encode(`data: ${JSON.stringify(chunkAt(n))}\n\n`);
  const client = name === "openai-chat" ? "anthropic-messages" : "openai-chat";
  expect(await taken(client, frame, dialects.get(name))).toBeLessThan(5_000);
});
