import { clearInterval, setInterval } from "node:timers";
import { and, eq, isNotNull, isNull, max } from "drizzle-orm";
import { budgets, windowStarts } from "./schema/sqlite.ts";
import type { SqliteDatabase } from "./sqlite-database.ts";
import { windowAt } from "./windows.ts";
import type { BudgetWindow } from "./budget.ts";
import type { GroupCommit } from "./group-commit.ts";
import { dayMs } from "./range-parts.ts";

/** How far ahead the starts of windows are noted. */
const aheadMs = 800 * dayMs;
/** They are noted again when they reach no further than this. */
const leastAheadMs = 400 * dayMs;

/** Notes for the views and proofs when the windows of a time zone start, from the one of `nowMs` on. */
export function noteStarts(database: SqliteDatabase, window: BudgetWindow, timeZone: string, nowMs: number): void {
  const rows: (typeof windowStarts.$inferInsert)[] = [];
  for (let atMs: number | null = nowMs; atMs !== null && atMs < nowMs + aheadMs;) {
    const { rowMs, endMs } = windowAt({ window, timeZone, resetMs: 0 }, atMs);
    rows.push({ timeZone, window, startMs: rowMs });
    atMs = endMs;
  }
  // SQLite takes 32,766 values in one statement, and these are three a row.
  database.insert(windowStarts).values(rows).onConflictDoNothing().run();
}

/** At the start of a process, and every day while it runs. Returns what ends that. */
export function keepStarts(
  writer: GroupCommit,
  database: SqliteDatabase,
  now: () => number,
  everyMs = dayMs,
): () => void {
  extendStarts(database, now());
  const timer = setInterval(() => {
    // One that fails, because the disk is full say, has a year of days left to be made up for.
    void writer.run(() => extendStarts(database, now())).catch(() => {});
  }, everyMs).unref();
  return () => clearInterval(timer);
}

/** For every budget with a time zone. Inside a transaction, or before there is any. */
function extendStarts(database: SqliteDatabase, nowMs: number): void {
  const used = database
    .selectDistinct({ window: budgets.window, timeZone: budgets.timeZone })
    .from(budgets)
    .where(and(isNotNull(budgets.timeZone), isNull(budgets.removedMs)))
    .all();
  for (const { window, timeZone } of used) {
    if (timeZone === null) continue;
    const noted = database
      .select({ lastMs: max(windowStarts.startMs) })
      .from(windowStarts)
      .where(and(eq(windowStarts.timeZone, timeZone), eq(windowStarts.window, window)))
      .all()[0];
    // The column is written from a BudgetWindow only.
    if ((noted?.lastMs ?? 0) < nowMs + leastAheadMs) noteStarts(database, window as BudgetWindow, timeZone, nowMs);
  }
}
