import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Biller, GatewayError, noUsage, type Rating, type Target, type Usage } from "llm-proxy/plugin";
import { isRating } from "../../core/plugin/checked-biller.ts";
import { slotTrouble } from "../../core/plugin/slot-trouble.ts";

export interface BillingCase {
  /** A target that has a price. */
  readonly priced: Target;
  /** A target that has none; `null`: the biller prices everything. */
  readonly unpriced: Target | null;
  /** Epoch milliseconds at which `priced` has its price. */
  readonly atMs: number;
  /** The optional methods that the biller leaves out. What is absent and not named here fails. */
  readonly absent: readonly OptionalMethod[];
}
type OptionalMethod = "adopt" | "authorize" | "facts" | "factsAhead" | "models" | "prices";
const optionalMethods: readonly OptionalMethod[] = ["adopt", "authorize", "facts", "factsAhead", "models", "prices"];

/** What every biller keeps, whatever its prices. `make` builds a fresh one. */
export function testBilling(make: () => Biller, { priced, unpriced, atMs, absent }: BillingCase): void {
  describe("billing contract", () => {
    test("amounts are whole nano-USD and every line has a price", () => {
      const biller = make();
      fc.assert(
        fc.property(usages(), (usage) => {
          const rating = biller.rate(usage, priced, atMs);
          expectAmounts(rating);
          for (const line of rating.lines) {
            expect(line.item).not.toBe("");
            expect(line.quantity).toBeGreaterThan(0);
            expect(line.price).toMatch(/^\d+(\.\d+)?$/);
          }
        }),
      );
    });

    test("the same call always costs the same, also in a fresh biller and with calls between", () => {
      const biller = make();
      const fresh = make();
      fc.assert(
        fc.property(usages(), usages(), (usage, other) => {
          const before = structuredClone(usage);
          const rating = biller.rate(usage, priced, atMs);
          biller.rate(other, priced, atMs, { dearest: true });
          expect(biller.rate(usage, priced, atMs)).toEqual(rating);
          expect(fresh.rate(usage, priced, atMs)).toEqual(rating);
          expect(usage).toEqual(before);
        }),
      );
    });

    test("nothing used costs nothing but what a call costs by itself", () => {
      const rating = make().rate(noUsage, priced, atMs);
      expect(rating.lines.filter(({ item }) => item !== "request")).toEqual([]);
      if (rating.lines.length === 0) expect(rating).toMatchObject({ costNano: 0, chargeNano: 0 });
    });

    test("more tokens never cost less", () => {
      const biller = make();
      fc.assert(
        fc.property(usages(), fc.nat(1_000_000), fc.nat(1_000_000), (usage, moreInput, moreOutput) => {
          const more = {
            ...usage,
            inputTokens: usage.inputTokens + moreInput,
            outputTokens: usage.outputTokens + moreOutput,
          };
          expect(biller.rate(more, priced, atMs).costNano).toBeGreaterThanOrEqual(
            biller.rate(usage, priced, atMs).costNano,
          );
        }),
      );
    });

    test("the dearest rating bounds every usage within its totals, also when input and output are rated apart", () => {
      const biller = make();
      const dearest = (usage: Partial<Usage>) => biller.rate({ ...noUsage, ...usage }, priced, atMs, { dearest: true });
      fc.assert(
        fc.property(usages(), fc.nat(1_000_000), fc.nat(1_000_000), (usage, moreInput, moreOutput) => {
          const inputTokens = usage.inputTokens + moreInput;
          const outputTokens = usage.outputTokens + moreOutput;
          const actual = biller.rate(usage, priced, atMs);
          const whole = dearest({ inputTokens, outputTokens });
          expectAmounts(whole);
          expect(whole.costNano).toBeGreaterThanOrEqual(actual.costNano);
          expect(whole.chargeNano).toBeGreaterThanOrEqual(actual.chargeNano);
          const apart = dearest({ inputTokens }).chargeNano + dearest({ outputTokens }).chargeNano;
          expect(apart).toBeGreaterThanOrEqual(actual.chargeNano);
        }),
      );
    });

    test("a target without a price is refused by name, used or not", () => {
      if (unpriced === null) return;
      const biller = make();
      for (const usage of [noUsage, { ...noUsage, inputTokens: 1, outputTokens: 1 }]) {
        for (const dearest of [false, true]) {
          const error = thrownBy(() => biller.rate(usage, unpriced, atMs, { dearest }));
          expect(error).toBeInstanceOf(GatewayError);
          expect(error).toMatchObject({ kind: "invalid-request", status: 400, details: { code: "unpriced_model" } });
        }
      }
    });

    test("a price that was set holds from its time on, and only while it is taken over", () => {
      const biller = make();
      if (!biller.adopt) return;
      const usage: Usage = { ...noUsage, inputTokens: 1_000_000, outputTokens: 1_000_000 };
      const before = biller.rate(usage, priced, atMs);
      const entry = {
        id: "one",
        kind: "price",
        target: `${priced.provider}/${priced.model}`,
        effectiveMs: atMs + 1,
        prices: { input: "7", output: "0.000000001" },
      } as const;
      // A promise would be nobody's.
      expect(biller.adopt([entry])).toBeUndefined();
      expect(biller.rate(usage, priced, atMs)).toEqual(before);
      expect(biller.rate(usage, priced, atMs + 1)).toMatchObject({
        costNano: 7_000_000_001,
        chargeNano: 7_000_000_001,
      });
      expect(biller.rate(usage, priced, atMs + 1).priceVersion).not.toBe(before.priceVersion);
      const held = biller.rate(usage, priced, atMs, { dearest: true }).chargeNano;
      expect(held).toBeGreaterThanOrEqual(Math.max(before.chargeNano, 7_000_000_001));
      biller.adopt([
        { id: "two", kind: "charge", account: null, target: "*", terms: { margin: "50" }, effectiveMs: 0 },
      ]);
      expect(biller.rate(usage, priced, atMs)).toMatchObject({
        costNano: before.costNano,
        chargeNano: before.costNano * 1.5,
        terms: { margin: "50" },
      });
      biller.adopt([]);
      expect(biller.rate(usage, priced, atMs + 1)).toEqual(before);
    });

    test("the list of its prices has a source and a version for each, and decimals", () => {
      const { prices } = make();
      for (const row of prices?.([{ provider: priced.provider, vendor: priced.vendor }]) ?? []) {
        expect(row.target).toContain("/");
        expect(row.version).not.toBe("");
        expect(["bundled", "config"]).toContain(row.source);
        for (const price of [row.prices?.input, row.prices?.output])
          if (price !== undefined) expect(price).toMatch(/^\d+(\.\d+)?$/);
      }
    });

    test("the policy is complete, and all else what the host takes", () => {
      expect(slotTrouble("billing", make())).toBeNull();
    });

    test("optional methods are there, or declared absent", () => {
      const biller = make();
      expect(optionalMethods.filter((name) => biller[name] === undefined)).toEqual(absent.toSorted());
    });

    test("sizes of models are positive or unknown", () => {
      const biller = make();
      for (const { model } of biller.models?.(priced.vendor) ?? []) expect(model).not.toBe("");
      const facts = [biller.facts?.(priced, atMs) ?? [], biller.factsAhead?.(priced, atMs) ?? []].flat();
      for (const { model, contextWindow, maxOutputTokens } of facts) {
        expect(model).not.toBe("");
        for (const size of [contextWindow, maxOutputTokens])
          expect(size === null || (Number.isSafeInteger(size) && size > 0)).toBe(true);
      }
    });
  });
}

/** Usages as the meter hands them on (parts within their totals), and some with parts beyond them. */
function usages(): fc.Arbitrary<Usage> {
  const tokens = fc.oneof(fc.nat(300), fc.nat(2_000_000), fc.constantFrom(199_999, 200_000, 200_001, 272_000, 272_001));
  return fc.record({
    inputTokens: tokens,
    outputTokens: tokens,
    cacheReadTokens: tokens,
    cacheWriteTokens: tokens,
    cacheWrite1hTokens: tokens,
    reasoningTokens: tokens,
    inputAudioTokens: tokens,
    cacheReadAudioTokens: tokens,
    outputAudioTokens: tokens,
  });
}

function expectAmounts(rating: Rating): void {
  expect(isRating(rating)).toBe(true);
  for (const amount of [rating.costNano, rating.chargeNano]) {
    expect(Number.isSafeInteger(amount)).toBe(true);
    expect(amount).toBeGreaterThanOrEqual(0);
  }
  expect(rating.priceVersion).not.toBe("");
}

function thrownBy(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return undefined;
}
