import { and, desc, eq, isNull, lt, type SQL } from "drizzle-orm";
import { GatewayError } from "../../chat/error.ts";
import type { Change, Fields } from "../audit.ts";
import type { AuditedWriter } from "../audit-writer.ts";
import type { BudgetBook } from "../budget-book.ts";
import { type BudgetRepository, type BudgetRow, maxBudgetsOnScope, type NewBudget } from "../budget.ts";
import { freshMoment } from "../fresh-moment.ts";
import type { LaterCalls } from "../later-calls.ts";
import { budgets } from "../schema/sqlite.ts";
import type { SpentBesides } from "../spent-besides.ts";
import type { SqliteDatabase } from "../sqlite-database.ts";
import { noteStarts } from "../window-starts.ts";
import { cursorOf, pageOf, pageSize } from "./page.ts";
import { accountOf } from "./scope-account.ts";
import { isScopeUnder } from "./under.ts";

export interface BudgetDependencies {
  readonly database: SqliteDatabase;
  readonly writer: AuditedWriter;
  readonly book: BudgetBook;
  readonly later: LaterCalls;
  readonly addBesides: SpentBesides;
  readonly now: () => number;
}

export function budgetRepository(dependencies: BudgetDependencies): BudgetRepository {
  const { database, writer, book, later, addBesides, now } = dependencies;
  const refs = (where: SQL | undefined, limit: number) =>
    database
      .select({ ref: budgets.ref })
      .from(budgets)
      .where(and(isNull(budgets.removedMs), eq(budgets.prepaid, false), where))
      .orderBy(desc(budgets.ref))
      .limit(limit)
      .all();
  const shown = ({ ref }: { readonly ref: number }): BudgetRow => {
    const budget = book.byRef(ref);
    if (!budget) throw new Error("a live budget is missing in memory");
    return book.row(budget, now());
  };
  /** `null`: no such budget. */
  const updated = (id: string, what: "change" | "reset", apply: (ref: number) => void) =>
    writer.run((tell) => {
      const row = refs(eq(budgets.id, id), 1)[0];
      if (!row) return null;
      const before = shown(row);
      apply(row.ref);
      touch(row.ref);
      const fieldsOf = (budget: BudgetRow): Fields => ({
        ...budgetFields(budget),
        ...(what === "reset" && { spentNano: budget.spentNano }),
      });
      tell(changeOf(what, before, { before: fieldsOf(before), after: fieldsOf(shown(row)) }));
      return row;
    });
  const changeOf = (what: string, { id, scope }: NewBudget, sides: Pick<Change, "before" | "after">): Change => ({
    action: `budget.${what}`,
    object: { kind: "budget", id },
    accountId: accountOf(database, scope),
    ...sides,
  });
  /** Its thresholds are looked at when the transaction ends: of another limit, other sums pass them. */
  function touch(ref: number) {
    const budget = book.byRef(ref);
    if (budget) book.touch(book.counters(budget, book.rowAt(budget, now())));
  }
  function set(ref: number, columns: Partial<typeof budgets.$inferInsert>) {
    if (Object.keys(columns).length > 0) database.update(budgets).set(columns).where(eq(budgets.ref, ref)).run();
    book.refresh(ref);
  }
  function beginAnew(ref: number, resetMs: number) {
    const before = book.byRef(ref);
    if (!before) return;
    const { window, timeZone } = before;
    if (timeZone !== null) noteStarts(database, window, timeZone, resetMs);
    // Rows of a clock that was set back since: what they count was there before, too.
    for (const row of book.rowsFrom(before, resetMs)) {
      addBesides({ budgetRef: ref, startMs: row.startMs, spentNano: -row.spentNano });
      row.spentNano = 0;
      if (row.heldNano === 0) book.forget(before, row);
      else book.touch(row);
    }
    set(ref, { resetMs });
    const budget = book.byRef(ref);
    // The row is there from now on, so that what started before is summed up to it, whatever is reset later.
    if (budget) book.touch(book.counters(budget, resetMs));
  }
  return {
    inScope(scopes) {
      let found: ReturnType<BudgetRepository["inScope"]> = "none";
      for (const scope of scopes)
        for (const { admission } of book.inScope(scope)) if (found !== "expected") found = admission;
      return found;
    },
    create: (budget) =>
      writer.run((tell) => {
        if (book.inScope(budget.scope).filter(({ prepaid }) => !prepaid).length >= maxBudgetsOnScope)
          throw new GatewayError("conflict", `there are ${maxBudgetsOnScope} budgets on this scope`);
        const createdMs = freshMoment(database, budget.createdMs);
        tell(changeOf("create", budget, { before: null, after: budgetFields(budget) }));
        return shown({ ref: later.stay(createdMs, () => insertBudget(database, book, { ...budget, createdMs })) });
      }),
    get(id) {
      const row = refs(eq(budgets.id, id), 1)[0];
      return row ? shown(row) : null;
    },
    list(query) {
      const limit = pageSize(query);
      const scope = query.scope && and(eq(budgets.scopeKind, query.scope.kind), eq(budgets.scopeId, query.scope.id));
      const of = { kind: budgets.scopeKind, id: budgets.scopeId };
      const within = query.under === undefined ? undefined : isScopeUnder(of, query.under);
      const rows = refs(and(lt(budgets.ref, cursorOf(query)), scope, within), limit + 1);
      return pageOf(rows, limit, (row) => row.ref, shown);
    },
    async change(id, { increase, alertPercents, ...terms }) {
      const columns = {
        ...terms,
        ...(alertPercents !== undefined && { alertPercents: JSON.stringify(alertPercents) }),
        ...(increase !== undefined && { extraNano: increase?.nano ?? 0, extraUntilMs: increase?.untilMs ?? 0 }),
      };
      const row = await updated(id, "change", (ref) => set(ref, columns));
      return row && shown(row);
    },
    async reset(id) {
      const row = await updated(id, "reset", (ref) => {
        const resetMs = freshMoment(database, now());
        later.stay(resetMs, () => beginAnew(ref, resetMs));
      });
      return row && shown(row);
    },
    remove: (id) =>
      writer.run((tell) => {
        const row = refs(eq(budgets.id, id), 1)[0];
        if (!row) return false;
        const budget = shown(row);
        tell(changeOf("remove", budget, { before: budgetFields(budget), after: null }));
        database.update(budgets).set({ removedMs: now() }).where(eq(budgets.ref, row.ref)).run();
        book.refresh(row.ref);
        return true;
      }),
  };
}

/** What is told of a budget in the audit log: what was said of it, not what it counted. */
export const budgetFields = (budget: NewBudget): Fields => ({
  scope: { ...budget.scope },
  window: budget.window,
  timeZone: budget.timeZone ?? null,
  limitNano: budget.limitNano,
  onShortfall: budget.onShortfall,
  admission: budget.admission,
  increase: budget.increase ? { ...budget.increase } : null,
  alertPercents: budget.alertPercents,
});

/** Inside a transaction. Returns the new budget's reference. */
export function insertBudget(database: SqliteDatabase, book: BudgetBook, budget: NewBudget): number {
  const { scope, increase, timeZone = null, alertPercents, ...terms } = budget;
  const row = database
    .insert(budgets)
    .values({
      ...terms,
      ...(alertPercents !== undefined && { alertPercents: JSON.stringify(alertPercents) }),
      timeZone,
      scopeKind: scope.kind,
      scopeId: scope.id,
      extraNano: increase?.nano ?? 0,
      extraUntilMs: increase?.untilMs ?? 0,
    })
    .returning({ ref: budgets.ref })
    .all()[0];
  if (!row) throw new Error("the new budget has no row");
  if (timeZone !== null) noteStarts(database, budget.window, timeZone, budget.createdMs);
  book.refresh(row.ref);
  return row.ref;
}
