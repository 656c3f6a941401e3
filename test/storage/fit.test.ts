import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Budget, BudgetBook, Counters } from "../../core/storage/budget-book.ts";
import type { Need } from "../../core/storage/database.ts";
import { fit } from "../../core/storage/fit.ts";

/** Prices are exact fractions of a nano-USD; a need rounds them up, as a bill does. */
const fraction = 1_000_000n;
const priced = fc.record({
  /** Of the whole input. */
  input: fc.bigInt({ min: 0n, max: 10n ** 13n }),
  /** Of one token of output. */
  token: fc.bigInt({ min: 0n, max: 10n ** 9n }),
  outputTokens: fc.integer({ min: 1, max: 200_000 }),
  least: fc.integer({ min: 1, max: 4_096 }),
});
type Priced = typeof priced extends fc.Arbitrary<infer Value> ? Value : never;

const costNano = ({ input, token }: Priced, tokens: number) => {
  const exact = input + token * BigInt(tokens);
  return Number((exact + fraction - 1n) / fraction);
};
const needOf = (call: Priced): Need => ({
  inputNano: costNano(call, 0),
  outputNano: costNano(call, call.outputTokens) - costNano(call, 0),
  outputTokens: call.outputTokens,
  leastOutputTokens: Math.min(call.least, call.outputTokens),
});
/** From far too little to plenty. */
const freeFor = (call: Priced) => fc.integer({ min: -5, max: Math.ceil(costNano(call, call.outputTokens) * 1.1) + 10 });
const cases = priced.chain((call) => freeFor(call).map((freeNano) => ({ call, freeNano })));

describe("fit", () => {
  test("what is held fits, and covers what the call may cost with the cap it gets", () => {
    fc.assert(
      fc.property(cases, ({ call, freeNano }) => {
        const fitted = fit([budget("one", freeNano)], needOf(call), bookOf(), 0);
        if ("short" in fitted) return;
        expect(fitted.nano).toBeLessThanOrEqual(freeNano);
        expect(fitted.nano).toBeGreaterThanOrEqual(costNano(call, fitted.outputTokens));
        expect(fitted.outputTokens).toBeLessThanOrEqual(call.outputTokens);
        expect(fitted.outputTokens).toBeGreaterThanOrEqual(needOf(call).leastOutputTokens);
      }),
      { numRuns: 5_000 },
    );
  });

  test("what fits whole is held whole, and a cap is lowered no further than it must be", () => {
    fc.assert(
      fc.property(cases, ({ call, freeNano }) => {
        const need = needOf(call);
        const whole = need.inputNano + need.outputNano;
        const fitted = fit([budget("one", freeNano)], need, bookOf(), 0);
        if (freeNano >= whole) {
          expect(fitted).toEqual({ nano: whole, expectedNano: whole, outputTokens: call.outputTokens });
        } else if ("short" in fitted) {
          // Two nano-USD are the rounding of the two parts.
          expect(costNano(call, need.leastOutputTokens) + 2).toBeGreaterThan(freeNano);
        } else {
          expect(costNano(call, fitted.outputTokens + 1) + 2).toBeGreaterThan(freeNano);
        }
      }),
      { numRuns: 5_000 },
    );
  });

  test("the tightest of several budgets decides, counted with what is spent and held", () => {
    const book = bookOf({ tight: { spentNano: 700, heldNano: 250 }, wide: { spentNano: 0, heldNano: 0 } });
    const budgets = [budget("wide", 400), budget("tight", 1_000)];
    const need = { inputNano: 20, outputNano: 30, outputTokens: 30, leastOutputTokens: 30 };
    expect(fit(budgets, need, book, 0)).toEqual({ nano: 50, expectedNano: 50, outputTokens: 30 });
    const one = { ...need, inputNano: 21 };
    expect(fit(budgets, one, book, 0)).toMatchObject({ short: { id: "tight" } });
    expect(fit(budgets, { ...one, leastOutputTokens: 20 }, book, 0)).toEqual({
      nano: 50,
      expectedNano: 50,
      outputTokens: 28,
    });
  });

  test("a budget that refuses is not fitted into; one that asks for what is expected is not asked for more", () => {
    const need = { inputNano: 20, outputNano: 40, outputTokens: 40, leastOutputTokens: 10, expectedNano: 25 };
    const refusing = { ...budget("refusing", 50), onShortfall: "refuse" as const };
    const expecting = { ...budget("expecting", 30), admission: "expected" as const };
    expect(fit([refusing], need, bookOf(), 0)).toEqual({ short: refusing, leastNano: 60, fittingOutputTokens: 29 });
    expect(fit([expecting], need, bookOf(), 0)).toEqual({ nano: 60, expectedNano: 25, outputTokens: 40 });
    expect(fit([expecting, budget("capping", 50)], need, bookOf(), 0)).toEqual({
      nano: 50,
      expectedNano: 25,
      outputTokens: 29,
    });
    const full = bookOf({ expecting: { spentNano: 6, heldNano: 0 } });
    expect(fit([expecting], need, full, 0)).toMatchObject({ short: { id: "expecting" }, leastNano: 25 });
    // Nobody asks what is expected: the whole is.
    expect(fit([expecting], { ...need, expectedNano: 90 }, bookOf(), 0)).toMatchObject({ leastNano: 60 });
  });

  test("no budget, no bound", () => {
    expect(fit([], { inputNano: 1e15, outputNano: 0, outputTokens: 0, leastOutputTokens: 0 }, bookOf(), 0)).toEqual({
      nano: 1e15,
      expectedNano: 1e15,
      outputTokens: 0,
    });
  });

  test("a cap is not lowered where that would save nothing", () => {
    const free = { inputNano: 101, outputNano: 0, outputTokens: 4_096, leastOutputTokens: 1 };
    expect(fit([budget("one", 100)], free, bookOf(), 0)).toMatchObject({ short: { id: "one" } });
  });
});

const budget = (id: string, limitNano: number): Budget => ({
  ref: 1,
  id,
  scope: { kind: "key", id },
  window: "lifetime",
  timeZone: null,
  hours: null,
  percents: [],
  limitNano,
  createdMs: 0,
  onShortfall: "cap",
  admission: "bound",
  extraNano: 0,
  extraUntilMs: 0,
  resetMs: 0,
  prepaid: false,
  span: null,
  rows: new Map(),
  whole: true,
});

const bookOf = (
  counters: Readonly<Record<string, Pick<Counters, "spentNano" | "heldNano">>> = {},
): Pick<BudgetBook, "freeNano"> => ({
  freeNano({ id, limitNano }) {
    const { spentNano, heldNano } = counters[id] ?? { spentNano: 0, heldNano: 0 };
    return limitNano - spentNano - heldNano;
  },
});
