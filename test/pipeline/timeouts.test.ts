import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { handle } from "../../core/gateway.ts";
import {
  callersTimeouts,
  cutOfAttempt,
  cutReason,
  type OwnTimeouts,
  timeoutBook,
  type Timeouts,
} from "../../core/pipeline/timeouts.ts";
import { providerBulkheads } from "../../core/pipeline/bulkhead.ts";
import type { Loads } from "../../core/pipeline/loads.ts";
import { pause } from "../../core/pipeline/pause.ts";
import { ConnectTimeoutError } from "../../core/runtime/connect.ts";
import { aPrincipal } from "../contract/samples.ts";
import { benches, chat, chatRequest } from "./bench.ts";
import { FetchedResponse } from "../../core/runtime/upstream-response.ts";

const newBench = benches();
const providers = {
  mock: { dialects: ["openai-chat"], request: () => ({ url: "https://example.com/", headers: {}, body: "" }) },
} as const;
const all = { connectMs: 100, firstByteMs: 1_000, idleMs: 500 };
const target = { provider: "p", model: "m1" };

describe("what holds for a target", () => {
  test("is what holds for all, where nothing else is said; and then no call makes anything anew", () => {
    const book = timeoutBook({ ...all, providers: {}, models: {} });
    expect(book("alias", target)).toEqual({ ...all, totalMs: Infinity });
    expect(book("alias", target)).toBe(book("p/m1", target));
  });

  test("a target's own before its provider's, the most exact name first, and the shorter of alias and target", () => {
    const book = timeoutBook({
      ...all,
      totalMs: 9_000,
      providers: { p: { firstByteMs: 2_000, idleMs: 50 } },
      models: {
        "p/*": { idleMs: 60, connectMs: 5 },
        "p/m*": { firstByteMs: 3_000 },
        "p/m2": { firstByteMs: 10 },
        long: { firstByteMs: 8_000, totalMs: 20_000 },
        short: { firstByteMs: 7 },
      },
    });
    expect(book("p/other", { provider: "p", model: "other" })).toEqual({
      connectMs: 5,
      firstByteMs: 2_000,
      idleMs: 60,
      totalMs: 9_000,
    });
    expect(book("p/m1", target).firstByteMs).toBe(3_000);
    expect(book("p/m2", { provider: "p", model: "m2" }).firstByteMs).toBe(10);
    expect(book("long", target)).toMatchObject({ firstByteMs: 3_000, totalMs: 20_000, idleMs: 50 });
    expect(book("short", target).firstByteMs).toBe(7);
    expect(book("long", { provider: "q", model: "m1" })).toMatchObject({ firstByteMs: 8_000, connectMs: 100 });
    expect(book("p/m1", { provider: "q", model: "m1" }).firstByteMs).toBe(1_000);
  });

  test("is at most what the target and the alias say, and else what the provider or all say", () => {
    const own = fc.record(
      { firstByteMs: fc.integer({ min: 1, max: 99 }), idleMs: fc.integer({ min: 1, max: 99 }) },
      {
        requiredKeys: [],
      },
    );
    fc.assert(
      fc.property(own, own, own, (provider, ofTarget, alias) => {
        const book = timeoutBook({ ...all, providers: { p: provider }, models: { "p/m1": ofTarget, a: alias } });
        const found = book("a", target);
        for (const name of ["firstByteMs", "idleMs"] as const) {
          const said = [ofTarget[name], alias[name]].filter((ms) => ms !== undefined);
          expect(found[name]).toBe(said.length > 0 ? Math.min(...said) : (provider[name] ?? all[name]));
        }
      }),
    );
  });
});

describe("what a caller asks for", () => {
  const read = (text: string) => callersTimeouts(new Headers({ "x-llm-proxy-timeouts": text }));

  test("is read from one header", () => {
    expect(callersTimeouts(new Headers())).toBeNull();
    expect(read("first-byte=20000")).toEqual({ firstByteMs: 20_000 });
    expect(read(" connect=1 ,idle=2,  total=3 , first-byte=4")).toEqual({
      connectMs: 1,
      idleMs: 2,
      totalMs: 3,
      firstByteMs: 4,
    });
  });

  for (const bad of ["", "0", "total", "total=", "total=0", "total=-1", "total=1.5", "total=1s", "total=1,total=2"])
    test(`"${bad}" is refused`, () => expect(() => read(bad)).toThrow(/x-llm-proxy-timeouts/));
  for (const bad of ["totalMs=1", "toString=1", "total=1;idle=2", "total=1,", `total=${"9".repeat(13)}`])
    test(`"${bad}" is refused`, () => expect(() => read(bad)).toThrow(/x-llm-proxy-timeouts/));
});

describe("where an attempt is cut", () => {
  const limits: Timeouts = { ...all, totalMs: Infinity };
  const cut = (own: OwnTimeouts | null, spentMs: number, change: Partial<Timeouts> = {}, attemptsMs = 5_000) => {
    const found = cutOfAttempt(
      { arrivedMs: 1_000, attempts: spentMs > 0 ? [{} as never] : [], ownTimeouts: own },
      { ...limits, ...change },
      attemptsMs,
      1_000 + spentMs,
    );
    return { ms: found.ms, isCallers: found.by === "caller", reason: cutReason(found) };
  };

  test("by the first byte that does not come, as long as the call has time", () => {
    expect(cut(null, 0)).toMatchObject({ ms: 1_000, isCallers: false });
    expect(cut(null, 4_000)).toMatchObject({ ms: 1_000, reason: { details: {} } });
  });
  test("by the time of all attempts; one that had less than its own says nothing of its target", () => {
    expect(cut(null, 4_500)).toMatchObject({ ms: 500, reason: { details: { code: "attempts_timeout" } } });
    expect(cut(null, 0, {}, 300)).toMatchObject({ ms: 300, reason: { kind: "upstream-timeout", details: {} } });
    expect(cut(null, 6_000).ms).toBe(0);
    expect(cut(null, 100, { totalMs: 400 }).ms).toBe(300);
  });
  test("by the caller, who may wait for less and never for more", () => {
    expect(cut({ firstByteMs: 40 }, 0)).toMatchObject({ ms: 40, isCallers: true });
    expect(cut({ totalMs: 400 }, 100)).toMatchObject({ ms: 300, isCallers: true });
    expect(cut({ totalMs: 400 }, 500)).toMatchObject({ ms: 0, isCallers: true });
    expect(cut({ firstByteMs: 999_999_999_999, totalMs: 999_999_999_999 }, 0)).toMatchObject({
      ms: 1_000,
      isCallers: false,
    });
  });
});

describe("a call whose time is over before its provider is asked", () => {
  const cases = [
    ["the caller's", { "x-llm-proxy-timeouts": "total=5" }, Infinity, "client_aborted"],
    ["the operator's", {}, 5, "upstream_error"],
  ] as const;
  for (const [whose, headers, totalMs, status] of cases)
    test(`by ${whose} limit says nothing of the target, which others still get`, async () => {
      const sent: string[] = [];
      const world = await newBench({
        providers,
        auth: [{ name: "slow", slot: { authenticate: () => (world.clock.advance(9), aPrincipal({ keyId: null })) } }],
        transport: async ({ url }) => (sent.push(url), new FetchedResponse(new Response(null, { status: 500 }))),
        settings: { timeouts: () => ({ ...all, totalMs }) },
      });
      const answer = await handle(chatRequest({}, headers), chat, world.services);
      expect([answer.status, sent.length]).toEqual([504, 0]);
      expect(world.finishes).toMatchObject([{ status, source: "none", attempts: [] }]);
      expect(world.services.breakers.list()).toEqual([]);
    });
});

describe("a call that waits for a place at its provider", () => {
  const queue = (maxWaiting: number, queueMs: number) =>
    providerBulkheads({ maxWaiting, maxQueued: 1, queueMs, providers: {} }, pause);

  test("does so as long as the bulkhead says, whatever its provider may take for a first byte", async () => {
    const world = await newBench({
      providers,
      settings: { timeouts: () => ({ ...all, firstByteMs: 5, totalMs: 9_000 }) },
    });
    const answer = await handle(chatRequest(), chat, { ...world.services, bulkheads: queue(0, 30) });
    expect([answer.status, (await answer.json()).error.code]).toEqual([503, "provider_busy"]);
    expect(world.finishes).toMatchObject([{ source: "none", attempts: [] }]);
    expect(world.services.breakers.list()).toEqual([]);
  });

  test("and has no time left for its answer says nothing of the provider, asked or not", async () => {
    for (const isAsked of [false, true]) {
      const world = await newBench({
        providers,
        transport: (_, signal) => new Promise((__, reject) => signal.addEventListener("abort", reject)),
        settings: { timeouts: () => ({ ...all, firstByteMs: 60, totalMs: 40 }) },
      });
      const bulkheads = queue(0, 9_000);
      const left = { enter: () => (world.clock.advance(30), Promise.resolve()), leave: () => {} };
      const answer = await handle(chatRequest(), chat, {
        ...world.services,
        bulkheads: { ...bulkheads, ...(isAsked && left) },
      });
      expect([answer.status, (await answer.json()).error.code]).toEqual([504, "attempts_timeout"]);
      expect(world.finishes[0]?.attempts).toHaveLength(isAsked ? 1 : 0);
      expect(world.services.breakers.list()).toEqual([]);
    }
  });
});

test("a clock that steps while a target answers makes it look neither slow nor fast", async () => {
  for (const stepMs of [3_600_000, -3_600_000]) {
    const world = await newBench({
      providers,
      transport: async () => (world.clock.advance(stepMs), new FetchedResponse(Response.json({ choices: [] }))),
    });
    const tookMs: number[] = [];
    const loads: Loads = {
      began: () => {},
      answered: (_, ms) => void tookMs.push(ms),
      ended: () => {},
      busy: () => 0,
      cost: () => 0,
    };
    const watch = { ...world.services.watch, now: () => 7 };
    await (await handle(chatRequest(), chat, { ...world.services, loads, watch })).text();
    expect(tookMs).toEqual([0]);
  }
});

describe("a connection that is not there in time", () => {
  const cases = [
    ["the caller's limit says nothing of the target", "connect=5", "caller_timeout", 0],
    ["the operator's is its target's failure", "connect=5000", "provider_unreachable", 1],
  ] as const;
  for (const [what, own, code, failing] of cases)
    test(`by ${what}`, async () => {
      const asked: (number | undefined)[] = [];
      const transport = (_: unknown, __: unknown, ms?: number) => {
        asked.push(ms);
        return Promise.reject(new ConnectTimeoutError(`no connection after ${ms} ms`));
      };
      const world = await newBench({ providers, transport });
      const answer = await handle(chatRequest({}, { "x-llm-proxy-timeouts": own }), chat, world.services);
      expect([answer.status, (await answer.json()).error.code]).toEqual([504, code]);
      expect(new Set(asked)).toEqual(new Set([failing === 0 ? 5 : 1_000]));
      expect(world.finishes).toMatchObject([{ status: "upstream_error", source: "none", costNano: 0 }]);
      expect(world.services.breakers.list()).toHaveLength(failing);
    });
});
