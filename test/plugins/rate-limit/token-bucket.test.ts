import { describe, expect, test } from "bun:test";
import { GatewayError, type Limit, type Limits, noUsage, type OwnScope } from "llm-proxy/plugin";
import type { Counter } from "../../../plugins/rate-limit/counter.ts";
import plugin, { tokenBucket } from "../../../plugins/rate-limit/token-bucket.ts";
import { fakeClock, fakeContext, setUp } from "../../contract/context.ts";
import { testRateLimit } from "../../contract/rate-limit.ts";
import { aClaim } from "../../contract/samples.ts";

testRateLimit((clocks) => setUp(plugin, {}, { ...fakeContext(), ...clocks }));

const limit = (measure: Limit["measure"], amount: number, scope: Limit["scope"] = { kind: "key", id: "a" }): Limit => ({
  measure,
  amount,
  scope,
});
const bench = () => {
  const clock = fakeClock();
  const counters = new Map<string, Counter>();
  const { acquire } = tokenBucket({ now: clock.now, elapsed: clock.now }, counters);
  const passes = (limits: readonly Limit[], expectedTokens = 1) => {
    try {
      return acquire(aClaim({ expectedTokens }), limits);
    } catch (error) {
      if (error instanceof GatewayError) return error;
      throw error;
    }
  };
  return { clock, counters, acquire, passes };
};
const refusal = (outcome: unknown): GatewayError => {
  if (outcome instanceof GatewayError) return outcome;
  throw new Error("expected a refusal");
};

describe("token-bucket", () => {
  test("60 a minute and 1,000 at once: exactly 60 pass, and then one each second", () => {
    const { clock, passes } = bench();
    const burst = () =>
      Array.from({ length: 1_000 }, () => passes([limit("requests", 60)])).filter(
        (outcome) => !(outcome instanceof GatewayError),
      ).length;
    expect(burst()).toBe(60);
    clock.advance(999);
    expect(burst()).toBe(0);
    clock.advance(1);
    expect(burst()).toBe(1);
    clock.advance(10_000);
    expect(burst()).toBe(10);
    clock.advance(3_600_000);
    expect(burst()).toBe(60);
  });

  test("answers without a promise", () => {
    expect(bench().passes([limit("requests", 1)])).not.toBeInstanceOf(Promise);
  });

  test("a fractional clock counts in whole milliseconds", () => {
    const { acquire } = tokenBucket({ now: () => 1_800_000_000_000, elapsed: () => 5.7 });
    acquire(aClaim(), [limit("requests", 1)]);
    expect(() => acquire(aClaim(), [limit("requests", 1)])).toThrow("Try again in 60 s");
  });

  test("two limits of one scope and measure are the smaller, and share what is counted", () => {
    const { passes } = bench();
    expect(passes([limit("requests", 2), limit("requests", 3), limit("requests", 2)])).not.toBeInstanceOf(GatewayError);
    expect(passes([limit("requests", 3)])).not.toBeInstanceOf(GatewayError);
    expect(refusal(passes([limit("requests", 3), limit("requests", 2)])).details.limit?.limit).toBe(2);
    expect(passes([limit("requests", 3)])).not.toBeInstanceOf(GatewayError);
  });

  test("of several limits that refuse, the one with the longest wait is named", () => {
    const { passes } = bench();
    const limits = [limit("concurrency", 1), limit("requests", 1), limit("tokens", 2)];
    passes(limits, 2);
    const { details } = refusal(passes(limits, 1));
    expect(details).toMatchObject({ retryAfterSeconds: 60, limit: { measure: "requests", limit: 1, needed: 1 } });
  });

  test("a refusal tells what is used, what is held and when all is free", () => {
    const { clock, acquire, passes } = bench();
    const limits = [limit("tokens", 1_000, { kind: "account", id: "team" })];
    acquire(aClaim({ expectedTokens: 300 }), limits);
    const ended = acquire(aClaim({ expectedTokens: 500 }), limits);
    void ended.settle({
      usage: { ...noUsage, inputTokens: 200, outputTokens: 250, reasoningTokens: 100 },
      chargeNano: 0,
    });
    const error = refusal(passes(limits, 400));
    expect(error.message).toBe("The limit of 1000 tokens a minute for this account is reached. Try again in 9 s.");
    expect(error.details).toMatchObject({
      retryAfterSeconds: 9,
      limit: {
        scope: { kind: "account", id: "team" },
        measure: "tokens",
        limit: 1_000,
        used: 450,
        held: 300,
        needed: 400,
        resetsAt: clock.now() + 45_000,
      },
    });
  });

  test("what can never pass says so, and is not worth another try", () => {
    const error = refusal(bench().passes([limit("tokens", 1_000)], 1_001));
    expect(error.message).toBe(
      "This call needs 1001 tokens, and the limit is 1000 tokens a minute for this key: it can never pass.",
    );
    expect(error.details.shouldRetry).toBe(false);
  });

  test("a long call that reserved too much does not make room twice", () => {
    const { clock, acquire, passes } = bench();
    const limits = [limit("tokens", 1_000)];
    const long = Array.from({ length: 10 }, () => acquire(aClaim({ expectedTokens: 100 }), limits));
    clock.advance(60_000);
    acquire(aClaim({ expectedTokens: 1_000 }), limits);
    for (const hold of long) void hold.settle({ usage: noUsage, chargeNano: 0 });
    expect(passes(limits)).toBeInstanceOf(GatewayError);
  });

  test("what 100,000 keys left behind goes as others come", () => {
    const { clock, counters, acquire } = bench();
    const one = (id: string) => {
      const hold = acquire(aClaim(), [limit("requests", 60, { kind: "key", id })]);
      void hold.settle({ usage: noUsage, chargeNano: 0 });
    };
    for (let key = 0; key < 100_000; key++) one(`key-${key}`);
    expect(counters.size).toBe(100_000);
    clock.advance(60_000);
    for (let key = 0; key < 100_000; key++) one(`other-${key}`);
    expect(counters.size).toBeLessThan(110_000);
  });

  test("keeps no more counters than about twice those in use", () => {
    const { clock, counters, acquire } = bench();
    for (let call = 0; call < 50_000; call++) {
      const scope = { kind: "key", id: `key-${call}` } as const;
      void acquire(aClaim({ expectedTokens: 1 }), [
        limit("requests", 60, scope),
        limit("concurrency", 2, scope),
      ]).settle({ usage: noUsage, chargeNano: 0 });
      clock.advance(10);
    }
    // One request at 60 a minute drains in a second: 100 keys are in use at any time, with two counters each.
    expect(counters.size).toBeLessThan(600);
  });

  test.each<[object, { scope: OwnScope; limits: Limits; enforce: boolean }]>([
    [{}, { scope: "key", limits: {}, enforce: true }],
    [
      { scope: "global", requestsPerMinute: 600, tokensPerMinute: 200_000, concurrency: 50 },
      { scope: "global", limits: { requestsPerMinute: 600, tokensPerMinute: 200_000, concurrency: 50 }, enforce: true },
    ],
    [
      { scope: "model", enforce: false, usdPerHour: "2.5", requestsPerDay: 9 },
      { scope: "model", limits: { usdPerHour: "2.5", requestsPerDay: 9 }, enforce: false },
    ],
  ])("%j: shows its own limits to core", async (options, own) => {
    expect((await setUp(plugin, options, fakeContext())).own).toEqual(own);
  });

  test.each([
    { requestsPerMinute: 0 },
    { tokensPerMinute: 1.5 },
    { concurrency: -1 },
    { concurrency: "5" },
    { usdPerDay: 0 },
    { usdPerDay: "0.0" },
    { usdPerDay: "1e3" },
    { requestsPerWeek: 5 },
    { scope: "team" },
    { rpm: 5 },
  ])("%j is refused", async (options) => {
    const error = await setUp(plugin, options, fakeContext()).catch((thrown: unknown) => thrown);
    expect(String(error)).toContain("rate-limit token-bucket");
  });
});
