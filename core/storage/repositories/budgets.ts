import { and, desc, eq, isNull, lt, type SQL } from "drizzle-orm";
import type { BudgetBook } from "../budget-book.ts";
import type { BudgetRepository, BudgetRow, NewBudget } from "../database.ts";
import { freshMoment } from "../fresh-moment.ts";
import type { GroupCommit } from "../group-commit.ts";
import { budgets } from "../schema/sqlite.ts";
import type { SqliteDatabase } from "../sqlite-database.ts";
import { cursorOf, pageOf, pageSize } from "./page.ts";

export function budgetRepository(
  database: SqliteDatabase,
  writer: GroupCommit,
  book: BudgetBook,
  now: () => number,
): BudgetRepository {
  const refs = (where: SQL | undefined, limit: number) =>
    database
      .select({ ref: budgets.ref })
      .from(budgets)
      .where(and(isNull(budgets.removedMs), where))
      .orderBy(desc(budgets.ref))
      .limit(limit)
      .all();
  const shown = ({ ref }: { readonly ref: number }): BudgetRow => {
    const budget = book.byRef(ref);
    if (!budget) throw new Error("a live budget is missing in memory");
    return book.row(budget, now());
  };
  return {
    inScope: (scopes) => scopes.some((scope) => book.inScope(scope).length > 0),
    create: (budget) =>
      writer.run(() => {
        const createdMs = freshMoment(database, budget.createdMs);
        return shown({ ref: insertBudget(database, book, { ...budget, createdMs }) });
      }),
    get(id) {
      const row = refs(eq(budgets.id, id), 1)[0];
      return row ? shown(row) : null;
    },
    list(query) {
      const limit = pageSize(query);
      const scope = query.scope && and(eq(budgets.scopeKind, query.scope.kind), eq(budgets.scopeId, query.scope.id));
      const rows = refs(and(lt(budgets.ref, cursorOf(query)), scope), limit + 1);
      return pageOf(rows, limit, (row) => row.ref, shown);
    },
    remove: (id) =>
      writer.run(() => {
        const row = refs(eq(budgets.id, id), 1)[0];
        if (!row) return false;
        database.update(budgets).set({ removedMs: now() }).where(eq(budgets.ref, row.ref)).run();
        book.remove(row.ref);
        return true;
      }),
  };
}

/** Inside a transaction. Returns the new budget's reference. */
export function insertBudget(database: SqliteDatabase, book: BudgetBook, budget: NewBudget): number {
  const row = database
    .insert(budgets)
    .values({
      id: budget.id,
      scopeKind: budget.scope.kind,
      scopeId: budget.scope.id,
      window: budget.window,
      limitNano: budget.limitNano,
      createdMs: budget.createdMs,
    })
    .returning({ ref: budgets.ref })
    .all()[0];
  if (!row) throw new Error("the new budget has no row");
  book.add({ ref: row.ref, ...budget });
  return row.ref;
}
