import type { BudgetRow } from "../../core/storage/budget.ts";
import { type CalendarWindow, windowStart } from "./calendar.ts";

export type Terms = Pick<BudgetRow, "limitNano" | "onShortfall" | "admission">;
/** Without summer time since 1986: its clocks are ours and 5:45 hours. */
export const kathmandu = "Asia/Kathmandu";
const kathmanduMs = 5.75 * 3_600_000;

export interface Counted {
  readonly startedMs: number;
  /** The row that counts it: no reset is ever before a call that has started. */
  readonly rowMs: number;
  spentNano: number;
  heldNano: number;
}
export interface Budget {
  readonly row: Pick<BudgetRow, "id" | "scope" | "window" | "timeZone" | "createdMs">;
  terms: Terms;
  increase: { readonly nano: number; readonly untilMs: number } | null;
  readonly resets: number[];
  readonly calls: Counted[];
}
interface Credit {
  readonly nano: number;
  readonly expiresMs: number | null;
  usedNano: number;
  goneNano: number;
}
/** What was credited and has not expired is the limit of a budget for ever. */
export class Balance implements Budget {
  readonly row: Budget["row"];
  readonly increase = null;
  readonly resets: number[] = [];
  readonly calls: Counted[] = [];
  readonly credits: Credit[] = [];

  constructor(id: string, createdMs: number) {
    this.row = { id: "", scope: { kind: "account", id }, window: "lifetime", timeZone: null, createdMs };
  }
  get terms(): Terms {
    const limitNano = this.credits.reduce((sum, { nano, goneNano }) => sum + nano - goneNano, 0);
    return { limitNano, onShortfall: "cap", admission: "bound" };
  }
  get balanceNano(): number {
    return this.terms.limitNano - usedAt(this, 0).spentNano;
  }

  /** What was used so far was used of what expires first. */
  allot(): void {
    let newlyUsed = usedAt(this, 0).spentNano - this.credits.reduce((sum, { usedNano }) => sum + usedNano, 0);
    for (const credit of this.#inOrder()) {
      const nano = Math.max(0, Math.min(leftOf(credit), newlyUsed));
      credit.usedNano += nano;
      newlyUsed -= nano;
    }
  }

  /** What turned out not to be used was used last of what has not expired, there to be used again. */
  unuse(nowMs: number): void {
    let unused = this.credits.reduce((sum, { usedNano }) => sum + usedNano, 0) - usedAt(this, 0).spentNano;
    for (const credit of this.#inOrder().toReversed()) {
      if (expiryOf(credit) <= nowMs) continue;
      const nano = Math.max(0, Math.min(credit.usedNano, unused));
      credit.usedNano -= nano;
      unused -= nano;
    }
  }

  /** Of what has expired, what calls in flight hold stays. */
  expire(nowMs: number): void {
    if (!this.credits.some((credit) => expiryOf(credit) <= nowMs && leftOf(credit) > 0)) return;
    this.allot();
    let { heldNano } = usedAt(this, 0);
    for (const credit of this.#inOrder()) {
      const kept = Math.min(leftOf(credit), heldNano);
      heldNano -= kept;
      if (expiryOf(credit) <= nowMs) credit.goneNano += leftOf(credit) - kept;
    }
  }

  readonly #inOrder = () => this.credits.toSorted((left, right) => expiryOf(left) - expiryOf(right));
}
const expiryOf = ({ expiresMs }: Credit): number => expiresMs ?? Number.MAX_SAFE_INTEGER;
const leftOf = ({ nano, usedNano, goneNano }: Credit): number => nano - usedNano - goneNano;

interface Sums {
  readonly spentNano: number;
  readonly heldNano: number;
}

/** What counts with a call that starts then. */
export const usedAt = (budget: Budget, atMs: number): Sums =>
  summed(budget.calls.filter((call) => countsWith(budget, call, atMs)));

/** What the row that begins then holds. */
export const inRow = (budget: Budget, rowMs: number): Sums =>
  summed(budget.calls.filter((call) => call.rowMs === rowMs));

const summed = (calls: readonly Counted[]): Sums => ({
  spentNano: calls.reduce((sum, { spentNano }) => sum + spentNano, 0),
  heldNano: calls.reduce((sum, { heldNano }) => sum + heldNano, 0),
});

/** Of a window that rolls; `null`: it does not. */
const hoursOf = ({ row }: Budget): number | null => (/^\d/.test(row.window) ? Number.parseInt(row.window, 10) : null);
const lastReset = ({ resets }: Budget, atMs: number): number => resets.findLast((ms) => ms <= atMs) ?? 0;
const partOf = (hours: number, atMs: number): number => Math.floor(atMs / (hours * 60_000));

/** Where the row begins that counts a call which starts then. */
export function rowOf(budget: Budget, startedMs: number): number {
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

/** Whether a call is in the window of one that starts at `atMs`. */
function countsWith(budget: Budget, { startedMs, rowMs }: Pick<Counted, "startedMs" | "rowMs">, atMs: number): boolean {
  const hours = hoursOf(budget);
  if (hours === null) return rowMs === rowOf(budget, atMs);
  const parts = partOf(hours, atMs) - partOf(hours, startedMs);
  if (parts < 0 || parts > 60 || rowMs > rowOf(budget, atMs)) return false;
  // Of a call that started before the last reset no reset is known: it is asked for more, not for less.
  return atMs < (budget.resets.at(-1) ?? 0) || startedMs >= lastReset(budget, atMs);
}

export const limitOf = ({ terms: { limitNano }, increase }: Budget, atMs: number): number =>
  limitNano + (increase && increase.untilMs > atMs ? increase.nano : 0);

/** Room in the fullest of the windows that a call starting then is in. */
export function freeOf(budget: Budget, atMs: number): number {
  const asked = { startedMs: atMs, rowMs: rowOf(budget, atMs) };
  const later = budget.calls.flatMap(({ startedMs: ms }) => (ms > atMs && countsWith(budget, asked, ms) ? [ms] : []));
  const uses = [atMs, ...new Set(later)].map((ms) => usedAt(budget, ms));
  return limitOf(budget, atMs) - Math.max(...uses.map(({ spentNano, heldNano }) => spentNano + heldNano));
}
