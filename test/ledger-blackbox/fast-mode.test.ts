import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { call, chat } from "../support/clients.ts";
import { gate, until } from "../support/poll.ts";
import { allBudgets, usageOf } from "../support/rows.ts";
import { json, openStream } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";
import { spokenWhole } from "../support/spoken.ts";

/** Anthropic serves the same model faster, or in one geography alone, at a higher price: a budget sees that price or no call. */

const setup = await setUp({
  dialects: ["anthropic-messages", "openai-chat"],
  config: [
    "  - { target: mock-anthropic-messages/opus, input: 5, output: 25, serviceTiers: { fast: { input: 30, output: 150 }, us: { input: 5.5, output: 27.5 } } }",
    "  - { target: mock-openai-chat/opus, input: 5, output: 25, serviceTiers: { fast: { input: 30, output: 150 } } }",
    "  - { target: mock-anthropic-messages/free, input: 0, output: 0 }",
    "server: { disconnect: { drainMs: 1 } }",
  ].join("\n"),
  key: { budget: { usd: 1_000, window: "lifetime" } },
});
const { gateway, upstream, key } = setup;
/** The general ones know one price: of these calls the budgets and the ledger must agree. */
afterEach(() => {
  const numberOf = (sql: string) => gateway.sql<{ n: number | null }>(sql)[0]?.n ?? 0;
  const charged = numberOf("select sum(charge_nano) as n from v_usage");
  expect(numberOf("select -sum(delta_nano) as n from v_ledger")).toBe(charged);
  expect(numberOf("select sum(spent_nano) as n from v_budget")).toBe(charged);
  expect(numberOf("select sum(held_nano) as n from v_budget")).toBe(0);
});
afterAll(() => setup.stop());

const messages = { path: "/v1/messages", headers: { "anthropic-beta": "fast-mode-2026-02-01" } } as const;
const ask = (model: string, more: object, holder = key.key) =>
  call(gateway, holder, { ...chat(`mock-anthropic-messages/${model}`), max_tokens: 1_000, ...more }, messages);
const told = (more: object) =>
  json(200, {
    id: "msg_fast",
    type: "message",
    role: "assistant",
    model: "opus",
    content: [{ type: "text", text: "hi" }],
    stop_reason: "end_turn",
    usage: { input_tokens: 1_000, output_tokens: 1_000, service_tier: "standard", ...more },
  });

describe("a row that prices it", () => {
  test.each([
    [{}, 30_000_000],
    [{ speed: "standard", inference_geo: "global" }, 30_000_000],
    [{ speed: "fast" }, 180_000_000],
    [{ inference_geo: "us" }, 33_000_000],
  ])("%j: %d nano-USD", async (asked, costNano) => {
    upstream.on("opus", told(asked));
    const reply = await ask("opus", asked);
    expect(usageOf(gateway, reply.callId)).toMatchObject({ status: "ok", cost_nano: costNano });
    expect(upstream.requestsFor("opus").at(-1)?.json).toMatchObject(asked);
  });

  test.each([
    [{ speed: "fast" }, 180_000_000],
    [{}, 33_000_000],
  ])(
    "in a geography that %j did not ask for: %d nano-USD, though the row has no price of both",
    async (asked, cost) => {
      upstream.on("opus", told({ ...asked, inference_geo: "us" }));
      const reply = await ask("opus", asked);
      expect(usageOf(gateway, reply.callId)).toMatchObject({ cost_nano: cost });
    },
  );

  test("of both, asked for, is refused where it prices each alone", async () => {
    const before = upstream.requestsFor("opus").length;
    expect((await ask("opus", { speed: "fast", inference_geo: "us" })).status).toBe(400);
    expect(upstream.requestsFor("opus").length).toBe(before);
  });

  test("is held for, and charged when the client leaves before anything is told", async () => {
    const poor = await gateway.createKey({ budget: { usd: "1", window: "lifetime" } });
    const asked = gate();
    upstream.on("opus", async (exchange) => {
      await (await openStream(exchange)).send(": nothing yet\n\n");
      asked.open();
      await exchange.over;
    });
    const client = new AbortController();
    const left = call(
      gateway,
      poor.key,
      { ...chat("mock-anthropic-messages/opus"), max_tokens: 1_000, speed: "fast", stream: true },
      { ...messages, signal: client.signal },
    ).catch(() => null);
    await asked.opened;
    const own = () => allBudgets(gateway).find(({ scope_id }) => scope_id === poor.id);
    expect(own()?.held_nano).toBeGreaterThan(150_000_000);
    client.abort();
    await left;
    await until("the end", () => own()?.held_nano === 0);
    const [row] = gateway.sql<{ input_tokens: number; cost_nano: number }>(
      "select input_tokens, cost_nano from v_usage where status = 'client_aborted'",
    );
    expect(row?.cost_nano).toBe((row?.input_tokens ?? 0) * 30_000);
  });
});

describe("what a call is held for", () => {
  const poor = async () => (await gateway.createKey({ budget: { usd: "0.06", window: "lifetime" } })).key;
  const plain = (target: string) => ({ ...chat(target), max_tokens: 1_000 });

  test.each([
    ["in its own dialect", messages],
    ["in another", {}],
  ])("does not count what Anthropic serves only when asked: %s", async (_, how) => {
    upstream.on("opus", told({}));
    const { status, callId } = await call(gateway, await poor(), plain("mock-anthropic-messages/opus"), how);
    expect(status).toBe(200);
    const { hold } = await gateway.admin<{ hold: { lines: object[] } }>("GET", `/api/explain/${callId}`);
    // The geography may be that of the workspace.
    expect(hold.lines).toMatchObject([
      { item: "input", price: "5.5" },
      { item: "output", price: "27.5" },
    ]);
  });

  test("does when it is asked for, and where a provider may serve it unasked", async () => {
    expect((await ask("opus", { speed: "fast" }, await poor())).status).toBe(402);
    expect((await call(gateway, await poor(), plain("mock-openai-chat/opus"))).status).toBe(402);
  });
});

describe("without such a row", () => {
  test.each([
    ["speed", { speed: "fast" }],
    ["inference_geo", { inference_geo: "us" }],
    ["speed", { speed: "fast", inference_geo: "us" }],
  ])("%s is refused before anything is sent", async (param, asked) => {
    for (const holder of [key, await gateway.createKey()]) {
      const reply = await ask("other", asked, holder.key);
      expect(reply.status).toBe(400);
      expect(reply.text).toContain(`'${param}'`);
    }
    expect(upstream.requestsFor("other")).toEqual([]);
  });

  test("it passes where it costs nothing either way, and where the target is not told of it", async () => {
    upstream.on("free", told({ speed: "fast" }));
    expect((await ask("free", { speed: "fast" })).status).toBe(200);
    upstream.on("chat", json(200, spokenWhole("openai-chat", { text: "hi", usage: { input: 10, output: 5 } })));
    const elsewhere = { ...chat("mock-openai-chat/chat"), max_tokens: 1_000, speed: "fast" };
    expect((await call(gateway, key.key, elsewhere, messages)).status).toBe(200);
    expect(upstream.requestsFor("chat").at(-1)?.json).not.toHaveProperty("speed");
  });
});
