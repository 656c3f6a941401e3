import { expect } from "bun:test";
import type { BudgetRow } from "../../core/storage/budget.ts";
import type { Admission, AdmitResult, Final } from "../../core/storage/database.ts";
import { Balance, type Budget, type Counted, freeOf, limitOf, rowOf, type Terms } from "./budget-model.ts";
import { firstParents } from "./ledger-steps.ts";

interface Place {
  readonly fromMs: number;
  readonly parentId: string | null;
}
export interface OpenCall {
  readonly admission: Admission;
  readonly holds: readonly { readonly budget: Budget; readonly counted: Counted }[];
  readonly heldNano: number;
}

interface Charged {
  readonly callId: string;
  readonly accountId: string;
  /** As the call ended. */
  readonly endedNano: number | null;
  /** With what re-rating has changed. */
  chargeNano: number | null;
  /** What counted it. */
  readonly counted: readonly Counted[];
}

/** The ledger as the contract tells it, in plain arithmetic: what the real one must agree with. */
export class LedgerModel {
  budgets: Budget[] = [];
  /** By account. */
  readonly balances = new Map<string, Balance>();
  open: OpenCall[] = [];
  readonly charges: Charged[] = [];
  /** Calls that did not fit. */
  denied = 0;
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

  credit(id: string, nano: number, expiresMs: number | null, nowMs: number): void {
    const balance = this.balances.get(id) ?? new Balance(id, this.freshMoment(nowMs));
    this.balances.set(id, balance);
    balance.allot();
    balance.expire(nowMs);
    balance.credits.push({ nano, expiresMs, usedNano: 0, goneNano: 0 });
  }

  resetNow(budget: Budget, nowMs: number): void {
    budget.resets.push(this.freshMoment(nowMs));
  }

  /** No call that has started counts otherwise than it was admitted. */
  freshMoment(nowMs: number): number {
    return [...this.#started, ...this.refused].includes(nowMs) ? nowMs + 1 : nowMs;
  }

  /** The balance that pays, without what has expired; asking is enough for that, whatever comes of the call. */
  payer({ scopes, startedMs }: Admission): Balance | null {
    const [pays = null] = scopes.flatMap(({ kind, id }) => {
      const balance = kind === "account" ? this.balances.get(id) : undefined;
      return balance ? [balance] : [];
    });
    pays?.expire(startedMs);
    return pays;
  }

  /** Checks an answer to `admit` and takes it over. */
  admitted(admission: Admission, result: AdmitResult): void {
    const { need: asked, startedMs } = admission;
    const inScope: Budget[] = this.budgets.filter(({ row }) =>
      admission.scopes.some(({ kind, id }) => kind === row.scope.kind && id === row.scope.id),
    );
    const pays = this.payer(admission);
    if (pays) inScope.push(pays);
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
      this.denied += 1;
      if (result.outdated) throw new Error("the model asks with a need for budgets");
      const named = result.prepaid ? this.balances.get(result.budget.scope.id) : this.budgetOf(result.budget.id);
      if (!named) throw new Error("the ledger names a balance that there is not");
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
      const counted = { startedMs, rowMs: rowOf(budget, startedMs), spentNano: 0, heldNano };
      expect(freeOf(budget, startedMs)).toBeGreaterThanOrEqual(heldNano);
      budget.calls.push(counted);
      return { budget, counted };
    });
    const told = holds.map(({ budget, counted: { heldNano } }) => [
      budget instanceof Balance ? budget.row.scope.id : budget.row.id,
      heldNano,
      freeOf(budget, startedMs),
      ...(budget instanceof Balance ? ["balance"] : []),
    ]);
    expect(result.holds.map(String).toSorted()).toEqual(told.map(String).toSorted());
    this.#started.push(startedMs);
    this.open.push({ admission, holds, heldNano: nano });
  }

  finished(call_: OpenCall, provider: string, chargeNano: Final["chargeNano"]): void {
    const { admission, holds } = call_;
    this.open = this.open.filter((other) => other !== call_);
    const counted = holds.flatMap(({ budget, counted: its }) => {
      its.heldNano = 0;
      return budget.row.scope.kind !== "provider" || budget.row.scope.id === provider ? [its] : [];
    });
    for (const its of counted) its.spentNano = chargeNano ?? 0;
    const { callId, accountId } = admission;
    this.charges.push({ callId, accountId, endedNano: chargeNano, chargeNano, counted });
  }

  repriced(callId: string, chargeNano: number, nowMs: number): void {
    const charged = this.charges.find((one) => one.callId === callId);
    if (!charged) throw new Error(`the ledger rates a call again that has not ended: ${callId}`);
    const changes = charged.chargeNano !== chargeNano;
    const paid = changes
      ? [...this.balances.values()].filter(({ calls }) => calls.some((its) => charged.counted.includes(its)))
      : [];
    for (const balance of paid) balance.expire(nowMs);
    charged.chargeNano = chargeNano;
    for (const its of charged.counted) its.spentNano = chargeNano;
    for (const balance of paid) balance.unuse(nowMs);
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
