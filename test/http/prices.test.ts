import { afterAll, describe, expect, test } from "bun:test";
import { call, chat } from "../support/clients.ts";
import { answers } from "../support/openai-answers.ts";
import { until } from "../support/poll.ts";
import { usageOf, type UsageRow } from "../support/rows.ts";
import { setUp } from "../support/setup.ts";

const setup = await setUp({
  config:
    "billing:\n  ledger: { charges: [{ target: mock/dear, margin: 50 }] }\nmodels:\n  fast: [mock/named]\n  mixed: { strategy: weighted, targets: [{ target: fast, weight: 3 }, { target: mock/other, weight: 1 }] }",
  providers: "  openai: { apiKey: sk-none }",
});
const { gateway, upstream, key } = setup;
afterAll(() => setup.stop());

let models = 0;
async function ask(model = `p-${(models += 1)}`, more: Readonly<Record<string, unknown>> = {}): Promise<UsageRow> {
  upstream.on(model, answers({ promptTokens: 1_000, completionTokens: 100 }));
  const { callId } = await call(gateway, key.key, chat(`mock/${model}`, more));
  await until("the record", () => usageOf(gateway, callId).status !== "open");
  return usageOf(gateway, callId);
}
const set = (body: object) => gateway.admin<{ id: string }>("POST", "/api/prices", body);

describe("a price that is set while the proxy serves", () => {
  test("holds from the next call on, leaves what was before, and outlives a restart", async () => {
    const before = await ask("m");
    expect(before).toMatchObject({ cost_nano: 1_200_000, price_version: expect.stringMatching(/^config:/) });
    const { id } = await set({ target: "mock/m", input: 10, output: "0.5" });
    const after = await ask("m");
    expect(after).toMatchObject({ cost_nano: 10_050_000, charge_nano: 10_050_000, price_version: `database:${id}` });
    expect(usageOf(gateway, before.call_id)).toEqual(before);
    await gateway.restart();
    expect(await ask("m")).toMatchObject({ cost_nano: 10_050_000, price_version: `database:${id}` });
  });

  test("of a later time begins at that time", async () => {
    const fromMs = Date.now() + 700;
    await set({ target: "mock/later", input: 0, output: 0, effectiveFrom: fromMs });
    expect(await ask("later")).toMatchObject({ cost_nano: 1_200_000 });
    await until("the new price", async () => (await ask("later")).cost_nano === 0);
    expect(Date.now()).toBeGreaterThanOrEqual(fromMs);
    for (const row of gateway.sql<UsageRow>("select * from v_usage where model = 'mock/later'"))
      expect(row.cost_nano).toBe((row.finished_ms ?? 0) >= fromMs ? 0 : 1_200_000);
  });

  test("of a service tier is that of the tier that the answer names", async () => {
    await set({ target: "mock/tiers", input: 1, output: 1, serviceTiers: { priority: { input: 4, output: 4 } } });
    upstream.on(
      "tiers",
      answers({
        usage: { prompt_tokens: 1_000, completion_tokens: 100, total_tokens: 1_100, service_tier: "priority" },
      }),
    );
    const { callId } = await call(gateway, key.key, chat("mock/tiers"));
    expect(usageOf(gateway, callId).cost_nano).toBe(4_400_000);
    const { notes } = await gateway.admin<{ notes: { lines: object[]; serviceTier: string } }>(
      "GET",
      `/api/calls/${callId}`,
    );
    expect(notes.serviceTier).toBe("priority");
    expect(notes.lines[0]).toEqual({ item: "input", quantity: 1_000, price: "4", tier: "priority" });
  });
});

describe("the charge", () => {
  test("follows the terms of the file, and those that are set for an account", async () => {
    expect(await ask("dear")).toMatchObject({ cost_nano: 1_200_000, charge_nano: 1_800_000 });
    // The caller is told what it is charged, not what the provider bills.
    const told = await call(gateway, key.key, chat("mock/dear"));
    expect(told.headers.get("x-llm-proxy-cost-usd")).toBe("0.001800000");
    await gateway.admin("POST", "/api/prices/charges", { account: "default", fee: "0.01" });
    const row = await ask("dear");
    expect(row).toMatchObject({ cost_nano: 1_200_000, charge_nano: 11_200_000 });
    const { notes } = await gateway.admin<{ notes: { terms: object } }>("GET", `/api/calls/${row.call_id}`);
    expect(notes.terms).toMatchObject({ fee: "0.01" });
    expect(gateway.sql("select sum(delta_nano) as n from v_ledger where call_id = ?", row.call_id)).toEqual([
      { n: -11_200_000 },
    ]);
  });
});

test("what can be called is listed: aliases with their targets, models with their facts and the price in force", async () => {
  const list = async (query: string) => {
    const page = await gateway.admin<{ data: Record<string, unknown>[]; next: string | null }>(
      "GET",
      `/api/models${query}`,
    );
    return page.data;
  };
  expect(await list("?kind=alias")).toEqual([
    { kind: "alias", id: "fast", strategy: "ordered", targets: [{ target: "mock/named" }], reaches: ["mock/named"] },
    {
      kind: "alias",
      id: "mixed",
      strategy: "weighted",
      targets: [
        { target: "fast", weight: 3 },
        { target: "mock/other", weight: 1 },
      ],
      reaches: ["mock/named", "mock/other"],
    },
  ]);
  expect(await list("?search=GPT-5-mini&provider=openai")).toContainEqual({
    kind: "model",
    id: "openai/gpt-5-mini",
    provider: "openai",
    model: "gpt-5-mini",
    vendor: "openai",
    contextWindow: expect.any(Number),
    maxOutputTokens: expect.any(Number),
    lacks: [],
    prices: expect.objectContaining({ input: "0.25", output: "2" }),
    source: "bundled",
    priceVersion: expect.any(String),
  });
  expect(await list("?provider=echo")).toMatchObject([
    { id: "echo/echo", source: null, prices: null, priceVersion: "built-in" },
  ]);
  // What has a price has one to show, under whichever of its names the price data has it.
  const priced = (await list("?provider=openai&limit=200")).filter((row) => row["priceVersion"] !== null);
  expect(priced.filter((row) => row["prices"] === null)).toEqual([]);
  const named = async () => (await list("?search=mock/named"))[0];
  expect(await named()).toMatchObject({ source: "config", prices: { input: "1", output: "2" } });
  const { id } = await set({ target: "mock/named", input: 7, output: 8 });
  await until("it is in force", async () => (await named())?.["source"] === "database");
  expect(await named()).toMatchObject({ prices: { input: "7", output: "8" }, priceVersion: `database:${id}` });
});

test("what has no price is counted by target", async () => {
  const none = await setUp({ providers: '  other: { use: openai-compatible, baseUrl: "http://127.0.0.1:9/v1" }' });
  try {
    for (let time = 0; time < 3; time += 1)
      expect((await call(none.gateway, none.key.key, chat("other/unheard-of"))).status).toBe(400);
    const { data } = await none.gateway.admin<{ data: object[] }>("GET", "/api/prices/unpriced");
    expect(data).toEqual([expect.objectContaining({ target: "other/unheard-of", asked: 3, listed: false })]);
  } finally {
    await none.stop();
  }
});
