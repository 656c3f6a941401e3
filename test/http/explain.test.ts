import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { call, chat } from "../support/clients.ts";
import { ask as askIn } from "../support/dialect-calls.ts";
import { invariants } from "../support/invariants.ts";
import { answers } from "../support/openai-answers.ts";
import { gate, until } from "../support/poll.ts";
import { json } from "../support/scripts.ts";
import { setUp } from "../support/setup.ts";

/** Why calls went as they did, asked of a real process after each of them. */

const setup = await setUp({
  dialects: ["openai-chat"],
  config: [
    "models: { falls: [mock/primary, mock-openai-chat/second, echo/echo] }",
    "limits:",
    "  - { scope: { kind: global }, requestsPerDay: 500 }",
    "server:",
    "  attempts: { max: 2, backoffMs: 1 }",
    "  breaker: { consecutive: 3, probeMs: 60000 }",
  ].join("\n"),
  key: { limits: { tokensPerDay: 1_000_000 }, budget: { usd: 1, window: "day" } },
});
const { gateway, upstream, key } = setup;
afterEach(() => invariants(setup));
afterAll(() => setup.stop());

// What it answers is for the tests to say.
type Told = ReturnType<typeof JSON.parse>;
const explained = (id: string) => gateway.admin<Told>("GET", `/api/explain/${id}`);
const ask = (model: string, more: Readonly<Record<string, unknown>> = {}) =>
  call(gateway, key.key, chat(model, { max_tokens: 100, ...more }));

const plain = { reason: null, words: null, score: null };

describe("a call that was served", () => {
  test("is explained from who asked to what was charged", async () => {
    upstream.on("well", answers({ promptTokens: 10, completionTokens: 20 }));
    const { callId, status } = await ask("mock/well");
    expect(status).toBe(200);
    const told = await explained(callId);
    expect(told).toMatchObject({
      callId,
      kind: "recorded",
      asked: { model: "mock/well", dialect: "openai-chat", operation: "chat", stream: false },
      principal: { name: "test", keyId: key.id, accountId: "default", accounts: [{ id: "default" }] },
      outcome: { status: "ok", httpStatus: 200, stage: null, code: null },
      budgets: [{ kind: "budget", scope: { kind: "key", id: key.id }, window: "day", limitNano: 1_000_000_000 }],
      limitsAbove: 0,
      budgetsAbove: 0,
      targets: [{ target: "mock/well", state: "chosen", reason: null }],
      attempts: [{ provider: "mock", upstreamModel: "well", status: 200, billed: true, fault: null }],
      settlement: { source: "provider", costNano: 50_000, chargeNano: 50_000, overHold: false },
      unknown: [],
    });
    const [budget] = told.budgets;
    expect(budget.leftNano).toBe(1_000_000_000 - budget.heldNano);
    expect(told.hold.heldNano).toBe(budget.heldNano);
    // By these lines the hold is what it is.
    const { mostInputTokens, mostOutputTokens } = told.estimate;
    expect([mostOutputTokens, told.hold.target]).toEqual([100, "mock/well"]);
    expect(told.hold.lines).toMatchObject([
      { item: "input", quantity: mostInputTokens, price: "1" },
      { item: "output", quantity: 100, price: "2" },
    ]);
    expect(mostInputTokens * 1_000 + 100 * 2_000).toBe(told.hold.heldNano);
    expect(told.limits).toMatchObject([
      { scope: { kind: "key", id: key.id }, measure: "tokens", per: "day", limit: 1_000_000 },
      { scope: { kind: "global", id: "global" }, measure: "requests", per: "day", limit: 500, left: 499 },
    ]);
    expect(told.limits[0].left).toBe(1_000_000 - told.estimate.expectedInputTokens - 100);
    expect(told.plugins.map(({ plugin }: { plugin: string }) => plugin)).toEqual(
      expect.arrayContaining(["auth/api-key", "rate-limit/token-bucket", "provider/mock"]),
    );
    const [attempt] = told.attempts;
    expect([attempt.sentMs >= 0, attempt.tookMs >= 0, attempt.tookMs < 5_000]).toEqual([true, true, true]);
    expect(told.settlement.entries).toMatchObject([{ kind: "charge", deltaNano: -50_000 }]);
    expect(told.settlement.givenBackNano).toBe(told.hold.heldNano - 50_000);
  });

  test("says which targets failed, which answered, and which nobody asked", async () => {
    upstream.on("primary", json(500, { error: { message: "down" } }));
    upstream.on("second", answers());
    const { callId, headers } = await ask("falls");
    expect(headers.get("x-llm-proxy-provider")).toBe("mock-openai-chat");
    const told = await explained(callId);
    expect(told.targets).toEqual([
      { ...plain, target: "mock/primary", state: "failed", reason: "provider_error" },
      { ...plain, target: "mock-openai-chat/second", state: "chosen" },
      { ...plain, target: "echo/echo", state: "not-asked" },
    ]);
    expect(told.attempts).toMatchObject([
      { provider: "mock", status: 500, billed: false, fault: "provider_error" },
      { provider: "mock-openai-chat", status: 200, billed: true, fault: null },
    ]);
    expect(told.attempts[1].sentMs).toBeGreaterThanOrEqual(told.attempts[0].sentMs + told.attempts[0].tookMs);
    await ask("falls");
    await ask("falls");
    const after = await explained((await ask("falls")).callId);
    expect(after.targets[0]).toMatchObject({ target: "mock/primary", state: "passed-over", reason: "breaker_open" });
    expect(after.attempts).toHaveLength(1);
  });
});

describe("a call that was refused", () => {
  test.each(["openai-chat", "openai-responses", "anthropic-messages", "gemini"] as const)(
    "says why in its body, in the shape of %s, and all of it to those above",
    async (dialect) => {
      upstream.on("primary", json(500, { error: { message: "down" } }));
      const poor = await gateway.createKey({ name: "poor", budget: { usd: 0.000001, window: "day" } });
      const slow = await gateway.createKey({ name: "slow", limits: { requestsPerHour: 1 } });
      const spent = await askIn(gateway, poor.key, dialect, { model: "mock/well" });
      upstream.on("well", answers());
      await askIn(gateway, slow.key, dialect, { model: "mock/well" });
      const limited = await askIn(gateway, slow.key, dialect, { model: "mock/well" });
      // The breaker of this one is open: see above.
      const down = await askIn(gateway, key.key, dialect, { model: "mock/primary" });
      expect([spent.status, limited.status, down.status]).toEqual([402, 429, 503]);

      const [budgets, limits, targets] = [spent, limited, down].map(({ text }) => shortIn(text));
      expect(budgets).toMatchObject({ stage: "budgets" });
      // Who calls has no way to the rest of it.
      expect(spent.text).not.toContain("/api/");
      expect(budgets?.estimate.mostInputTokens).toBeGreaterThan(budgets?.estimate.expectedInputTokens);
      expect(limits).toMatchObject({ stage: "limits", estimate: { expectedInputTokens: expect.any(Number) } });
      expect(targets).toMatchObject({
        stage: "targets",
        targets: [{ target: "mock/primary", outcome: "passed-over", code: "breaker_open" }],
      });
      expect(await explained(spent.callId)).toMatchObject({
        outcome: {
          status: "refused",
          httpStatus: 402,
          stage: "budgets",
          code: "insufficient_quota",
          limit: { scope: { kind: "key", id: poor.id }, limit: 1_000 },
        },
        budgets: null,
        settlement: { source: "none", chargeNano: null, entries: [] },
        unknown: expect.arrayContaining([{ field: "budgets", because: "the call was refused before" }]),
      });
      expect(await explained(limited.callId)).toMatchObject({
        outcome: { stage: "limits", limit: { scope: { kind: "key", id: slow.id } } },
        limits: [
          { scope: { kind: "key", id: slow.id }, measure: "requests", per: "hour", limit: 1, left: 0 },
          { scope: { kind: "global" } },
        ],
      });
      expect(await explained(down.callId)).toMatchObject({
        outcome: { status: "upstream_error", stage: "targets", code: "breaker_open" },
        targets: [{ target: "mock/primary", state: "passed-over", reason: "breaker_open" }],
        attempts: [],
      });
    },
  );
});

/** Where each dialect has it: among the details of the error. */
function shortIn(text: string): Told {
  const { details } = JSON.parse(text).error;
  return Array.isArray(details) ? details.find((one) => one["@type"].endsWith("Explain")) : details.explain;
}

describe("what is not known", () => {
  test("of a call that has not ended is said to be so", async () => {
    const release = gate();
    upstream.on("slow", async (exchange) => {
      await release.opened;
      await answers()(exchange);
    });
    const reply = ask("mock/slow");
    const open = await until("it is open", async () => gateway.sql<{ id: string }>("SELECT id FROM open_calls")[0]);
    const told = await explained(open?.id ?? "");
    expect(told).toMatchObject({ outcome: { status: "open" }, limits: null, budgets: null, settlement: null });
    expect(told.hold.heldNano).toBeGreaterThan(0);
    expect(told.unknown).toContainEqual({ field: "limits", because: "the call has not ended" });
    release.open();
    await reply;
    expect((await explained(open?.id ?? "")).unknown).toEqual([]);
  });

  test("is not found of a call that there is not", async () => {
    await expect(explained("0190a1b2-0000-7000-8000-000000000000")).rejects.toThrow("404");
  });
});

describe("a call that is not made", () => {
  const dryRun = (body: object) => gateway.admin<Told>("POST", "/api/explain", body);
  const limitsNow = async () =>
    (await gateway.admin<Told>("GET", "/api/limits")).data.flatMap(({ scope, use }: Told) =>
      (use ?? []).map(({ remaining }: Told) => [scope, remaining]),
    );
  const state = () => ({
    rows: Object.fromEntries(
      gateway
        .sql<{ name: string }>("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
        // What is folded from calls of before, a moment behind them, is not asked.
        .filter(({ name }) => !/(hourly|daily|blocks|marks)$/.test(name))
        .map(({ name }) => [name, gateway.sql(`SELECT count(*) AS n FROM "${name}"`)[0]?.["n"]]),
    ),
    budgets: gateway.sql("SELECT * FROM budget_windows"),
    sent: upstream.log.length,
  });

  test("changes nothing, whatever comes of it, and says what the call then meets", async () => {
    upstream.on("planned", answers({ promptTokens: 10, completionTokens: 20 }));
    const { id, key: secret } = await gateway.createKey({
      name: "planned",
      budget: { usd: 0.005, window: "day" },
      limits: { requestsPerDay: 2, concurrency: 1 },
    });
    const request = chat("mock/planned", { max_tokens: 1_500 });
    const limits = await limitsNow();
    const before = state();
    for (const body of [
      { keyId: id, request },
      { keyId: id, model: "falls", inputTokens: 100 },
      { keyId: id, model: "mock/planned", inputTokens: 100_000 },
      { keyId: id, model: "dead/nobody" },
      { accountId: "default", model: "echo" },
      { model: "unpriced-everywhere" },
    ])
      for (let time = 0; time < 3; time++) await dryRun(body);
    expect(state()).toEqual(before);
    expect(await limitsNow()).toEqual(limits);
    expect(limits).toContainEqual([{ kind: "global", id: "global" }, expect.any(Number)]);

    for (const left of [2, 1]) {
      const planned = await dryRun({ keyId: id, request });
      expect(planned).toMatchObject({
        callId: null,
        kind: "dry-run",
        outcome: { status: "would-pass", stage: null },
        targets: [{ target: "mock/planned", state: "chosen" }],
        settlement: null,
        unknown: [],
      });
      expect(planned.limits).toMatchObject([
        { measure: "requests", per: "day", limit: 2, left, needed: 1 },
        { measure: "concurrency", limit: 1, left: 1, needed: 1 },
        { scope: { kind: "global" }, needed: 1 },
      ]);
      const reply = await call(gateway, secret, request);
      const made = await explained(reply.callId);
      expect(reply.status).toBe(200);
      expect(made.hold).toEqual(planned.hold);
      expect(made.estimate).toEqual(planned.estimate);
      expect(made.budgets).toEqual(planned.budgets);
      expect(made.warnings).toEqual(planned.warnings);
    }
    const refused = await dryRun({ keyId: id, request });
    const reply = await call(gateway, secret, request);
    expect(refused.outcome).toMatchObject({ status: "would-refuse", httpStatus: 429, stage: "limits" });
    expect([reply.status, JSON.parse(reply.text).error.message]).toEqual([429, refused.outcome.message]);
    // One that is over is found to be so.
    await gateway.admin("DELETE", `/api/keys/${id}`);
    expect((await dryRun({ keyId: id, request })).outcome).toMatchObject({ httpStatus: 401, stage: "authentication" });
  });

  test("names the target that is left alone, and the next one that would be asked", async () => {
    const told = await dryRun({ keyId: key.id, model: "falls", inputTokens: 50, maxOutputTokens: 20 });
    expect(told.targets).toMatchObject([
      { target: "mock/primary", state: "passed-over", reason: "breaker_open" },
      { target: "mock-openai-chat/second", state: "chosen" },
      { target: "echo/echo", state: "next" },
    ]);
    expect(told.estimate.mostOutputTokens).toBe(20);
  });

  test("is refused for what it does not understand", async () => {
    for (const [body, status] of [
      [{}, 400],
      [{ model: "echo", keyId: "nobody" }, 404],
      [{ model: "echo", accountId: "nowhere" }, 404],
      [{ model: "echo", keyId: key.id, accountId: "default" }, 400],
      [{ request: { model: 3 } }, 400],
      [{ request: { model: "echo", messages: [] }, path: "/v2" }, 400],
      [{ model: "echo", headers: { "b ad": "x" } }, 400],
      [{ model: "echo", more: 1 }, 400],
    ] as const)
      await expect(dryRun(body)).rejects.toThrow(String(status));
  });
});
