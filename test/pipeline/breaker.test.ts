import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { GatewayError } from "../../core/chat/error.ts";
import { type BreakerSettings, type Breakers, targetBreakers, verdictOf } from "../../core/pipeline/breaker.ts";
import { fakeClock } from "../contract/context.ts";

const settings: BreakerSettings = {
  enabled: true,
  consecutive: 5,
  errorShare: 0.5,
  minCalls: 20,
  windowMs: 10_000,
  probeMs: 1_000,
  providers: {},
};
const target = { provider: "p", vendor: "p", model: "m" };
const other = { ...target, model: "n" };

function world(change: Partial<BreakerSettings> = {}) {
  const clock = fakeClock();
  const own: BreakerSettings = { ...settings, ...change };
  return { clock, settings: own, breakers: targetBreakers(own, clock.now) };
}

/** `null`: it was not asked. What was said of it before must come true. */
function ask(breakers: Breakers, verdict: "ok" | "failed" | "unknown", of = target): boolean | null {
  const foreseen = breakers.leavesAlone(of);
  try {
    const isProbe = breakers.enter(of);
    if (foreseen) throw new TypeError("it was said to be left alone");
    breakers.ended(of, isProbe, verdict, "it said no");
    return isProbe;
  } catch (error) {
    if (!foreseen || error instanceof TypeError) throw error;
    return null;
  }
}
const times = (count: number, run: () => unknown) => Array.from({ length: count }, run);

describe("a breaker", () => {
  test("a provider may have its own, as far as it says so, and a change holds at once", () => {
    const providers: Record<string, Partial<BreakerSettings>> = { p: { consecutive: 2 } };
    const { breakers } = world({ providers });
    times(2, () => ask(breakers, "failed"));
    expect(ask(breakers, "ok")).toBeNull();
    const elsewhere = { ...target, provider: "q" };
    times(2, () => ask(breakers, "failed", elsewhere));
    expect(ask(breakers, "ok", elsewhere)).toBe(false);
    providers["q"] = { enabled: false };
    times(20, () => ask(breakers, "failed", elsewhere));
    expect(ask(breakers, "ok", elsewhere)).toBe(false);
  });

  test("that is open when it is turned off leaves nobody alone and is told of no more, for all or for one provider", () => {
    const off: ((settings: BreakerSettings) => BreakerSettings)[] = [
      (before) => Object.assign(before, { enabled: false }),
      (before) => Object.assign(before, { providers: { p: { enabled: false } } }),
    ];
    for (const turnOff of off) {
      const { breakers, settings: own } = world();
      times(5, () => ask(breakers, "failed"));
      expect(ask(breakers, "ok")).toBeNull();
      turnOff(own);
      expect(breakers.list()).toEqual([]);
      times(20, () => expect(ask(breakers, "failed")).toBe(false));
      // And once it is on again it begins anew.
      Object.assign(own, { enabled: true, providers: {} });
      times(4, () => expect(ask(breakers, "failed")).toBe(false));
      expect(breakers.list()).toMatchObject([{ state: "closed", consecutiveFailures: 4 }]);
    }
  });

  test("keeps nothing of targets that do not fail", () => {
    const { breakers } = world();
    times(100, () => ask(breakers, "ok"));
    ask(breakers, "unknown");
    expect(breakers.list()).toEqual([]);
  });

  test("opens after so many failures in a row, and for that target alone", () => {
    const { breakers } = world();
    times(4, () => ask(breakers, "failed"));
    expect(ask(breakers, "ok")).toBe(false);
    times(5, () => ask(breakers, "failed"));
    expect(ask(breakers, "ok")).toBeNull();
    expect(ask(breakers, "ok", other)).toBe(false);
    expect(breakers.list()).toMatchObject([{ provider: "p", model: "m", state: "open", reason: "it said no" }]);
    expect([breakers.opened, breakers.skipped]).toEqual([1, 1]);
  });

  test("opens at a share of failures, but not of a few calls, nor of those long ago", () => {
    const { breakers, clock } = world({ consecutive: 1_000 });
    times(9, () => (ask(breakers, "failed"), ask(breakers, "ok")));
    expect(breakers.list()[0]?.state).toBe("closed");
    clock.advance(10_001);
    times(9, () => (ask(breakers, "failed"), ask(breakers, "ok")));
    expect(breakers.list()[0]?.state).toBe("closed");
    times(2, () => ask(breakers, "failed"));
    expect(breakers.list()[0]?.state).toBe("open");
  });

  test("says honestly when to come back, and why", () => {
    const { breakers, clock } = world({ probeMs: 7_000 });
    times(5, () => ask(breakers, "failed"));
    clock.advance(1_500);
    let thrown: unknown;
    try {
      breakers.enter(target);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(GatewayError);
    expect(thrown).toMatchObject({
      status: 503,
      details: {
        code: "breaker_open",
        retryAfterSeconds: 6,
        breaker: { provider: "p", model: "m", reason: "it said no", nextProbe: clock.now() + 5_500 },
      },
    });
  });

  test("lets one call through to see; it closes when that goes well", () => {
    const { breakers, clock } = world();
    times(5, () => ask(breakers, "failed"));
    clock.advance(1_000);
    expect(breakers.enter(target)).toBe(true);
    expect(ask(breakers, "ok")).toBeNull();
    expect(breakers.list()[0]?.state).toBe("half-open");
    breakers.ended(target, true, "failed", "still");
    expect(ask(breakers, "ok")).toBeNull();
    clock.advance(1_000);
    expect(ask(breakers, "ok")).toBe(true);
    expect(ask(breakers, "ok")).toBe(false);
    expect(breakers.list()).toEqual([]);
  });

  test("is not closed by calls from before it opened, nor kept open for ever by a probe that hangs", () => {
    const { breakers, clock } = world();
    times(5, () => ask(breakers, "failed"));
    breakers.ended(target, false, "ok");
    expect(breakers.list()[0]?.state).toBe("open");
    clock.advance(1_000);
    expect(breakers.enter(target)).toBe(true);
    clock.advance(4_999);
    expect(ask(breakers, "ok")).toBeNull();
    clock.advance(1);
    expect(ask(breakers, "ok")).toBe(true);
  });

  test("that is off opens never", () => {
    const { breakers } = world({ enabled: false });
    times(100, () => ask(breakers, "failed"));
    expect(ask(breakers, "ok")).toBe(false);
  });

  test("whatever names clients make up, only so many are kept", () => {
    const { breakers } = world();
    for (let at = 0; at < 3_000; at++) ask(breakers, "failed", { ...target, model: `m${at}` });
    expect(breakers.list()).toHaveLength(1_000);
  });

  test("of a target that is dead, hardly a call reaches it: at most one a second, and it is back at once when that works", () => {
    const step = fc.record({ gapMs: fc.integer({ min: 0, max: 400 }), verdict: fc.constantFrom("failed", "unknown") });
    fc.assert(
      fc.property(fc.array(step, { minLength: 50, maxLength: 400 }), (steps) => {
        const { breakers, clock } = world();
        times(5, () => ask(breakers, "failed"));
        const asked: number[] = [];
        for (const { gapMs, verdict } of steps) {
          clock.advance(gapMs);
          if (ask(breakers, verdict) !== null) asked.push(clock.now());
        }
        for (const [at, ms] of asked.entries())
          if (at > 0) expect(ms - (asked[at - 1] ?? 0)).toBeGreaterThanOrEqual(1_000);
        clock.advance(1_000);
        expect([ask(breakers, "ok"), ask(breakers, "ok")]).toEqual([true, false]);
      }),
      { numRuns: 100 },
    );
  });
});

describe("what a failure says of its target", () => {
  const cases: readonly [GatewayError | Error, string][] = [
    [new GatewayError("upstream-refused", "no", { status: 400 }), "ok"],
    [new GatewayError("upstream-refused", "slow", { status: 429 }), "unknown"],
    [new GatewayError("upstream-invalid", "500", { code: "provider_error" }), "failed"],
    [new GatewayError("upstream-invalid", "431", { code: "provider_refused" }), "unknown"],
    [new GatewayError("upstream-timeout", "silence"), "failed"],
    [new GatewayError("unavailable", "busy", { code: "provider_overloaded" }), "failed"],
    [new GatewayError("unavailable", "ours", { code: "overloaded" }), "unknown"],
    [new GatewayError("upstream-invalid", "key", { code: "provider_credential" }), "unknown"],
    [new GatewayError("upstream-invalid", "left", { code: "client_left" }), "unknown"],
    [new Error("a mistake of ours"), "unknown"],
  ];
  for (const [error, verdict] of cases)
    test(`${error.message}: ${verdict}`, () => expect(verdictOf(error)).toBe(verdict as never));
});
