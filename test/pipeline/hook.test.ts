import { afterEach, describe, expect, jest, test } from "bun:test";
import { GatewayError } from "llm-proxy/plugin";
import { closedHook, type HookContext } from "../../core/pipeline/hook.ts";

interface Context extends HookContext {
  readonly errors: string[];
}
function context(): Context {
  const errors: string[] = [];
  const ignore = () => {};
  return {
    errors,
    timings: {},
    logger: {
      debug: ignore,
      info: ignore,
      warn: ignore,
      error: (fields, message) => void errors.push(JSON.stringify({ ...fields, message })),
    },
  };
}
afterEach(() => void jest.useRealTimers());

describe("a hook that fails closed", () => {
  test("hands back what it is given, a plain value as it is", async () => {
    const seen = context();
    expect(closedHook(seen, "auth", "one", () => 5)).toBe(5);
    expect(await closedHook(seen, "auth", "one", async () => 6)).toBe(6);
    expect(await closedHook(seen, "auth", "one", () => null)).toBeNull();
    expect(seen.errors).toEqual([]);
    expect(seen.timings["auth/one"]).toBeGreaterThanOrEqual(0);
  });

  test("a plain value costs no timer", () => {
    jest.useFakeTimers();
    expect(closedHook(context(), "rate-limit", "one", () => 5)).toBe(5);
    expect(jest.getTimerCount()).toBe(0);
  });

  test("a promise in time leaves no timer behind", async () => {
    const ended = closedHook(context(), "rate-limit", "one", async () => 5);
    expect(await ended).toBe(5);
    jest.useFakeTimers();
    expect(jest.getTimerCount()).toBe(0);
  });

  const bad = () => {
    throw new Error("connection to redis://user:secret@host refused");
  };
  test.each([
    ["throws", bad],
    ["rejects", () => Promise.resolve().then(bad)],
  ] as const)("one that %s refuses with 503, and says why in the log only", async (_, run) => {
    const seen = context();
    const error = await failure(() => closedHook(seen, "rate-limit", "redis", run));
    expect(error).toMatchObject({ kind: "unavailable", status: 503, details: { retryAfterSeconds: 5 } });
    expect(String(error)).not.toContain("secret");
    expect(seen.errors).toHaveLength(1);
    expect(seen.errors[0]).toContain("rate-limit/redis");
  });

  test.each([
    ["throws", (error: Error) => () => raise(error)],
    ["rejects with", (error: Error) => () => Promise.reject(error)],
  ] as const)("a refusal that it %s is the plugin's own word", async (_, make) => {
    const seen = context();
    const refusal = new GatewayError("rate-limited", "slow down", { retryAfterSeconds: 3 });
    expect(await failure(() => closedHook(seen, "rate-limit", "one", make(refusal)))).toBe(refusal);
    expect(seen.errors).toEqual([]);
  });

  test("one that hangs is let go after 5 s", async () => {
    jest.useFakeTimers();
    const seen = context();
    const ended = failure(() => closedHook(seen, "billing", "slow", () => new Promise<number>(() => {})));
    await Promise.resolve();
    jest.advanceTimersByTime(4_999);
    expect(seen.errors).toEqual([]);
    jest.advanceTimersByTime(1);
    expect(await ended).toMatchObject({ kind: "unavailable" });
    expect(seen.errors[0]).toContain("billing/slow");
    expect(jest.getTimerCount()).toBe(0);
  });

  test("what it does after that is nobody's business: a late rejection is handled", async () => {
    jest.useFakeTimers();
    const late = Promise.withResolvers<number>();
    const ended = failure(() => closedHook(context(), "auth", "slow", () => late.promise));
    await Promise.resolve();
    jest.advanceTimersByTime(5_000);
    expect(await ended).toMatchObject({ kind: "unavailable" });
    // The run fails on a rejection that nobody handles.
    late.reject(new Error("too late"));
  });

  test("what it grants after that is handed on to be given back, and nothing else is", async () => {
    jest.useFakeTimers();
    const late = Promise.withResolvers<string>();
    const given: string[] = [];
    const giveBack = (value: string) => void given.push(value);
    const ended = failure(() => closedHook(context(), "rate-limit", "slow", () => late.promise, giveBack));
    await Promise.resolve();
    jest.advanceTimersByTime(5_000);
    expect(await ended).toMatchObject({ kind: "unavailable" });
    expect(given).toEqual([]);
    late.resolve("a hold");
    await late.promise;
    await Promise.resolve();
    expect(given).toEqual(["a hold"]);
    jest.useRealTimers();
    expect(await closedHook(context(), "rate-limit", "quick", async () => "a hold in time", giveBack)).toBe(
      "a hold in time",
    );
    expect(given).toEqual(["a hold"]);
  });

  test("timings of several calls of one instance add up", async () => {
    const seen = context();
    await closedHook(seen, "auth", "one", async () => 1);
    const first = seen.timings["auth/one"] ?? 0;
    await closedHook(seen, "auth", "one", async () => 1);
    expect(seen.timings["auth/one"]).toBeGreaterThan(first);
    expect(Object.keys(seen.timings)).toEqual(["auth/one"]);
  });
});

function raise(error: Error): never {
  throw error;
}

async function failure(work: () => unknown): Promise<unknown> {
  try {
    await work();
    return null;
  } catch (error) {
    return error;
  }
}
