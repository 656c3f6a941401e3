import { afterAll, expect, test } from "bun:test";
import { cpuUs } from "../bench/process-stat.ts";
import { chat, call } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { answers, frames, newUpstreamId, wantsUsage } from "../support/openai-answers.ts";
import { eachOf, until } from "../support/poll.ts";
import { seeded } from "../support/random.ts";
import { sendRaw } from "../support/raw.ts";
import { allUsage, openCalls } from "../support/rows.ts";
import { openStream, sse } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";
import type { Exchange } from "../support/upstream.ts";

/** A model whose tokens are not the usual four bytes: what of it is never told is estimated by what it has told. */
const setup = await setUp({
  config: "server: { disconnect: { drainMs: 50 } }",
  key: { name: "estimated", budget: { usd: 1000, window: "lifetime" } },
});
afterAll(() => setup.stop());
const random = seeded("estimates");

/** Two and a half bytes of input, and a template of nine; two bytes of output, as `a `. */
const inputTokens = (exchange: Exchange) =>
  Math.ceil(Buffer.byteLength(JSON.stringify(exchange.json.messages)) / 2.5) + 9;
const outputText = (tokens: number) => "a ".repeat(tokens);
const ask = () => [{ role: "user", content: "ü ".repeat(500 + random.below(2_000)) }];
const body = (model: string) => chat(`mock/${model}`, { stream: true, max_completion_tokens: 4_000, messages: ask() });

interface Estimates {
  readonly data: readonly {
    readonly provider: string;
    readonly model: string;
    readonly inputBytesPerToken: number;
    readonly outputBytesPerToken: number;
    readonly heldNano: number;
    readonly chargeNano: number;
  }[];
  readonly next: string | null;
}
const estimates = () => setup.gateway.admin<Estimates>("GET", "/api/estimates?provider=mock&model=tokens");

test("streams that are cut are within a tenth of what they really used, once the model has told some", async () => {
  setup.upstream.on("tokens", async (exchange) => {
    const id = (exchange.upstreamId = newUpstreamId());
    const tokens = 50 + random.below(400);
    const answer = { text: outputText(tokens), promptTokens: inputTokens(exchange), completionTokens: tokens };
    const all = frames(id, answer, wantsUsage(exchange));
    if (!cutting) return sse(all.join(""))(exchange);
    used += answer.promptTokens + 2 * answer.completionTokens;
    const stream = await openStream(exchange);
    // All of the text, and neither an end nor the usage; the client leaves at the mark.
    await stream.send(all.slice(0, tokens + 1).join(""));
    await stream.send(": mark\n\n");
    await exchange.over;
  });
  let cutting = false;
  let used = 0;
  await eachOf(
    Array.from({ length: 40 }, (_, at) => at),
    8,
    () => call(setup.gateway, setup.key.key, body("tokens")),
  );
  cutting = true;
  await eachOf(
    Array.from({ length: 40 }, (_, at) => at),
    8,
    () =>
      sendRaw(setup.gateway.url, {
        path: "/v1/chat/completions",
        headers: { authorization: `Bearer ${setup.key.key}`, "content-type": "application/json" },
        body: JSON.stringify(body("tokens")),
        leaveWhen: (received) => received.includes(": mark"),
      }),
  );
  await until("the records", () => openCalls(setup.gateway) === 0);
  const rows = allUsage(setup.gateway).filter(({ source }) => source === "estimated");
  expect(rows).toHaveLength(40);
  const charged = rows.reduce((sum, row) => sum + (row.charge_nano ?? 0), 0);
  // A token of input is 1,000 nano-USD and one of output twice that.
  expect(Math.abs(charged / 1_000 - used) / used).toBeLessThan(0.1);
  await invariants(setup);
});

test("what was learned is shown beside what is held and charged, and outlives the process", async () => {
  const before = await estimates();
  const [row] = before.data;
  expect(before).toMatchObject({ data: [{ provider: "mock", model: "tokens" }], next: null });
  expect(row?.outputBytesPerToken).toBeWithin(1.9, 2.2);
  expect(row?.inputBytesPerToken).toBeWithin(2.4, 3);
  expect(row?.heldNano).toBeGreaterThan(row?.chargeNano ?? 0);
  await setup.gateway.restart();
  expect(await estimates()).toEqual(before);
});

test("what a long text of whatever kind costs to admit grows with its length, no more", async () => {
  const { gateway, upstream, key } = setup;
  upstream.on("long", answers());
  const bytes = 4_000_000;
  const texts = {
    "one long word": "a".repeat(bytes),
    emoji: "😀".repeat(bytes / 4),
    Chinese: "好".repeat(bytes / 3),
    base64: Buffer.alloc(bytes * 0.75, "some bytes ").toString("base64"),
    escapes: '\\"\n'.repeat(bytes / 6),
    "lone surrogates": "\ud83d".repeat(bytes / 6),
    "many messages": Array.from({ length: 9_000 }, () => ({ role: "user", content: "a b" })),
    "many parts": [{ role: "user", content: Array.from({ length: 9_000 }, () => ({ type: "text", text: "a" })) }],
  };
  for (const [what, text] of Object.entries(texts)) {
    const messages = typeof text === "string" ? [{ role: "user", content: text }] : text;
    const sent = JSON.stringify(chat("mock/long", { max_completion_tokens: 10, messages }));
    const before = cpuUs(gateway.pid);
    const reply = await call(gateway, key.key, sent);
    const ms = (cpuUs(gateway.pid) - before) / 1_000;
    const megabytes = Buffer.byteLength(sent) / 1e6;
    console.log(`${megabytes.toFixed(1)} MB of ${what}: ${ms.toFixed(0)} ms of CPU`);
    expect([what, reply.status]).toEqual([what, 200]);
    expect(ms).toBeLessThan(100 * megabytes + 100);
  }
  await invariants(setup);
});
