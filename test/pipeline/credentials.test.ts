import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Attempt, UpstreamProvider } from "llm-proxy/plugin";
import { credentialPool, KeyedRequest } from "../../core/pipeline/credentials.ts";
import { fakeClock } from "../contract/context.ts";

const attempt: Attempt = {
  callId: "call",
  operation: "chat",
  dialect: "openai-chat",
  model: "m",
  body: "{}",
  stream: false,
  framing: "sse",
  clientHeaders: {},
};
/** Says in its URL by whom it was made. */
const slotOf = (name: string): UpstreamProvider => ({
  dialects: ["openai-chat"],
  models: ["m"],
  request: ({ body }) => ({ url: `http://${name}`, headers: {}, body }),
});

function bench(points: () => number = () => 0) {
  const clock = fakeClock(1_000_000);
  const rests: string[] = [];
  const goesOn: boolean[] = [];
  const pool = credentialPool({
    slot: slotOf("file"),
    now: clock.now,
    random: points,
    rules: () => ({ enabled: true, consecutive: 6, errorShare: 0.5, minCalls: 20, windowMs: 10_000, probeMs: 1_000 }),
    onRest: (id, status, ms) => void rests.push(`${id} ${status} ${ms}`),
  });
  const made = () => {
    const request = pool.provider.request(attempt);
    if (request instanceof Promise) throw new Error("no promise is needed here");
    return request;
  };
  const ask = () => {
    const request = made();
    if (!(request instanceof KeyedRequest)) throw new Error("not by a stored key");
    return request;
  };
  const refuse = (status: number, seconds: number | null = null) => {
    const request = ask();
    goesOn.push(request.refused(status, seconds === null ? null : seconds * 1_000));
    return request.url;
  };
  return { clock, rests, goesOn, pool, next: () => made().url, ask, refuse };
}
const credential = (id: string, weight = 1) => ({ id, weight, slot: slotOf(id) });

describe("the keys of a provider", () => {
  test("none: the provider is the plugin's own, with all that it says of itself", () => {
    const { pool, next } = bench();
    expect(next()).toBe("http://file");
    expect([pool.provider.dialects, pool.provider.models]).toEqual([["openai-chat"], ["m"]]);
  });

  test("one that rests is passed over until its rest ends, to the millisecond", () => {
    const { pool, clock, next, refuse, rests, goesOn } = bench();
    pool.use([credential("a"), credential("b")]);
    expect(refuse(429, 2)).toBe("http://a");
    expect(goesOn).toEqual([true]);
    expect(next()).toBe("http://b");
    clock.advance(1_999);
    expect(next()).toBe("http://b");
    clock.advance(1);
    expect(next()).toBe("http://a");
    expect(rests).toEqual(["a 429 2000"]);
  });

  test("one that has rested is tried by one request at a time until it has shown that it is well", () => {
    const { pool, clock, next, ask, refuse } = bench();
    pool.use([credential("a"), credential("b")]);
    refuse(429, 2);
    clock.advance(2_000);
    const probe = ask();
    expect(probe.url).toBe("http://a");
    expect([next(), next()]).toEqual(["http://b", "http://b"]);
    probe.ended("failed");
    expect(next()).toBe("http://b");
    clock.advance(1_000);
    const another = ask();
    expect([another.url, next()]).toEqual(["http://a", "http://b"]);
    another.ended("unknown");
    const third = ask();
    expect(third.url).toBe("http://a");
    third.ended("ok");
    expect([next(), next()]).toEqual(["http://a", "http://a"]);
  });

  test("a request that never says how it went does not keep it from being tried", () => {
    const { pool, clock, next, refuse } = bench();
    pool.use([credential("a"), credential("b")]);
    refuse(429, 1);
    clock.advance(1_000);
    expect([next(), next()]).toEqual(["http://a", "http://b"]);
    clock.advance(5_000);
    expect(next()).toBe("http://a");
  });

  test("one that fails too often rests for a moment, and each for itself", () => {
    const { pool, clock, ask, next, rests } = bench();
    pool.use([credential("a"), credential("b")]);
    for (let at = 0; at < 3; at++) ask().ended("failed");
    expect(rests).toEqual(["a null 1000"]);
    expect(next()).toBe("http://b");
    expect(pool.useOf("a")?.refusedWith).toBeNull();
    clock.advance(1_000);
    const probe = ask();
    expect(probe.url).toBe("http://a");
    probe.ended("ok");
    for (const verdict of ["failed", "ok", "failed", "unknown", "failed", "ok"] as const) ask().ended(verdict);
    expect(rests).toHaveLength(1);
  });

  test("what a refusal was is not told of a later rest for failures", () => {
    const { pool, clock, ask, refuse } = bench();
    pool.use([credential("a"), credential("b")]);
    refuse(429, 1);
    expect(pool.useOf("a")?.refusedWith).toBe(429);
    clock.advance(1_000);
    const probe = ask();
    expect(probe.url).toBe("http://a");
    probe.ended("ok");
    for (let at = 0; at < 6; at++) ask().ended("failed");
    expect(pool.useOf("a")?.restsUntilMs).toBeGreaterThan(clock.now());
    expect(pool.useOf("a")?.refusedWith).toBeNull();
  });

  test("that all fail, as of a provider that is down, are all asked still; one alone never rests for it", () => {
    const { pool, ask, rests } = bench();
    pool.use([credential("a"), credential("b")]);
    for (let at = 0; at < 20; at++) ask().ended("failed");
    expect(rests).toHaveLength(2);
    pool.use([credential("only")]);
    for (let at = 0; at < 20; at++) ask().ended("failed");
    expect(rests).toHaveLength(2);
  });

  test("rest as long as the upstream asks, ten minutes at most, and by default by what it said", () => {
    const { pool, rests, refuse } = bench();
    pool.use([credential("a")]);
    for (const [status, seconds] of [
      [429, null],
      [429, 86_400],
      [401, null],
      [403, 1],
      [400, 5],
      [500, null],
      [503, 9],
    ] as const)
      refuse(status, seconds);
    expect(rests).toEqual(["a 429 30000", "a 429 600000", "a 401 300000", "a 403 300000"]);
  });

  test("that all rest: the one whose rest ends first", () => {
    const { pool, next, refuse, goesOn } = bench();
    pool.use([credential("a"), credential("b"), credential("c")]);
    for (const seconds of [30, 10, 20]) refuse(429, seconds);
    expect(next()).toBe("http://b");
    expect(goesOn).toEqual([true, true, false]);
  });

  test("keep their rest when others come and go, and lose it with another secret", () => {
    const { pool, next, refuse } = bench();
    const [a, b] = [credential("a"), credential("b")];
    pool.use([a, b]);
    refuse(429, 60);
    pool.use([a, b, credential("c")]);
    expect(next()).toBe("http://b");
    pool.use([credential("a"), b]);
    expect(next()).toBe("http://a");
    expect(pool.useOf("a")).toMatchObject({ requests: 1, restsUntilMs: 0, refusedWith: null });
    expect(pool.useOf("c")).toBeNull();
  });

  test("are chosen by their weights, evenly over all points", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 2, maxLength: 6 }), (weights) => {
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        let at = 0;
        const { pool, next } = bench(() => (at++ + 0.5) / total);
        pool.use(weights.map((weight, place) => credential(String(place), weight)));
        const counts = weights.map(() => 0);
        for (let point = 0; point < total; point++) {
          const place = Number(new URL(next().replace("http://", "http://x/")).pathname.slice(1));
          counts[place] = (counts[place] ?? 0) + 1;
        }
        expect(counts).toEqual(weights);
      }),
    );
  });
});
