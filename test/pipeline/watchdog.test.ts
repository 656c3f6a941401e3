import { afterEach, describe, expect, jest, test } from "bun:test";
import { closedHook } from "../../core/pipeline/hook.ts";
import { loopWatchdog } from "../../core/pipeline/watchdog.ts";
import { sampleMs, watchLoop } from "../../core/runtime/loop-lag.ts";

afterEach(() => void jest.useRealTimers());

function logger() {
  const lines: object[] = [];
  const ignore = () => {};
  return { lines, debug: ignore, info: ignore, error: ignore, warn: (fields: object) => void lines.push(fields) };
}

/** Blocks the loop as a plugin that computes does. */
function compute(ms: number): void {
  const endMs = performance.now() + ms;
  while (performance.now() < endMs);
}

describe("the lag of the event loop", () => {
  test("is the delay of the timer, its worst kept for the last minute", () => {
    jest.useFakeTimers();
    let nowMs = 0;
    const seen: number[] = [];
    const lag = watchLoop({ clock: () => nowMs, onSample: (ms) => void seen.push(ms) });
    // What the start takes is not asked.
    nowMs = 5_000;
    jest.advanceTimersByTime(5_000);
    expect(seen).toEqual([]);
    lag.start();
    const pass = (lateMs: number) => {
      nowMs += sampleMs + lateMs;
      jest.advanceTimersByTime(sampleMs);
    };
    pass(0);
    pass(750);
    pass(3);
    expect(seen).toEqual([0, 750, 3]);
    expect(lag.read()).toEqual({ lastMs: 3, maxMs: 750 });
    for (let passed = 0; passed < 30_000; passed += sampleMs) pass(0);
    expect(lag.read()).toEqual({ lastMs: 0, maxMs: 750 });
    for (let passed = 0; passed < 30_000; passed += sampleMs) pass(0);
    expect(lag.read()).toEqual({ lastMs: 0, maxMs: 0 });
    lag.stop();
    expect(jest.getTimerCount()).toBe(0);
  });
});

describe("a plugin that blocks the loop", () => {
  const context = (lines: ReturnType<typeof logger>) => ({ logger: lines, timings: {} });

  test("is named, once in ten seconds, whether it returns a value or a promise", () => {
    const seen = logger();
    for (let call = 0; call < 2; call++)
      void closedHook(context(seen), "auth", "computes", "authenticate", () => {
        compute(210);
        return null;
      });
    void closedHook(context(seen), "billing", "computes", "authorize", () => {
      compute(210);
      return Promise.resolve(null);
    });
    expect(seen.lines).toEqual([
      { plugin: "auth/computes", blockedMs: expect.any(Number) },
      { plugin: "billing/computes", blockedMs: expect.any(Number) },
    ]);
  });

  test("a quick one is not, and one that waits is not", async () => {
    const seen = logger();
    void closedHook(context(seen), "auth", "quick", "authenticate", () => null);
    const slow = Promise.withResolvers<null>();
    const waiting = closedHook(context(seen), "auth", "waits", "authenticate", () => slow.promise);
    slow.resolve(null);
    await waiting;
    expect(seen.lines).toEqual([]);
  });

  test("after an await it is among the hooks that were open when the loop stood still", async () => {
    const seen = logger();
    const watchdog = loopWatchdog(seen);
    watchdog(0);
    await closedHook(context(seen), "guardrail", "late", "acquire", async () => {
      await Promise.resolve();
      compute(1);
      return null;
    });
    watchdog(500);
    watchdog(900);
    expect(seen.lines).toEqual([{ lagMs: 500, hooks: expect.arrayContaining(["guardrail/late"]) }]);
    await closedHook(context(seen), "guardrail", "later", "acquire", () => Promise.resolve(null));
    watchdog(700);
    expect(seen.lines.slice(1)).toEqual([{ lagMs: 700, hooks: ["guardrail/later"] }]);
  });
});
