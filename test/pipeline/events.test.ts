import { expect, test } from "bun:test";
import { setImmediate } from "node:timers/promises";
import { type ChatEvent, GatewayError } from "llm-proxy/plugin";
import { openaiChat } from "../../core/dialects/openai-chat/index.ts";
import { fromEvents } from "../../core/pipeline/events.ts";
import { noCalls } from "../../core/plugin/hook-tally.ts";
import { nextOf } from "../../core/runtime/upstream-response.ts";

/** A stream of the events, before its first one. */
async function begin(events: AsyncIterable<ChatEvent>) {
  const abort = new AbortController();
  const body = { model: "m", messages: [{ role: "user", content: "hello" }], stream: true };
  const answer = await fromEvents(events, {
    dialect: openaiChat,
    framing: "sse",
    asked: openaiChat.decodeRequest(body),
    envelope: openaiChat.readEnvelope(body, 100),
    signal: abort.signal,
    provider: "p",
    tally: { ...noCalls },
  });
  if (answer.kind !== "stream") throw new Error("no stream");
  return { abort, next: () => nextOf(answer.source) };
}
const start: ChatEvent = { type: "response-start", id: "x", model: "m", createdMs: 0 };

test("a stream that goes on keeps none of the events that it has sent", async () => {
  const sent: WeakRef<ChatEvent>[] = [];
  async function* endless(): AsyncGenerator<ChatEvent> {
    yield start;
    yield { type: "text-start", candidate: 0, index: 0 };
    while (true) {
      const event: ChatEvent = { type: "text-delta", candidate: 0, index: 0, text: `piece ${sent.length}` };
      sent.push(new WeakRef(event));
      yield event;
    }
  }
  const { abort, next } = await begin(endless());
  while (sent.length < 2_000) await next();
  // A weak reference is a strong one until the turn ends in which it was made.
  await setImmediate();
  Bun.gc(true);
  expect(sent.filter((event) => event.deref() !== undefined).length).toBeLessThan(200);
  abort.abort(new GatewayError("unavailable", "that will do"));
  expect(await next().catch(String)).toContain("that will do");
});

test.each(["before it is asked for the first", "while it waits", "between two"])(
  "who reads events that no abort ends is let go when it comes %s",
  async (when) => {
    let isReturned = false;
    const given = when === "between two" ? [start] : [];
    const deaf = {
      next: () => {
        const value = given.shift();
        return value ? Promise.resolve({ done: false as const, value }) : new Promise<never>(() => {});
      },
      return: async () => ((isReturned = true), { done: true as const, value: undefined }),
    };
    const { abort, next } = await begin({ [Symbol.asyncIterator]: () => deaf });
    const reason = new GatewayError("unavailable", "the process stops");
    if (when === "between two") await next();
    if (when !== "while it waits") abort.abort(reason);
    const waiting = next().catch((error: unknown) => error);
    if (when === "while it waits") abort.abort(reason);
    expect(await waiting).toBe(reason);
    expect(isReturned).toBe(true);
  },
);
