import { expect } from "bun:test";
import fc from "fast-check";
import type { Admission, AdmitResult, BudgetRow, BudgetWindow, Final } from "../../core/storage/database.ts";
import { windowStart } from "./calendar.ts";

type Scope = Admission["scopes"][number];

/** What happens to a ledger. `pick` numbers are taken modulo what there is. */
export type Step =
  | { readonly kind: "budget"; readonly scope: Scope; readonly window: BudgetWindow; readonly limitNano: number }
  | { readonly kind: "remove"; readonly pick: number }
  | { readonly kind: "move"; readonly id: string; readonly parentId: string | null }
  | { readonly kind: "admit"; readonly calls: readonly AskedCall[] }
  | { readonly kind: "finish"; readonly pick: number; readonly percent: number | null; readonly fellBack: boolean }
  | { readonly kind: "refuse"; readonly key: number }
  | { readonly kind: "advance"; readonly ms: number }
  | { readonly kind: "restart"; readonly policy: "input" | "full" | "release" };
export interface AskedCall {
  readonly key: number;
  readonly model: string;
  readonly providers: readonly string[];
  /** How long before now it arrived. */
  readonly lagMs: number;
  readonly need: Admission["need"];
  readonly priced: boolean;
}

const hourMs = 3_600_000;
const providers = ["first", "second"];
const models = ["fast", "smart"];
/** The tree that each run starts with. */
export const firstParents = { default: null, team: "default", user: "team", org: null, unit: "org" } as const;
const accountIds = Object.keys(firstParents);
const scopes: readonly Scope[] = [
  { kind: "global", id: "global" },
  ...["key-0", "key-1"].map((id) => ({ kind: "key", id }) as const),
  ...accountIds.map((id) => ({ kind: "account", id }) as const),
  ...models.map((id) => ({ kind: "model", id }) as const),
  ...providers.map((id) => ({ kind: "provider", id }) as const),
];
const need: fc.Arbitrary<Admission["need"]> = fc
  .record({
    inputNano: fc.nat(200),
    outputNano: fc.nat(400),
    outputTokens: fc.integer({ min: 1, max: 100 }),
    least: fc.nat(100),
  })
  .map(({ least, ...rest }) => ({ ...rest, leastOutputTokens: Math.min(Math.max(least, 1), rest.outputTokens) }));
const call: fc.Arbitrary<AskedCall> = fc.record({
  key: fc.nat(2),
  model: fc.constantFrom(...models),
  providers: fc.constantFrom(["first"], ["second"], ["first", "second"]),
  lagMs: fc.constantFrom(0, 0, 3, hourMs),
  need,
  priced: fc.boolean(),
});
export const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant("budget" as const),
        scope: fc.constantFrom(...scopes),
        window: fc.constantFrom<BudgetWindow[]>("day", "week", "month", "lifetime"),
        limitNano: fc.integer({ min: 1, max: 4_000 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("remove" as const), pick: fc.nat() }) },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant("move" as const),
        id: fc.constantFrom(...accountIds),
        parentId: fc.option(fc.constantFrom(...accountIds), { freq: 5 }),
      }),
    },
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constant("admit" as const),
        calls: fc.array(call, { minLength: 1, maxLength: 5 }),
      }),
    },
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constant("finish" as const),
        pick: fc.nat(),
        percent: fc.option(fc.nat(150), { freq: 5 }),
        fellBack: fc.boolean(),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("refuse" as const), key: fc.nat(2) }) },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant("advance" as const),
        ms: fc.constantFrom(1, 1_000, hourMs, 24 * hourMs, 7 * 24 * hourMs, 31 * 24 * hourMs),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant("restart" as const),
        policy: fc.constantFrom("input" as const, "full" as const, "release" as const),
      }),
    },
  ),
  { minLength: 1, maxLength: 50, size: "max" },
);

interface Place {
  readonly fromMs: number;
  readonly parentId: string | null;
}
interface Counters {
  spentNano: number;
  heldNano: number;
}
interface Budget {
  readonly row: BudgetRow;
  readonly windows: Map<number, Counters>;
}
interface Open {
  readonly admission: Admission;
  readonly holds: readonly { readonly budget: Budget; readonly startMs: number; readonly nano: number }[];
  readonly heldNano: number;
}

/** The ledger as the contract tells it, in plain arithmetic: what the real one must agree with after each step. */
export class LedgerModel {
  budgets: Budget[] = [];
  open: Open[] = [];
  readonly charges: { readonly callId: string; readonly accountId: string; readonly chargeNano: number | null }[] = [];
  /** When refused calls started. */
  readonly refused: number[] = [];
  /** When admitted calls started. */
  readonly #started: number[] = [];
  /** Where each account was, from when on. */
  readonly #places = new Map<string, Place[]>(
    Object.entries(firstParents).map(([id, parentId]) => [id, [{ fromMs: 0, parentId }]]),
  );

  /** The account and what it was under for a call that started then, nearest first. */
  line(id: string, atMs: number): string[] {
    const parentId = this.#places.get(id)?.findLast(({ fromMs }) => fromMs <= atMs)?.parentId ?? null;
    return parentId === null ? [id] : [id, ...this.line(parentId, atMs)];
  }

  moved(id: string, parentId: string | null, nowMs: number): void {
    const places = this.#places.get(id) ?? [];
    if (places.at(-1)?.parentId === parentId) return;
    // No call that has started counts otherwise than it was admitted.
    const fromMs = [...this.#started, ...this.refused].includes(nowMs) ? nowMs + 1 : nowMs;
    this.#places.set(id, [...places.filter((place) => place.fromMs < fromMs), { fromMs, parentId }]);
  }

  addBudget(row: BudgetRow): void {
    this.budgets.push({ row, windows: new Map() });
  }

  /** Checks an answer to `admit` and takes it over. */
  admitted(admission: Admission, result: AdmitResult): void {
    const { need: asked, startedMs } = admission;
    const inScope = this.budgets.filter(
      ({ row }) =>
        row.createdMs <= startedMs &&
        admission.scopes.some(({ kind, id }) => kind === row.scope.kind && id === row.scope.id),
    );
    const free = inScope.map((budget) => freeOf(budget, startedMs));
    const least = Math.min(...free, Number.MAX_SAFE_INTEGER);
    const whole = asked.inputNano + asked.outputNano;
    const priceOf = (tokens: number) => asked.inputNano + Math.ceil((asked.outputNano * tokens) / asked.outputTokens);
    const mayLower = asked.leastOutputTokens < asked.outputTokens && asked.outputNano > 0;
    if (!result.admitted) {
      if (result.outdated) throw new Error("the model asks with a need for budgets");
      // One nano-USD of slack for each rounding of the two parts of a need.
      expect(Math.abs(result.neededNano - (mayLower ? priceOf(asked.leastOutputTokens) : whole))).toBeLessThanOrEqual(
        mayLower ? 1 : 0,
      );
      expect(result.fittingOutputTokens).toBeLessThanOrEqual(asked.outputTokens);
      expect(least).toBeLessThan(whole);
      expect(freeOf(this.budgetOf(result.budget.id), startedMs)).toBe(least);
      if (mayLower) expect(priceOf(asked.leastOutputTokens) + 2).toBeGreaterThan(least);
      return;
    }
    expect(result.budgets).toBe(inScope.length);
    if (least >= whole)
      expect(result).toMatchObject({ heldNano: inScope.length > 0 ? whole : 0, outputTokens: asked.outputTokens });
    else {
      expect(result.outputTokens).toBeGreaterThanOrEqual(asked.leastOutputTokens);
      expect(result.heldNano).toBeGreaterThanOrEqual(priceOf(result.outputTokens));
      expect(result.heldNano).toBeLessThanOrEqual(least);
    }
    const nano = result.heldNano;
    const holds = inScope.map((budget) => ({ budget, startMs: windowStart(budget.row.window, startedMs), nano }));
    for (const { budget, startMs } of holds) {
      const counters = countersOf(budget, startMs);
      counters.heldNano += nano;
      expect(counters.spentNano + counters.heldNano).toBeLessThanOrEqual(budget.row.limitNano);
    }
    this.#started.push(startedMs);
    this.open.push({ admission, holds, heldNano: nano });
  }

  finished(call_: Open, provider: string, chargeNano: Final["chargeNano"]): void {
    const { admission, holds } = call_;
    this.open = this.open.filter((other) => other !== call_);
    for (const { budget, startMs, nano } of holds) {
      const counters = countersOf(budget, startMs);
      counters.heldNano -= nano;
      if (budget.row.scope.kind !== "provider" || budget.row.scope.id === provider)
        counters.spentNano += chargeNano ?? 0;
    }
    this.charges.push({ callId: admission.callId, accountId: admission.accountId, chargeNano });
  }

  swept(policy: "input" | "full" | "release"): void {
    for (const call_ of this.open) {
      const expected = call_.admission.ifInterrupted;
      const chargeNano =
        policy === "release"
          ? 0
          : policy === "full" && call_.heldNano > 0
            ? call_.heldNano
            : (expected?.chargeNano ?? 0);
      this.finished(call_, call_.admission.provider, expected && chargeNano);
    }
  }

  budgetOf(id: string): Budget {
    const budget = this.budgets.find(({ row }) => row.id === id);
    if (!budget) throw new Error(`the ledger names a budget that is not live: ${id}`);
    return budget;
  }
}

export function countersOf({ windows }: Budget, startMs: number): Counters {
  const known = windows.get(startMs) ?? { spentNano: 0, heldNano: 0 };
  windows.set(startMs, known);
  return known;
}

const freeOf = (budget: Budget, atMs: number): number => {
  const { spentNano, heldNano } = countersOf(budget, windowStart(budget.row.window, atMs));
  return budget.row.limitNano - spentNano - heldNano;
};
