import { expect, test } from "bun:test";
import fc from "fast-check";
import type { Biller, BookEntry, Target } from "llm-proxy/plugin";
import { billOf } from "../../core/pipeline/bill.ts";
import type { RouteTarget } from "../../core/pipeline/models.ts";
import { makeLedger } from "../plugins/billing/ledger-fixture.ts";
import { benches, priceOf } from "./bench.ts";

const newBench = benches();

test("the hold covers every target, also when its cap is lowered", async () => {
  const target = fc.record({
    input: fc.integer({ min: 0, max: 50 }),
    output: fc.integer({ min: 0, max: 50 }),
    most: fc.option(fc.integer({ min: 1, max: 20_000 })),
  });
  const { services } = await newBench();
  fc.assert(
    fc.property(fc.array(target, { minLength: 1, maxLength: 4 }), fc.nat(1_000), (prices, permille) => {
      const slot = {
        dialects: ["openai-chat"],
        request: () => ({ url: "https://example.com/", headers: {}, body: "" }),
      } as const;
      const [first, ...rest] = prices.map((_, at): RouteTarget => ({
        provider: "mock",
        vendor: "mock",
        model: String(at),
        slot,
      }));
      if (!first) return;
      const at = ({ model }: Target) => prices[Number(model)] ?? { input: 0, output: 0, most: null };
      const biller: Biller = {
        ...priceOf(0, 0),
        rate: (usage, to, atMs) => priceOf(at(to).input, at(to).output).rate(usage, to, atMs),
        facts: (to) => ({ model: to.model, contextWindow: null, maxOutputTokens: at(to).most }),
      };
      const input = { textBytes: 100, functionTools: 0, images: 0, audioBytes: 0, unbounded: false };
      const envelope = {
        model: "any",
        stream: false,
        includeUsage: false,
        maxOutputTokens: null,
        candidates: 1,
        input,
      };
      const bill = billOf({ text: "", body: {}, envelope }, { targets: [first, ...rest] }, "bound", {
        ...services,
        billing: { name: "test", slot: biller },
      });
      const { need, inputBoundTokens, capTokens } = bill;
      const lowered = Math.floor((need.outputTokens * permille) / 1_000);
      const held = need.inputNano + Math.floor((need.outputNano * lowered) / need.outputTokens) + 1;
      for (const price of prices) {
        expect(capTokens).toBeLessThanOrEqual(price.most ?? 16_384);
        expect(held).toBeGreaterThanOrEqual(
          inputBoundTokens * price.input + Math.min(lowered, price.most ?? lowered) * price.output,
        );
      }
    }),
    { numRuns: 500 },
  );
});

test("the hold covers a context window that comes to hold before the call has ended", async () => {
  const { services, clock } = await newBench();
  const slot = {
    dialects: ["openai-chat"],
    request: () => ({ url: "https://example.com/", headers: {}, body: "" }),
  } as const;
  const biller = makeLedger([{ target: "lab/*", input: "1", output: "0" }]);
  const window = (contextWindow: number, fromMs: number) => ({
    id: String(contextWindow),
    kind: "price" as const,
    target: "lab/x",
    effectiveMs: fromMs,
    prices: { input: "1", output: "0", contextWindow },
  });
  const boundTokens = (unbounded: boolean, entries: readonly BookEntry[]) => {
    biller.adopt?.(entries);
    const input = { textBytes: 100_000, functionTools: 0, images: 0, audioBytes: 0, unbounded };
    const envelope = { model: "any", stream: false, includeUsage: false, maxOutputTokens: 5, candidates: 1, input };
    const target: RouteTarget = { provider: "lab", vendor: "lab", model: "x", slot };
    return billOf({ text: "", body: {}, envelope }, { targets: [target] }, "bound", {
      ...services,
      billing: { name: "test", slot: biller },
    }).inputBoundTokens;
  };
  const now = clock.now();
  const large = window(2_000_000, now);
  const small = window(1_000, now);
  const later = now + 1_800_000;
  const nextDay = now + 86_400_000;
  for (const unbounded of [false, true]) {
    const most = unbounded ? 2_000_000 : 101_024;
    expect(boundTokens(unbounded, [small])).toBe(1_000);
    expect(boundTokens(unbounded, [small, window(2_000_000, later)])).toBe(most);
    expect(boundTokens(unbounded, [small, window(2_000_000, nextDay)])).toBe(1_000);
    expect(boundTokens(unbounded, [large, window(1_000, later)])).toBe(most);
    // Then the row of the file holds, which says nothing of it.
    expect(boundTokens(unbounded, [large, { ...large, effectiveMs: later, prices: null }])).toBe(most);
  }
});

test("what bytes do not bound is held for with the searches that a provider may run", async () => {
  const { services } = await newBench();
  const slot = {
    dialects: ["openai-chat"],
    request: () => ({ url: "https://example.com/", headers: {}, body: "" }),
  } as const;
  const biller = makeLedger([
    {
      target: "lab/*",
      input: "0",
      output: "0",
      webSearch: "0.01",
      fileSearch: "0.002",
      contextWindow: 100_000,
      maxOutputTokens: 100,
    },
  ]);
  const inputNano = (unbounded: boolean) => {
    const input = { textBytes: 100, functionTools: 0, images: 0, audioBytes: 0, unbounded };
    const envelope = { model: "any", stream: false, includeUsage: false, maxOutputTokens: 5, candidates: 1, input };
    const target: RouteTarget = { provider: "lab", vendor: "lab", model: "x", slot };
    return billOf({ text: "", body: {}, envelope }, { targets: [target] }, "bound", {
      ...services,
      billing: { name: "test", slot: biller },
    }).need.inputNano;
  };
  expect([inputNano(false), inputNano(true)]).toEqual([0, 120_000_000]);
});

test.each([
  ['{"cache_control":{"type":"ephemeral"}}', 5],
  ['{"cache_control":{"type":"ephemeral","ttl":"5m"}}', 5],
  ['{"cache_control":{"type":"ephemeral","ttl":"1h"}}', 8],
  [String.raw`{"cache_control":{"type":"ephemeral","ttl":"\u0031\u0068"}}`, 8],
])("a cache for an hour is held for where it is asked for, however it is written: %s", async (text, dearest) => {
  const { services } = await newBench();
  const slot = {
    dialects: ["openai-chat"],
    request: () => ({ url: "https://example.com/", headers: {}, body: "" }),
  } as const;
  const biller = makeLedger([{ target: "lab/*", input: "4", cacheWrite: "5", cacheWrite1h: "8", output: "0" }]);
  const input = { textBytes: 976, functionTools: 0, images: 0, audioBytes: 0, unbounded: false };
  const envelope = { model: "any", stream: false, includeUsage: false, maxOutputTokens: 5, candidates: 1, input };
  const { need } = billOf(
    { text, body: {}, envelope },
    { targets: [{ provider: "lab", vendor: "lab", model: "x", slot }] },
    "bound",
    { ...services, billing: { name: "test", slot: biller } },
  );
  // 2,000 tokens at most.
  expect(need.inputNano).toBe(2_000_000 * dearest);
});
