import { afterAll, beforeAll, expect, test } from "bun:test";
import { call, chat, type Reply } from "../support/clients.ts";
import { answers } from "../support/openai-answers.ts";
import { allBudgets, usageOf } from "../support/rows.ts";
import { json } from "../support/scripts.ts";
import { type Setup, setUp } from "../support/setup.ts";
import { startUpstream } from "../support/upstream.ts";

/** Counting tokens is free with every provider, so it is charged nothing, held for by nothing, and refused by no money. */

const config = [
  "  - { target: mock-anthropic-messages/each, input: 1, output: 2, request: 0.01 }",
  "  - { target: mock-gemini/each, input: 1, output: 2, request: 0.01 }",
  "  - { target: mock/each, input: 1, output: 2, request: 0.01 }",
  "billing: { ledger: { charges: [{ fee: 0.01 }] } }",
].join("\n");
const unpriced = await startUpstream();
let setup: Setup;
beforeAll(async () => {
  const providers = `  bare: { use: openai-compatible, baseUrl: "${unpriced.baseUrl}", dialects: [anthropic-messages] }`;
  unpriced.on("each", json(200, { input_tokens: 7 }));
  setup = await setUp({ config, dialects: ["anthropic-messages", "gemini"], providers });
  for (const model of ["each", "plain"]) setup.upstream.on(model, json(200, { input_tokens: 7, totalTokens: 7 }));
});
afterAll(async () => {
  await setup.stop();
  await unpriced.stop();
});

const messages = [{ role: "user", content: "hi" }];
const anthropic = (key: string, model: string, more: object = {}): Promise<Reply> =>
  call(
    setup.gateway,
    key,
    { model: `mock-anthropic-messages/${model}`, messages, ...more },
    { path: "/v1/messages/count_tokens" },
  );
const gemini = (key: string, model: string): Promise<Reply> =>
  call(
    setup.gateway,
    key,
    { contents: [{ role: "user", parts: [{ text: "hi" }] }] },
    { path: `/v1beta/models/mock-gemini/${model}:countTokens` },
  );
const free = { status: "ok", source: "none", input_tokens: null, output_tokens: null, cost_nano: 0, charge_nano: 0 };

test.each([
  ["Anthropic's", anthropic],
  ["Gemini's", gemini],
])("%s costs nothing, whatever the call has for a price and a fee", async (_, count) => {
  for (const model of ["each", "plain"]) {
    const reply = await count(setup.key.key, model);
    expect(reply.status).toBe(200);
    expect(reply.headers.get("x-llm-proxy-cost-usd")).toBe("0.000000000");
    expect(usageOf(setup.gateway, reply.callId)).toMatchObject({ operation: "count-tokens", ...free });
  }
  const order = { from: 0, reason: "to see", dryRun: true };
  expect(await setup.gateway.admin("POST", "/api/ledger/reprice", order)).toMatchObject({ examined: 0, changed: 0 });
});

test("a model without a price is counted for, as there is nothing to pay", async () => {
  const asked = { model: "bare/each", messages };
  const reply = await call(setup.gateway, setup.key.key, asked, { path: "/v1/messages/count_tokens" });
  expect(reply.status).toBe(200);
  expect(usageOf(setup.gateway, reply.callId)).toMatchObject(free);
  const chatted = await call(setup.gateway, setup.key.key, { ...asked, max_tokens: 5 }, { path: "/v1/messages" });
  expect([chatted.status, chatted.text.includes("has no price")]).toEqual([400, true]);
});

test.each([
  ["Anthropic's", anthropic],
  ["Gemini's", gemini],
])("%s holds nothing, so a budget that is spent lets it through and has nothing to warn of", async (_, count) => {
  const { id, key } = await setup.gateway.createKey({ budget: { usd: "0.000001", window: "lifetime" } });
  const reply = await count(key, "each");
  expect([reply.status, reply.headers.get("x-llm-proxy-warnings")]).toEqual([200, null]);
  expect((await call(setup.gateway, key, chat("mock/each"))).status).toBe(402);
  expect(allBudgets(setup.gateway).find(({ scope_id }) => scope_id === id)).toMatchObject({
    spent_nano: 0,
    held_nano: 0,
  });
});

test("takes nothing of a limit in USD, and of one in tokens no output that it does not make", async () => {
  const { key } = await setup.gateway.createKey({ limits: { tokensPerMinute: 1_000, usdPerMinute: "0.001" } });
  expect((await anthropic(key, "each", { max_tokens: 2_000 })).status).toBe(200);
});

test("a call that used nothing, by its provider's word, is charged no fee", async () => {
  setup.upstream.on("idle", answers({ usage: { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 } }));
  setup.upstream.on("busy", answers({ usage: { prompt_tokens: 1, completion_tokens: 0, total_tokens: 1 } }));
  const idle = await call(setup.gateway, setup.key.key, chat("mock/idle"));
  expect(usageOf(setup.gateway, idle.callId)).toMatchObject({ source: "provider", cost_nano: 0, charge_nano: 0 });
  const busy = await call(setup.gateway, setup.key.key, chat("mock/busy"));
  expect(usageOf(setup.gateway, busy.callId)).toMatchObject({ cost_nano: 1_000, charge_nano: 10_001_000 });
});
