import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { periods } from "llm-proxy/plugin";
import { RateBucket } from "../../../plugins/rate-limit/gcra.ts";

const startMs = 1_800_000_000_000;
const unit = 60_000;

/** What the bucket's level must be: each share counted from its start with what it came to, its excess from its end. */
interface Entry {
  readonly atMs: number;
  units: number;
}
function levelOf(entries: readonly Entry[], amount: number, nowMs: number): number {
  let level = 0;
  let atMs = startMs;
  for (const entry of entries.toSorted((a, b) => a.atMs - b.atMs)) {
    level = Math.max(0, level - (entry.atMs - atMs) * amount) + entry.units;
    atMs = entry.atMs;
  }
  return Math.max(0, level - (nowMs - atMs) * amount);
}

describe("RateBucket", () => {
  const amounts = fc.constantFrom(1, 7, 60, 1_000, 999_983);
  const pauses = fc.oneof(fc.nat(50), fc.nat(5_000), fc.nat(90_000));

  test("in any time of s periods at most amount × (1 + s) pass, and at each moment as many as that allows", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(1, 7, 60, 211),
        fc.constantFrom(...Object.values(periods)),
        fc.array(fc.tuple(pauses, fc.integer({ min: 1, max: 100 })), { maxLength: 40 }),
        (amount, periodMs, arrivals) => {
          const bucket = new RateBucket(amount, startMs, periodMs);
          const passedAtMs: number[] = [];
          let nowMs = startMs;
          for (const [pauseMs, calls] of arrivals) {
            nowMs += Math.floor((pauseMs * periodMs) / 60_000);
            for (let call = 0; call < calls; call++) {
              const passed = passedAtMs.map((atMs) => ({ atMs, units: periodMs }));
              const fits = levelOf(passed, amount, nowMs) + periodMs <= amount * periodMs;
              expect(bucket.waitMs(1, amount, nowMs) === 0).toBe(fits);
              if (!fits) break;
              bucket.take(1)(1, nowMs);
              passedAtMs.push(nowMs);
            }
          }
          for (let first = 0; first < passedAtMs.length; first++)
            for (let last = first; last < passedAtMs.length; last++) {
              const spanMs = (passedAtMs[last] ?? 0) - (passedAtMs[first] ?? 0);
              expect((last - first + 1) * periodMs).toBeLessThanOrEqual(amount * (periodMs + spanMs));
            }
        },
      ),
      { numRuns: 50 },
    );
  });

  test("nano-USD a day stay exact to a part in a million, however many calls", () => {
    const periodMs = periods.day;
    const amount = 123_456_789_012_345;
    const bucket = new RateBucket(amount, startMs, periodMs);
    let taken = 0;
    for (let call = 0; call < 20_000; call++) {
      const nano = 1_000_003 * ((call % 97) + 1);
      if (bucket.waitMs(nano, amount, startMs) > 0) break;
      bucket.take(nano)(nano, startMs);
      taken += nano;
    }
    expect(Math.abs(bucket.state().used - taken)).toBeLessThanOrEqual(1);
    expect(bucket.waitMs(0, amount, startMs + periodMs)).toBe(0);
    expect(bucket.idle(startMs + periodMs)).toBe(true);
  });

  test("whatever shares turn out to be, and whenever, the level is as if they had been taken so", () => {
    const percent = fc.oneof(fc.nat(10), fc.nat(60));
    const step = fc.record({ pauseMs: pauses, taken: percent, ends: fc.nat(), actual: percent, takes: fc.boolean() });
    fc.assert(
      fc.property(amounts, fc.array(step, { minLength: 30, maxLength: 60 }), (amount, steps) => {
        const bucket = new RateBucket(amount, startMs);
        const entries: Entry[] = [];
        const open: { readonly end: ReturnType<RateBucket["take"]>; readonly entry: Entry }[] = [];
        let nowMs = startMs;
        for (const { pauseMs, ends, takes, ...percents } of steps) {
          nowMs += pauseMs;
          const count = Math.round((amount * percents.taken) / 100);
          const actual = Math.round((amount * percents.actual) / 100);
          if (takes && bucket.waitMs(count, amount, nowMs) === 0) {
            const entry = { atMs: nowMs, units: count * unit };
            entries.push(entry);
            open.push({ end: bucket.take(count), entry });
          } else if (open.length > 0) {
            const [share] = open.splice(ends % open.length, 1);
            share?.end(actual, nowMs);
            const taken = share?.entry.units ?? 0;
            if (share) share.entry.units = Math.min(taken, actual * unit);
            entries.push({ atMs: nowMs, units: Math.max(0, actual * unit - taken) });
          }
          bucket.waitMs(0, amount, nowMs);
          const level = levelOf(entries, amount, nowMs);
          const { used, held, resetMs } = bucket.state();
          expect(used + held).toBe(Math.ceil(level / unit));
          expect(resetMs).toBe(Math.ceil(level / amount));
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test("the wait it names is enough, and one millisecond less is not", () => {
    fc.assert(
      fc.property(amounts, fc.nat(100_000), fc.integer({ min: 1, max: 1_000_000 }), (amount, pauseMs, wanted) => {
        const bucket = new RateBucket(amount, startMs);
        bucket.take(amount);
        const nowMs = startMs + pauseMs;
        const count = Math.min(amount, wanted);
        const waitMs = bucket.waitMs(count, amount, nowMs);
        if (waitMs > 0) expect(bucket.waitMs(count, amount, nowMs + waitMs - 1)).toBe(1);
        expect(bucket.waitMs(count, amount, nowMs + waitMs)).toBe(0);
      }),
    );
  });

  test("does not drift: a million calls at exactly the rate all pass, and none in between", () => {
    const bucket = new RateBucket(7, startMs);
    for (let call = 0; call < 7; call++) bucket.take(1)(1, startMs);
    let passed = 0;
    for (let call = 1; call <= 1_000_000; call++) {
      const nowMs = startMs + Math.ceil((call * 60_000) / 7);
      if (bucket.waitMs(1, 7, nowMs - 1) === 0) break;
      if (bucket.waitMs(1, 7, nowMs) !== 0) break;
      bucket.take(1)(1, nowMs);
      passed += 1;
    }
    expect(passed).toBe(1_000_000);
  });

  test("a clock that steps back locks nobody out, and one that steps forward refills once", () => {
    const bucket = new RateBucket(60, startMs);
    const burst = (nowMs: number) => {
      let passed = 0;
      for (; bucket.waitMs(1, 60, nowMs) === 0; passed++) bucket.take(1)(1, nowMs);
      return passed;
    };
    expect(burst(startMs)).toBe(60);
    expect(burst(startMs - 3_600_000)).toBe(0);
    expect(burst(startMs - 3_600_000 + 60_000)).toBe(60);
    expect(burst(startMs + 3_600_000)).toBe(60);
    expect(burst(startMs + 3_600_000)).toBe(0);
  });

  test("goes on when the operator changes the amount", () => {
    const bucket = new RateBucket(60, startMs);
    bucket.take(60)(60, startMs);
    expect(bucket.waitMs(1, 61, startMs)).toBe(0);
    expect(bucket.waitMs(1, 30, startMs)).toBe((31 * 60_000) / 30);
  });

  test("is idle again when all has drained and ended", () => {
    const bucket = new RateBucket(60, startMs);
    const end = bucket.take(60);
    expect(bucket.idle(startMs + 60_000)).toBe(false);
    end(60, startMs + 60_000);
    expect(bucket.idle(startMs + 60_000)).toBe(true);
  });
});
