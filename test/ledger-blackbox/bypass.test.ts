import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { call, chat, errorOf } from "../support/clients.ts";
import { invariants } from "../support/invariants.ts";
import { answers, frames, newUpstreamId } from "../support/openai-answers.ts";
import { eachOf, gate, until } from "../support/poll.ts";
import { allBudgets, type BudgetState, usageOf } from "../support/rows.ts";
import { json, openStream, reset, taken } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";

/** Ways around a budget, or around paying for what was used. */
const price = { input: 1, output: 2 };
const setup = await setUp({
  price,
  providers: `  other: { use: openai-compatible, baseUrl: "http://127.0.0.1:1/v1" }`,
  dialects: ["openai-chat"],
  config: [
    "  - { target: mock-openai-chat/dear, input: 10, output: 20 }",
    "  - { target: mock-openai-chat/crumb, input: 0.0375, output: 0 }",
    "models:",
    "  falls: [mock/down, mock-openai-chat/dear]",
  ].join("\n"),
});
const { gateway, upstream, key } = setup;
afterAll(() => setup.stop());

const budgetOf = (id: string): BudgetState | undefined => allBudgets(gateway).find(({ scope_id }) => scope_id === id);

describe("a reservation", () => {
  afterEach(() => invariants(setup, { price }));

  test.each([
    ["without a cap", {}, 16_384],
    ["with one", { max_completion_tokens: 500 }, 500],
    ["for five candidates", { max_completion_tokens: 500, n: 5 }, 2_500],
  ])("%s is there before anything is sent, however much is left", async (_, more, outputTokens) => {
    const rich = await gateway.createKey({ budget: { usd: 1_000_000, window: "lifetime" } });
    const asked = gate();
    const released = gate();
    upstream.on("held", async (exchange) => {
      asked.open();
      await released.opened;
      await answers()(exchange);
    });
    const answered = call(gateway, rich.key, chat("mock/held", more));
    await asked.opened;
    const { held_nano: held = 0 } = budgetOf(rich.id) ?? {};
    expect(held).toBeGreaterThan(outputTokens * price.output * 1_000);
    // The rest is the input: its bytes, and what templates may add.
    expect(held).toBeLessThan((outputTokens * price.output + 2_000 * price.input) * 1_000);
    released.open();
    expect((await answered).status).toBe(200);
    expect(budgetOf(rich.id)?.held_nano).toBe(0);
  });

  test("that does not fit refuses, and nothing is sent", async () => {
    const poor = await gateway.createKey({ budget: { usd: "0.000001", window: "lifetime" } });
    upstream.on("never", answers());
    for (const more of [{}, { max_completion_tokens: 1 }, { max_completion_tokens: 1_000_000_000 }]) {
      const reply = await call(gateway, poor.key, chat("mock/never", more));
      expect(reply.status).toBe(402);
      expect(errorOf(reply.text).code).toBe("insufficient_quota");
    }
    expect(upstream.requestsFor("never")).toEqual([]);
    expect(budgetOf(poor.id)).toMatchObject({ spent_nano: 0, held_nano: 0 });
  });

  test.each(
    (["max_tokens", "max_completion_tokens", "n"] as const).flatMap((field) =>
      [-1, 0, 1.5, "100", 1e30].map((value) => ({ field, value })),
    ),
  )("of a number that is none is refused: %p", async ({ field, value }) => {
    upstream.on("odd", answers());
    const reply = await call(gateway, key.key, chat("mock/odd", { [field]: value }));
    expect([reply.status, errorOf(reply.text).param]).toEqual([400, field]);
    expect(upstream.requestsFor("odd")).toEqual([]);
  });

  test.each(["MODEL", "Max_Tokens", "Max_Completion_Tokens", "N", "Stream", "WEB_SEARCH_OPTIONS", "Enable_Search"])(
    "or past which a provider reads %s is refused",
    async (field) => {
      upstream.on("odd", answers());
      const reply = await call(gateway, key.key, chat("mock/odd", { max_tokens: 5, [field]: 99_999 }));
      expect([reply.status, errorOf(reply.text).param]).toEqual([400, field]);
      expect(upstream.requestsFor("odd")).toEqual([]);
    },
  );
});

describe("a provider that fails", () => {
  afterEach(() => invariants(setup, { price }));
  const broken = [
    ["a reset", (id: string) => id],
    ["an error in the stream", () => 'data: {"error":{"message":"busy","type":"server_error"}}\n\n'],
  ] as const;

  test.each(
    broken.flatMap(([what, last]) =>
      [0, 1, 500].flatMap((events) => [false, true].map((told) => ({ what, last, events, told }))),
    ),
  )(
    "is paid for what it told, and for nothing else: $what after $events events, usage told: $told",
    async ({ what, last, events, told }) => {
      const model = `fails-${what.length}-${events}-${told}`;
      upstream.on(model, async (exchange) => {
        const id = newUpstreamId();
        // Else it has not said it.
        if (events > 0 || told) exchange.upstreamId = id;
        const all = frames(id, { text: "word ".repeat(600), promptTokens: 11, completionTokens: 7 }, true);
        const usage = all.at(-2) ?? "";
        const stream = await openStream(exchange);
        await stream.send(`${all.slice(0, events).join("")}${told ? usage : ""}`);
        await taken();
        if (what === "a reset") return exchange.reset();
        await stream.send(last(id));
        await stream.end();
      });
      const reply = await call(gateway, key.key, chat(`mock/${model}`, { stream: true }));
      const row = usageOf(gateway, reply.callId);
      expect(row.status).toBe("upstream_error");
      if (told)
        expect(row).toMatchObject({ source: "provider", input_tokens: 11, output_tokens: 7, cost_nano: 25_000 });
      else expect(row).toMatchObject({ source: "none", cost_nano: 0, input_tokens: null });
    },
  );
});

describe("a fallback", () => {
  test("before the first byte is billed at the price of who answered, the attempts in one record", async () => {
    upstream.on("down", json(503, { error: { message: "down" } }));
    upstream.on("dear", answers({ promptTokens: 100, completionTokens: 10 }));
    for (const stream of [false, true]) {
      const reply = await call(gateway, key.key, chat("falls", { stream }));
      expect(reply.status).toBe(200);
      expect(usageOf(gateway, reply.callId)).toMatchObject({ provider: "mock-openai-chat", cost_nano: 1_200_000 });
      const attempts = gateway.sql(
        "select n, status, billed from v_attempts where call_id = ? order by n",
        reply.callId,
      );
      expect(attempts).toEqual([
        { n: 1, status: 503, billed: 0 },
        { n: 2, status: 200, billed: 1 },
      ]);
    }
  });

  test("after the first byte there is none: an error event, and no other target is asked", async () => {
    const before = upstream.requestsFor("dear").length;
    upstream.on("down", async (exchange) => {
      const id = (exchange.upstreamId = newUpstreamId());
      await (await openStream(exchange)).send(frames(id).slice(0, 2).join(""));
      await taken();
      await reset(exchange);
    });
    const reply = await call(gateway, key.key, chat("falls", { stream: true }));
    expect(reply.text).toContain('"error"');
    expect(reply.text).not.toContain("[DONE]");
    expect(usageOf(gateway, reply.callId)).toMatchObject({ provider: "mock", status: "upstream_error", cost_nano: 0 });
    expect(upstream.requestsFor("dear").length).toBe(before);
  });
});

test("a crumb of a cent is a whole nano-USD each time, and the sum is exact", async () => {
  const count = 300;
  upstream.on("crumb", answers({ promptTokens: 1, completionTokens: 0 }));
  await eachOf(
    Array.from({ length: count }, (_, at) => at),
    16,
    () => call(gateway, key.key, chat("mock-openai-chat/crumb")),
  );
  await until("the records", () => gateway.sql("select 1 from v_usage where status = 'open'").length === 0);
  const sums = gateway.sql(
    `select count(*) as calls, sum(cost_nano) as cost, min(cost_nano) as least, max(cost_nano) as most,
       group_concat(distinct typeof(cost_nano)) as types from v_usage where model = 'mock-openai-chat/crumb'`,
  );
  // 0.0375 USD per million: 37.5 nano-USD.
  expect(sums).toEqual([{ calls: count, cost: count * 38, least: 38, most: 38, types: "integer" }]);
});

test("a model without a price is refused, with a budget and without", async () => {
  const budgeted = await gateway.createKey({ budget: { usd: 100, window: "day" } });
  for (const { key: secret } of [budgeted, key]) {
    const reply = await call(gateway, secret, chat("other/unheard-of"));
    expect([reply.status, errorOf(reply.text).code]).toEqual([400, "unpriced_model"]);
    expect(usageOf(gateway, reply.callId)).toMatchObject({ status: "refused", cost_nano: null });
  }
});
