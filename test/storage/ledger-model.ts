import { expect } from "bun:test";
import fc from "fast-check";
import type { BudgetRow, BudgetWindow } from "../../core/storage/budget.ts";
import type { Admission, AdmitResult, Final } from "../../core/storage/database.ts";
import { type CalendarWindow, windowStart } from "./calendar.ts";

type Scope = Admission["scopes"][number];

/** What happens to a ledger. `pick` numbers are taken modulo what there is. */
export type Step =
  | {
      readonly kind: "budget";
      readonly scope: Scope;
      readonly window: BudgetWindow;
      readonly timeZone: string | null;
      readonly terms: Terms;
    }
  | { readonly kind: "change"; readonly pick: number; readonly terms: Partial<Terms>; readonly increase: Extra | null }
  | { readonly kind: "reset"; readonly pick: number }
  | { readonly kind: "remove"; readonly pick: number }
  | { readonly kind: "move"; readonly id: string; readonly parentId: string | null }
  | { readonly kind: "admit"; readonly calls: readonly AskedCall[] }
  | { readonly kind: "finish"; readonly pick: number; readonly percent: number | null; readonly fellBack: boolean }
  | { readonly kind: "refuse"; readonly key: number }
  | { readonly kind: "advance"; readonly ms: number }
  | { readonly kind: "restart"; readonly policy: "input" | "full" | "release" };
export type Terms = Pick<BudgetRow, "limitNano" | "onShortfall" | "admission">;
interface Extra {
  readonly nano: number;
  readonly forMs: number;
}
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
/** Without summer time since 1986: its clocks are ours and 5:45 hours. */
const kathmandu = "Asia/Kathmandu";
const kathmanduMs = 5.75 * hourMs;
const windows: readonly { readonly window: BudgetWindow; readonly timeZone: string | null }[] = [
  ...(["day", "week", "month"] as const).flatMap((window) =>
    [null, kathmandu].map((timeZone) => ({ window, timeZone })),
  ),
  ...(["lifetime", "1h", "5h"] as const).map((window) => ({ window, timeZone: null })),
];
const terms = {
  limitNano: fc.integer({ min: 1, max: 4_000 }),
  onShortfall: fc.constantFrom<Terms["onShortfall"][]>("cap", "cap", "refuse"),
  admission: fc.constantFrom<Terms["admission"][]>("bound", "bound", "expected"),
};
const need: fc.Arbitrary<Admission["need"]> = fc
  .record({
    inputNano: fc.nat(200),
    outputNano: fc.nat(400),
    expectedNano: fc.nat(300),
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
      arbitrary: fc
        .record({
          kind: fc.constant("budget" as const),
          scope: fc.constantFrom(...scopes),
          at: fc.constantFrom(...windows),
          terms: fc.record(terms),
        })
        .map(({ at, ...step }) => ({ ...step, ...at })),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant("change" as const),
        pick: fc.nat(),
        terms: fc.record(terms, { requiredKeys: [] }),
        increase: fc.option(fc.record({ nano: fc.integer({ min: 1, max: 1_000 }), forMs: fc.nat(2 * hourMs) })),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("reset" as const), pick: fc.nat() }) },
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
        ms: fc.constantFrom(1, 1_000, 60_000, hourMs, 3 * hourMs, 24 * hourMs, 7 * 24 * hourMs, 31 * 24 * hourMs),
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
interface Counted {
  readonly startedMs: number;
  spentNano: number;
  heldNano: number;
}
interface Budget {
  readonly row: BudgetRow;
  terms: Terms;
  increase: { readonly nano: number; readonly untilMs: number } | null;
  readonly resets: number[];
  readonly calls: Counted[];
}
interface Open {
  readonly admission: Admission;
  readonly holds: readonly { readonly budget: Budget; readonly counted: Counted }[];
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
    const fromMs = this.freshMoment(nowMs);
    this.#places.set(id, [...places.filter((place) => place.fromMs < fromMs), { fromMs, parentId }]);
  }

  addBudget(row: BudgetRow, terms_: Terms): void {
    this.budgets.push({ row, terms: terms_, increase: null, resets: [], calls: [] });
  }

  resetNow(budget: Budget, nowMs: number): void {
    budget.resets.push(this.freshMoment(nowMs));
  }

  /** No call that has started counts otherwise than it was admitted. */
  freshMoment(nowMs: number): number {
    return [...this.#started, ...this.refused].includes(nowMs) ? nowMs + 1 : nowMs;
  }

  /** Checks an answer to `admit` and takes it over. */
  admitted(admission: Admission, result: AdmitResult): void {
    const { need: asked, startedMs } = admission;
    const inScope = this.budgets.filter(
      ({ row }) =>
        row.createdMs <= startedMs &&
        admission.scopes.some(({ kind, id }) => kind === row.scope.kind && id === row.scope.id),
    );
    const whole = asked.inputNano + asked.outputNano;
    const expected = Math.min(asked.expectedNano ?? whole, whole);
    const askOf = ({ terms: { admission: held } }: Budget) => (held === "expected" ? expected : whole);
    const short = inScope.filter((budget) => freeOf(budget, startedMs) < askOf(budget));
    const strict = short.filter(
      (budget) => budget.terms.onShortfall === "refuse" || budget.terms.admission === "expected",
    );
    const least = Math.min(...short.map((budget) => freeOf(budget, startedMs)), Number.MAX_SAFE_INTEGER);
    const priceOf = (tokens: number) => asked.inputNano + Math.ceil((asked.outputNano * tokens) / asked.outputTokens);
    const mayLower = asked.leastOutputTokens < asked.outputTokens && asked.outputNano > 0;
    if (!result.admitted) {
      if (result.outdated) throw new Error("the model asks with a need for budgets");
      const named = this.budgetOf(result.budget.id);
      expect(result.budget).toMatchObject({ limitNano: limitOf(named, startedMs), scope: named.row.scope });
      expect(result.fittingOutputTokens).toBeLessThanOrEqual(asked.outputTokens);
      if (strict.length > 0) {
        expect(strict).toContain(named);
        expect(result.neededNano).toBe(askOf(named));
        return;
      }
      // One nano-USD of slack for each rounding of the two parts of a need.
      expect(Math.abs(result.neededNano - (mayLower ? priceOf(asked.leastOutputTokens) : whole))).toBeLessThanOrEqual(
        mayLower ? 1 : 0,
      );
      expect(freeOf(named, startedMs)).toBe(least);
      expect(least).toBeLessThan(whole);
      if (mayLower) expect(priceOf(asked.leastOutputTokens) + 2).toBeGreaterThan(least);
      return;
    }
    expect(strict).toEqual([]);
    expect(result.budgets).toBe(inScope.length);
    // What a budget that is not asked for the whole holds says nothing of the cap.
    const bounding = inScope.some((budget) => budget.terms.admission === "bound");
    if (short.length === 0) {
      expect(result.outputTokens).toBe(asked.outputTokens);
      expect(result.heldNano).toBe(bounding ? whole : inScope.length > 0 ? expected : 0);
    } else {
      expect(result.outputTokens).toBeGreaterThanOrEqual(asked.leastOutputTokens);
      expect(result.heldNano).toBeGreaterThanOrEqual(priceOf(result.outputTokens));
      expect(result.heldNano).toBeLessThanOrEqual(least);
    }
    const nano = result.heldNano;
    const holds = inScope.map((budget) => {
      const heldNano = budget.terms.admission === "expected" ? Math.min(expected, nano) : nano;
      const counted = { startedMs, spentNano: 0, heldNano };
      expect(freeOf(budget, startedMs)).toBeGreaterThanOrEqual(heldNano);
      budget.calls.push(counted);
      return { budget, counted };
    });
    this.#started.push(startedMs);
    this.open.push({ admission, holds, heldNano: nano });
  }

  finished(call_: Open, provider: string, chargeNano: Final["chargeNano"]): void {
    const { admission, holds } = call_;
    this.open = this.open.filter((other) => other !== call_);
    for (const { budget, counted } of holds) {
      counted.heldNano = 0;
      if (budget.row.scope.kind !== "provider" || budget.row.scope.id === provider) counted.spentNano = chargeNano ?? 0;
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

interface Sums {
  readonly spentNano: number;
  readonly heldNano: number;
}

/** What counts with a call that starts then. */
export const usedAt = (budget: Budget, atMs: number): Sums =>
  summed(budget.calls.filter(({ startedMs }) => countsWith(budget, startedMs, atMs)));

/** What the row that begins then holds. */
export const inRow = (budget: Budget, rowMs: number): Sums =>
  summed(budget.calls.filter(({ startedMs }) => rowOf(budget, startedMs) === rowMs));

/** What the rows hold that begin in the range. */
export const inRows = (budget: Budget, fromMs: number, toMs: number): Sums =>
  summed(budget.calls.filter(({ startedMs }) => rowOf(budget, startedMs) >= fromMs && rowOf(budget, startedMs) < toMs));

const summed = (calls: readonly Counted[]): Sums => ({
  spentNano: calls.reduce((sum, { spentNano }) => sum + spentNano, 0),
  heldNano: calls.reduce((sum, { heldNano }) => sum + heldNano, 0),
});

const hoursOf = ({ row }: Budget): number | null => (/^\d/.test(row.window) ? Number.parseInt(row.window, 10) : null);
const lastReset = ({ resets }: Budget, atMs: number): number => resets.findLast((ms) => ms <= atMs) ?? 0;
const partOf = (hours: number, atMs: number): number => Math.floor(atMs / (hours * 60_000));

function rowOf(budget: Budget, startedMs: number): number {
  const { window, timeZone } = budget.row;
  const hours = hoursOf(budget);
  const shiftMs = timeZone === null ? 0 : kathmanduMs;
  const startMs =
    hours === null
      ? // What does not roll is of the calendar.
        windowStart(window as CalendarWindow, startedMs + shiftMs) - shiftMs
      : partOf(hours, startedMs) * hours * 60_000;
  return Math.max(startMs, lastReset(budget, startedMs));
}

/** Whether a call that started then is in the window of one that starts at `atMs`. */
function countsWith(budget: Budget, startedMs: number, atMs: number): boolean {
  const hours = hoursOf(budget);
  if (hours === null) return rowOf(budget, startedMs) === rowOf(budget, atMs);
  const parts = partOf(hours, atMs) - partOf(hours, startedMs);
  if (parts < 0 || parts > 60 || rowOf(budget, startedMs) > rowOf(budget, atMs)) return false;
  // Of a call that started before the last reset no reset is known: it is asked for more, not for less.
  return atMs < (budget.resets.at(-1) ?? 0) || startedMs >= lastReset(budget, atMs);
}

const limitOf = ({ terms: { limitNano }, increase }: Budget, atMs: number): number =>
  limitNano + (increase && increase.untilMs > atMs ? increase.nano : 0);

/** Room in the fullest of the windows that a call starting then is in. */
function freeOf(budget: Budget, atMs: number): number {
  const moments = [atMs, ...budget.calls.map(({ startedMs }) => startedMs)].filter(
    (ms) => ms === atMs || (ms > atMs && countsWith(budget, atMs, ms)),
  );
  const uses = moments.map((ms) => usedAt(budget, ms));
  return limitOf(budget, atMs) - Math.max(...uses.map(({ spentNano, heldNano }) => spentNano + heldNano));
}
