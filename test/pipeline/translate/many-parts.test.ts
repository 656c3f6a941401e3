import { expect, test } from "bun:test";
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
async function taken(client: (typeof openaiChat)["name"], chunkAt: (n: number) => Uint8Array): Promise<number> {
  const spoken = dialects.get(client);
  if (spoken === undefined) throw new Error("no such dialect");
  const asked = openaiChat.decodeRequest({ model: "m", messages: [{ role: "user", content: "hi" }] });
  let chunks = 0;
  const source = new TranslatedSource(
    { kind: "events", framing: "sse", pieces: { next: () => chunkAt(chunks++) } },
    spoken.encodeStream({ includeUsage: true, asked }),
    {
      client: spoken,
      target: openaiChat,
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
