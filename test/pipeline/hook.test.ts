import { afterEach, describe, expect, jest, test } from "bun:test";
import { GatewayError } from "llm-proxy/plugin";
import { talliesOf } from "../../core/plugin/hook-tally.ts";
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
    expect(closedHook(seen, "auth", "one", "authenticate", () => 5)).toBe(5);
    expect(await closedHook(seen, "auth", "one", "authenticate", async () => 6)).toBe(6);
    expect(await closedHook(seen, "auth", "one", "authenticate", () => null)).toBeNull();
    expect(seen.errors).toEqual([]);
    expect(seen.timings["auth/one"]).toBeGreaterThanOrEqual(0);
  });

  test("a plain value costs no timer", () => {
    jest.useFakeTimers();
    expect(closedHook(context(), "rate-limit", "one", "acquire", () => 5)).toBe(5);
    expect(jest.getTimerCount()).toBe(0);
  });

  test("a promise in time leaves no timer behind", async () => {
    const ended = closedHook(context(), "rate-limit", "one", "acquire", async () => 5);
    expect(await ended).toBe(5);
    jest.useFakeTimers();
    expect(jest.getTimerCount()).toBe(0);
  });

  test.each([
    ["throws", bad],
    ["rejects", () => Promise.resolve().then(bad)],
  ] as const)("one that %s refuses with 503, and says why in the log only", async (_, run) => {
    const seen = context();
    const error = await failure(() => closedHook(seen, "rate-limit", "redis", "acquire", run));
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
    expect(await failure(() => closedHook(seen, "rate-limit", "one", "acquire", make(refusal)))).toBe(refusal);
    expect(seen.errors).toEqual([]);
  });

  test.each([
    ["acquire", "the call is refused"],
    // Another target of the model may answer it.
    ["request", "its target was not asked"],
    ["settle", "could not end its hold"],
    ["release", "could not end its hold"],
  ] as const)("one of %s is logged as what comes of it: %s", async (hook, text) => {
    const seen = context();
    await failure(() => closedHook(seen, "provider", "one", hook, bad));
    expect(seen.errors).toEqual([expect.stringContaining(text)]);
  });

  test("a refusal of a kind that is none is a failure, and is logged", async () => {
    const seen = context();
    const refuses = () => raise(new GatewayError("too-many" as never, "slow down"));
    const error = await failure(() => closedHook(seen, "rate-limit", "one", "acquire", refuses));
    expect(error).toMatchObject({ kind: "unavailable" });
    expect(seen.errors).toEqual([expect.stringContaining("rate-limit/one")]);
  });

  test("one that hangs is let go after 5 s", async () => {
    jest.useFakeTimers();
    const seen = context();
    const ended = failure(() => closedHook(seen, "billing", "slow", "authorize", () => new Promise<number>(() => {})));
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
    const ended = failure(() => closedHook(context(), "auth", "slow", "authenticate", () => late.promise));
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
    const ended = failure(() => closedHook(context(), "rate-limit", "slow", "acquire", () => late.promise, giveBack));
    await Promise.resolve();
    jest.advanceTimersByTime(5_000);
    expect(await ended).toMatchObject({ kind: "unavailable" });
    expect(given).toEqual([]);
    late.resolve("a hold");
    await late.promise;
    await Promise.resolve();
    expect(given).toEqual(["a hold"]);
    jest.useRealTimers();
    expect(await closedHook(context(), "rate-limit", "quick", "acquire", async () => "a hold in time", giveBack)).toBe(
      "a hold in time",
    );
    expect(given).toEqual(["a hold"]);
  });

  test("timings of several calls of one instance add up", async () => {
    const seen = context();
    await closedHook(seen, "auth", "one", "authenticate", async () => 1);
    const first = seen.timings["auth/one"] ?? 0;
    await closedHook(seen, "auth", "one", "authenticate", async () => 1);
    expect(seen.timings["auth/one"]).toBeGreaterThan(first);
    expect(Object.keys(seen.timings)).toEqual(["auth/one"]);
  });
});

describe("what is counted of a hook", () => {
  const of = (name: string) => talliesOf("auth", name).hooks.get("authenticate");
  const call = (name: string, run: () => unknown) =>
    failure(() => closedHook<unknown>(context(), "auth", name, "authenticate", run));

  test("its calls and their times, of a plain value as of a promise", async () => {
    expect(of("counted")).toBeUndefined();
    await call("counted", () => null);
    const { totalMs = 0 } = of("counted") ?? {};
    await call("counted", async () => compute(3));
    await call("counted", () => Promise.resolve().then(() => compute(2)));
    const tally = of("counted");
    expect(tally).toMatchObject({ calls: 3, failures: 0, timeouts: 0 });
    expect(totalMs).toBeLessThan(2);
    expect(tally?.totalMs).toBeGreaterThanOrEqual(5);
    expect(tally?.slowestMs).toBeGreaterThanOrEqual(3);
    expect(tally?.slowestMs).toBeLessThan(tally?.totalMs ?? 0);
  });

  test("what it throws, and no refusal", async () => {
    await call("throwing", bad);
    await call("throwing", () => Promise.reject(new Error("later")));
    await call("throwing", () => raise(new GatewayError("unauthenticated", "no")));
    await call("throwing", () => Promise.reject(new GatewayError("unauthenticated", "no")));
    expect(of("throwing")).toMatchObject({ calls: 4, failures: 2, timeouts: 0 });
  });

  test("that it hung, and told of a deadline of its own", async () => {
    jest.useFakeTimers();
    const ended = call("hanging", () => new Promise(() => {}));
    await Promise.resolve();
    jest.advanceTimersByTime(5_000);
    await ended;
    await call("hanging", () => raise(new GatewayError("upstream-timeout", "too slow")));
    expect(of("hanging")).toMatchObject({ calls: 2, failures: 0, timeouts: 2 });
  });
});

function compute(ms: number): void {
  for (const startedMs = performance.now(); performance.now() - startedMs < ms;);
}

const bad = () => raise(new Error("connection to redis://user:secret@host refused"));

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
