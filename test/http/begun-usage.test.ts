import { afterAll, afterEach, expect, test } from "bun:test";
import { ask } from "../support/dialect-calls.ts";
import { invariants } from "../support/invariants.ts";
import { gate, until } from "../support/poll.ts";
import { sendRaw } from "../support/raw.ts";
import { allUsage, openCalls, type UsageRow, usageOf } from "../support/rows.ts";
import { openStream } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";
import { spokenStream } from "../support/spoken.ts";

/** Anthropic tells all of the input, and the first of the output, at the start of a stream: so much is known of one that is cut. */
const setup = await setUp({
  dialects: ["anthropic-messages"],
  config: "server: { disconnect: { drainMs: 1 } }",
  key: { name: "cut", budget: { usd: 1_000, window: "lifetime" } },
});
const { gateway, upstream, key } = setup;
afterEach(() => invariants(setup));
afterAll(() => setup.stop());

const text = "one two three four five six seven eight nine ten";
const frames = spokenStream("anthropic-messages", {
  text,
  usage: { input: 5_000, cached: 3_000, output: 12 },
}).split(/(?<=\n\n)/);
/** Without the end, whose `message_delta` tells the whole usage. */
const opening = frames
  .slice(
    0,
    frames.findIndex((frame) => frame.includes("content_block_stop")),
  )
  .join("");
const toldOutput = Number(/"output_tokens":(\d+)/.exec(opening)?.[1]);
const input = { input_tokens: 5_000, cache_read_tokens: 3_000 };

const rowOf = (model: string): UsageRow | undefined =>
  allUsage(gateway).find((row) => row.model === `mock-anthropic-messages/${model}`);

test.each(["anthropic-messages", "openai-chat"] as const)(
  "the provider fails: what it told, and nothing more, for %s",
  async (client) => {
    const model = `failed-${client}`;
    const seen = gate();
    upstream.on(model, async (exchange) => {
      await (await openStream(exchange)).send(opening);
      await seen.opened;
      exchange.reset();
    });
    const reply = await ask(
      gateway,
      key.key,
      client,
      { model: `mock-anthropic-messages/${model}`, stream: true },
      { onPiece: (soFar) => soFar.includes("ten") && seen.open() },
    );
    const told = { ...input, output_tokens: toldOutput };
    expect(usageOf(gateway, reply.callId)).toMatchObject({ status: "upstream_error", source: "provider", ...told });
  },
);

test("the client leaves: the input that was told, an estimate of the output, and marked as one", async () => {
  upstream.on("left", async (exchange) => {
    await (await openStream(exchange)).send(opening);
    await exchange.over;
  });
  await sendRaw(gateway.url, {
    path: "/v1/messages",
    headers: { authorization: `Bearer ${key.key}`, "content-type": "application/json" },
    body: JSON.stringify({
      model: "mock-anthropic-messages/left",
      stream: true,
      max_tokens: 100,
      messages: [{ role: "user", content: "Say hello." }],
    }),
    leaveWhen: (received) => received.includes("ten"),
  });
  await until("the record", () => rowOf("left") !== undefined && openCalls(gateway) === 0);
  const row = rowOf("left");
  expect(row).toMatchObject({ status: "client_aborted", source: "estimated", ...input });
  // Four bytes a token, while nothing is known of the model.
  expect(row?.output_tokens).toBe(Math.ceil(text.length / 4));
});

test("a stream that tells no input at its start: an estimate of it, beside the output that was told", async () => {
  upstream.on("headless", async (exchange) => {
    const stream = await openStream(exchange);
    const end = 'event: message_stop\ndata: {"type":"message_stop"}\n\n';
    await stream.send(
      `event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":9}}\n\n${end}`,
    );
    await stream.end();
  });
  const asked = { model: "mock-anthropic-messages/headless", stream: true };
  const { callId } = await ask(gateway, key.key, "anthropic-messages", asked);
  const row = usageOf(gateway, callId);
  expect(row).toMatchObject({ status: "ok", source: "estimated", output_tokens: 9 });
  expect(row.input_tokens).toBeGreaterThan(0);
});
