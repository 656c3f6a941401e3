import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { GatewayError } from "../../core/chat/error.ts";
import type { Route } from "../../core/pipeline/models.ts";
import { AmbiguousError, OtherKeyError, RepeatableError } from "../../core/pipeline/repeatable.ts";
import { retryBudget } from "../../core/pipeline/retry-budget.ts";
import { type AttemptSettings, Tries } from "../../core/pipeline/tries.ts";
import { fakeClock } from "../contract/context.ts";

const settings: AttemptSettings = {
  max: 4,
  totalMs: 60_000,
  backoffMs: 100,
  maxWaitMs: 5_000,
  retryShare: 1,
  afterReset: false,
  afterContentFilter: false,
};
const slot = { chat: () => Promise.reject(new Error("not asked here")) } as never;
const routeOf = (count: number): Pick<Route, "targets"> => {
  const targetAt = (at: number) => ({ provider: `p${at}`, vendor: `p${at}`, model: "m", slot });
  return { targets: [targetAt(0), ...Array.from({ length: count - 1 }, (_, at) => targetAt(at + 1))] };
};

const busy = (afterMs: number | null = null) => new RepeatableError("unavailable", "busy", {}, afterMs);
const broken = new GatewayError("upstream-invalid", "the answer broke off");
const reset = new AmbiguousError("upstream-invalid", "reset");
const bad = new GatewayError("upstream-refused", "no", { status: 400 });

interface Run {
  readonly targets: number;
  readonly reasons: readonly unknown[];
  readonly change?: Partial<AttemptSettings>;
  readonly random?: () => number;
  readonly retries?: boolean;
}

/** The whole of a call whose attempts fail as told: which targets it asked, and how long it waited before each. */
function run({ targets, reasons, change = {}, random = () => 1, retries = true }: Run) {
  const clock = fakeClock();
  const call = { arrivedMs: clock.now(), attempts: [] as { provider: string }[] };
  const needs = {
    settings: { attempts: { ...settings, ...change } },
    watch: { now: clock.now },
    random,
    retries: { called: () => {}, take: () => retries, taken: 0, denied: 0 },
  };
  const tries = new Tries(call as never, routeOf(targets), needs);
  const steps = [{ at: 0, waitMs: 0 }];
  for (const reason of reasons) {
    call.attempts.push({ provider: `p${tries.at}` });
    const step = tries.after(reason);
    expect(tries.after(bad)).toBe(step);
    if (step === null) break;
    tries.take(step);
    clock.advance(step.waitMs);
    steps.push(step);
  }
  return {
    asked: steps.map(({ at }) => at),
    waits: steps.map(({ waitMs }) => waitMs),
    tookMs: clock.now() - call.arrivedMs,
  };
}

describe("the tries of a call", () => {
  test("each target once without a wait, then those that may be asked again", () => {
    expect(run({ targets: 2, reasons: Array(9).fill(busy()) })).toMatchObject({
      asked: [0, 1, 0, 1],
      waits: [0, 0, 100, 0],
    });
    expect(run({ targets: 2, reasons: [broken, busy(), busy(), busy()] }).asked).toEqual([0, 1, 1, 1]);
  });

  test("the same target at once where another key is left, and that is no retry", () => {
    const refused = new OtherKeyError("upstream-refused", "slow down", { status: 429 });
    const { asked, waits } = run({ targets: 2, reasons: [refused, refused, busy(), broken], retries: false });
    expect(asked).toEqual([0, 0, 0, 1]);
    expect(waits).toEqual([0, 0, 0, 0]);
    expect(run({ targets: 1, reasons: [refused, refused, refused, refused, refused] }).asked).toEqual([0, 0, 0, 0]);
  });

  test("waits twice as long each time, as far as the longest", () => {
    const { waits } = run({ targets: 1, reasons: Array(9).fill(busy()), change: { max: 8, maxWaitMs: 1_000 } });
    expect(waits).toEqual([0, 100, 200, 400, 800, 1_000, 1_000, 1_000]);
  });

  test("what the request is to blame for, or may have been billed, is asked nowhere again", () => {
    expect(run({ targets: 3, reasons: [bad] }).asked).toEqual([0]);
    expect(run({ targets: 1, reasons: [reset] }).asked).toEqual([0]);
    expect(run({ targets: 2, reasons: [reset, reset] }).asked).toEqual([0, 1]);
    expect(run({ targets: 1, reasons: [reset, reset], change: { afterReset: true } }).asked).toEqual([0, 0, 0]);
  });

  test("a provider's Retry-After is kept within the longest wait; beyond it the target is not asked again", () => {
    expect(run({ targets: 1, reasons: [busy(2_000)] }).waits).toEqual([0, 2_000]);
    expect(run({ targets: 1, reasons: [busy(5_001)] }).asked).toEqual([0]);
    expect(run({ targets: 2, reasons: [busy(5_001), busy(10), busy(10)] }).asked).toEqual([0, 1, 1, 1]);
  });

  test("without anything left of the budget for retries each target is asked once all the same", () => {
    expect(run({ targets: 3, reasons: Array(9).fill(busy()), retries: false }).asked).toEqual([0, 1, 2]);
  });

  test("whatever happens: no more attempts than may be, no wait out of its bounds, nothing begun too late", () => {
    const reason = fc.oneof(
      fc.option(fc.integer({ min: 0, max: 20_000 })).map((afterMs) => busy(afterMs)),
      fc.constantFrom<unknown>(broken, reset),
    );
    fc.assert(
      fc.property(
        fc.record({
          targets: fc.integer({ min: 1, max: 6 }),
          reasons: fc.array(reason, { minLength: 25, maxLength: 25 }),
          max: fc.integer({ min: 1, max: 20 }),
          totalMs: fc.integer({ min: 1, max: 20_000 }),
          chances: fc.array(fc.double({ min: 0, max: 0.999_999, noNaN: true }), { minLength: 25, maxLength: 25 }),
        }),
        ({ targets, reasons, max, totalMs, chances }) => {
          let drawn = 0;
          const random = () => chances[drawn++ % chances.length] ?? 0;
          const { asked, waits, tookMs } = run({ targets, reasons, change: { max, totalMs }, random });
          expect(asked.length).toBeLessThanOrEqual(max);
          expect(Math.max(...waits)).toBeLessThanOrEqual(settings.maxWaitMs);
          expect(Math.min(...waits)).toBeGreaterThanOrEqual(0);
          expect(tookMs).toBeLessThan(totalMs);
          const first = asked.slice(0, targets);
          expect(first).toEqual(first.map((_, at) => at));
          for (const [at, target] of asked.entries())
            if (at >= targets) expect(reasons[asked.lastIndexOf(target, at - 1)]).toBeInstanceOf(RepeatableError);
        },
      ),
    );
  });
});

describe("the budget for retries", () => {
  test("a flood of failures gets its share and no more, whatever came before", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.01, max: 1, noNaN: true }),
        fc.integer({ min: 200, max: 1_000 }),
        (share, perSecond) => {
          const clock = fakeClock();
          const budget = retryBudget(() => share, clock.now);
          const calls = perSecond * 10;
          let taken = 0;
          for (let at = 0; at < calls; at++) {
            budget.called();
            for (let more = 0; more < 3; more++) if (budget.take()) taken += 1;
            clock.advance(1_000 / perSecond);
          }
          expect(taken).toBeLessThanOrEqual(calls * share + 10 + 11);
          expect(taken).toBeGreaterThanOrEqual(Math.floor(calls * share));
        },
      ),
      { numRuns: 20 },
    );
  });

  test("good times are saved up for a bounded burst", () => {
    const clock = fakeClock();
    const budget = retryBudget(() => 0.2, clock.now);
    for (let at = 0; at < 10_000; at++) budget.called();
    let burst = 0;
    while (budget.take()) burst += 1;
    expect(burst).toBe(100);
  });

  test("with few calls one a second is always there; with a share of 0 none ever is", () => {
    const clock = fakeClock();
    const [few, none] = [retryBudget(() => 0.01, clock.now), retryBudget(() => 0, clock.now)];
    while (few.take());
    clock.advance(1_000);
    expect([few.take(), few.take()]).toEqual([true, false]);
    expect(none.take()).toBe(false);
  });
});
