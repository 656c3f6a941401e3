import { desc, eq } from "drizzle-orm";
import { printable } from "../chat/mask.ts";
import type { Scope } from "../chat/error.ts";
import type { AlertWriter } from "./alert-writer.ts";
import { usdText } from "./alert-text.ts";
import { type Budget, type BudgetBook, type Counters, limitAt } from "./budget-book.ts";
import { budgetMarks } from "./schema/sqlite-outbox.ts";
import { accounts, credits, keys } from "./schema/sqlite.ts";
import type { SqliteDatabase } from "./sqlite-database.ts";

/** Tells when what is spent of a budget passes a threshold: each once a window, and anew when there is more to spend. */
export interface BudgetAlerts {
  /** Inside the transaction that changed these: looks at the budgets they belong to. Costs nothing where nobody listens. */
  check(changed: Iterable<Counters>): void;
  /** After a rollback. */
  reload(): void;
}

type Mark = Omit<typeof budgetMarks.$inferSelect, "budgetRef">;

/** A balance is told of when a tenth of its last credit is left, and when nothing is. */
const balancePercents = [90, 100];

export function budgetAlerts(
  database: SqliteDatabase,
  book: BudgetBook,
  writer: AlertWriter,
  now: () => number,
): BudgetAlerts {
  /** As stored; `null`: nothing is. */
  const marks = new Map<number, Mark | null>();
  /** The last credit of a balance, which is looked up when the sum of its credits has changed. */
  const lastCredits = new Map<number, { readonly limitNano: number; readonly nano: number }>();

  const markOf = (ref: number): Mark | null => {
    const known = marks.get(ref);
    if (known !== undefined) return known;
    const stored = database.select().from(budgetMarks).where(eq(budgetMarks.budgetRef, ref)).all()[0] ?? null;
    marks.set(ref, stored);
    return stored;
  };

  function setMark(budgetRef: number, mark: Mark) {
    marks.set(budgetRef, mark);
    database
      .insert(budgetMarks)
      .values({ budgetRef, ...mark })
      .onConflictDoUpdate({ target: budgetMarks.budgetRef, set: mark })
      .run();
  }

  function look(budget: Budget, atMs: number) {
    const state = stateOf(budget, atMs);
    if (state.limitNano <= 0) return;
    const crossed = state.percents.findLast((percent) => passes(state, percent)) ?? 0;
    const mark = markOf(budget.ref);
    if (crossed === 0 && mark === null) return;
    const toldPercent = told(budget, mark, { ...state, crossed }, atMs);
    for (const percent of state.percents) if (percent > toldPercent && percent <= crossed) tell(budget, state, percent);
    const startMs = budget.hours === null || toldPercent < crossed ? state.startMs : (mark?.startMs ?? state.startMs);
    const next = { percent: Math.max(toldPercent, crossed), startMs, limitNano: state.limitNano };
    if (mark === null || changed(mark, next)) setMark(budget.ref, next);
  }

  function stateOf(budget: Budget, atMs: number): State {
    const { spentNano } = book.used(budget, atMs);
    const limitNano = limitAt(budget, atMs);
    if (budget.prepaid) {
      const base = lastCredit(budget, limitNano);
      return { percents: balancePercents, spentNano, limitNano, baseNano: base, startMs: 0 };
    }
    const startMs = budget.hours === null ? book.rowAt(budget, atMs) : atMs;
    return { percents: budget.percents, spentNano, limitNano, baseNano: limitNano, startMs };
  }

  function lastCredit(budget: Budget, limitNano: number): number {
    const known = lastCredits.get(budget.ref);
    if (known?.limitNano === limitNano) return known.nano;
    const row = database
      .select({ nano: credits.amountNano })
      .from(credits)
      .innerJoin(accounts, eq(accounts.ref, credits.accountRef))
      .where(eq(accounts.id, budget.scope.id))
      .orderBy(desc(credits.seq))
      .limit(1)
      .all()[0];
    const nano = row?.nano ?? limitNano;
    lastCredits.set(budget.ref, { limitNano, nano });
    return nano;
  }

  function tell(budget: Budget, { spentNano, limitNano, baseNano }: State, percent: number) {
    const { id, scope } = budget;
    const named = { ...scope, name: nameOf(scope) };
    const on = scope.kind === "global" ? "everything" : `${scope.kind} ${printable(named.name, 100)}`;
    if (budget.prepaid) {
      const leftNano = limitNano - spentNano;
      const line =
        leftNano > 0
          ? `Credit of ${on} is nearly used up: ${usdText(leftNano)} is left.`
          : `Credit of ${on} is used up: its calls are refused.`;
      writer.put({ type: "credit.low", line, data: { account: named, percent, leftNano, lastCreditNano: baseNano } });
      return;
    }
    const { window, timeZone, hours } = budget;
    const line = `Budget of ${on}: ${percent} % of ${usdText(limitNano)} (${window}) is spent, ${usdText(spentNano)} so far.`;
    const windowStartMs = hours === null ? book.rowAt(budget, now()) : null;
    const data = { budgetId: id, scope: named, window, timeZone, percent, limitNano, spentNano, windowStartMs };
    writer.put({ type: "budget.threshold", line, data });
  }

  function nameOf({ kind, id }: Scope): string {
    const table = kind === "key" ? keys : kind === "account" ? accounts : null;
    if (table === null) return id;
    return database.select({ name: table.name }).from(table).where(eq(table.id, id)).all()[0]?.name ?? id;
  }

  return {
    check(rows) {
      const [thresholds, balances] = [writer.takes("budget.threshold"), writer.takes("credit.low")];
      if (!thresholds && !balances) return;
      const atMs = now();
      const seen = new Set<number>();
      for (const { ref } of rows) {
        if (seen.has(ref)) continue;
        seen.add(ref);
        const budget = book.byRef(ref);
        if (budget && (budget.prepaid ? balances : thresholds && budget.percents.length > 0)) look(budget, atMs);
      }
    },
    reload() {
      marks.clear();
      lastCredits.clear();
    },
  };
}

interface State {
  /** Rising. */
  readonly percents: readonly number[];
  readonly spentNano: number;
  readonly limitNano: number;
  /** What the percents are of: the limit, or the last credit. */
  readonly baseNano: number;
  readonly startMs: number;
}

/** Whether no more is left than the threshold leaves. In whole numbers, which are exact up to some 90 million USD. */
const passes = ({ spentNano, limitNano, baseNano }: State, percent: number): boolean =>
  (limitNano - spentNano) * 100 <= (100 - percent) * baseNano;

/** Up to which percent this window has been told. */
function told(
  budget: Budget,
  mark: Mark | null,
  state: Pick<State, "startMs" | "limitNano"> & { readonly crossed: number },
  atMs: number,
): number {
  if (mark === null || !isSameWindow(budget, mark, state.startMs, atMs)) return 0;
  // More to spend: what is not passed any more is told when it is passed again.
  return mark.limitNano === state.limitNano ? mark.percent : Math.min(mark.percent, state.crossed);
}

/** Rolling hours never begin: what was told of them is old when they have gone by. */
function isSameWindow({ hours, resetMs }: Budget, mark: Mark, startMs: number, atMs: number): boolean {
  if (hours === null) return mark.startMs === startMs;
  return mark.startMs >= resetMs && atMs < mark.startMs + hours * 3_600_000;
}

const changed = (mark: Mark, next: Mark): boolean =>
  mark.percent !== next.percent || mark.startMs !== next.startMs || mark.limitNano !== next.limitNano;
