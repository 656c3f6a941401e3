import Anthropic from "@anthropic-ai/sdk";
import { afterAll, expect, test } from "bun:test";
import { chat, call, openai } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { gate } from "../support/poll.ts";
import { stalled } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";
import { spokenStream } from "../support/spoken.ts";

/** A model that thinks for longer than anything between it and its client likes: pings keep the line open, and no SDK stumbles. */
const setup = await setUp({ dialects: ["openai-chat", "anthropic-messages"] });
afterAll(() => setup.stop());
const { gateway, upstream, key } = setup;

test("an answer that is silent in its middle until the proxy pings comes whole, for the SDKs of both vendors", async () => {
  const pinged = gate();
  for (const dialect of ["openai-chat", "anthropic-messages"] as const) {
    const frames = spokenStream(dialect, { text: "before and after", usage: { input: 9, output: 4 } }).split(
      /(?<=\n\n)/,
    );
    const middle = frames.findIndex((frame) => frame.includes("befor")) + 1;
    const [before, after] = [frames.slice(0, middle), frames.slice(middle)].map((part) => part.join(""));
    upstream.on(`thinks-${dialect}`, stalled(before ?? "", pinged.opened, after ?? ""));
  }
  const model = "mock-openai-chat/thinks-openai-chat";
  const [raw, chunks, message] = await Promise.all([
    call(gateway, key.key, chat(model, { stream: true }), {
      onPiece: (soFar) => soFar.includes(": ping\n\n") && pinged.open(),
    }),
    openai(gateway, key.key)
      .chat.completions.create({ model, stream: true, messages: [{ role: "user", content: "x" }] })
      .then((stream) => Array.fromAsync(stream)),
    new Anthropic({ baseURL: gateway.url, apiKey: key.key, maxRetries: 0 }).messages
      .stream({
        model: "mock-anthropic-messages/thinks-anthropic-messages",
        max_tokens: 100,
        messages: [{ role: "user", content: "x" }],
      })
      .finalMessage(),
  ]);
  expect(raw.text).toContain(": ping\n\n");
  expect(raw.text).toEndWith("data: [DONE]\n\n");
  expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join("")).toBe("before and after");
  expect(message.content).toMatchObject([{ type: "text", text: "before and after" }]);
  await invariants(setup);
}, 60_000);
