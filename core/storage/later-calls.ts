import { eq, gte, max, type SQL } from "drizzle-orm";
import type { AccountTree } from "./account-tree.ts";
import type { BudgetBook } from "./budget-book.ts";
import { type CountedRow, rowsOf } from "./counting.ts";
import { callRows, chargedOf } from "./purge-plan.ts";
import { calls, openCalls } from "./schema/sqlite.ts";
import { besideSums, type SpentBesides } from "./spent-besides.ts";
import type { SqliteDatabase } from "./sqlite-database.ts";

/**
 * Calls that a change found there although, by the clock, they start after it: the clock was set back in between. They stay
 * counted where they are, though their moments say another place since the change: the difference is kept beside them.
 */
export interface LaterCalls {
  /** Inside a transaction. `change` alters which rows of budgets count calls that start at `fromMs` or later. */
  stay<T>(fromMs: number, change: () => T): T;
  /** One that is admitted counts elsewhere than its moment says: on the line that its account has had since a later one. */
  expect(startedMs: number): void;
  /** Whether a call that starts then may be one of those, or of those that were in flight. */
  include(startedMs: number): boolean;
  /** Inside the transaction that recorded the end of such a call: `counted` has its charge now. */
  ended(callId: string, counted: readonly CountedRow[]): void;
}

interface LaterDependencies {
  readonly database: SqliteDatabase;
  readonly book: BudgetBook;
  readonly tree: AccountTree;
  readonly addBesides: SpentBesides;
}

export function laterCalls({ database, book, tree, addBesides }: LaterDependencies): LaterCalls {
  const lastOpen = () =>
    database
      .select({ startedMs: max(openCalls.createdMs) })
      .from(openCalls)
      .all()[0]?.startedMs ?? -1;
  const isAnySince = (fromMs: number) =>
    database.select({ seq: calls.seq }).from(calls).where(gte(calls.createdMs, fromMs)).limit(1).all().length > 0;
  // Of calls of an earlier process it is not known what was changed while they were in flight.
  let lastOpenMs = lastOpen();

  const charged = (where: SQL) => chargedOf(callRows(database, where).all());

  return {
    stay(fromMs, change) {
      const openMs = lastOpen();
      if (openMs >= fromMs) lastOpenMs = Math.max(lastOpenMs, openMs);
      // Nearly always there are none: then no more than an index is asked.
      const found = isAnySince(fromMs) ? charged(gte(calls.createdMs, fromMs)) : [];
      const besides = besideSums();
      for (const call of found) besides.add(rowsOf(call, book, tree), call.chargeNano);
      const made = change();
      for (const call of found) besides.add(rowsOf(call, book, tree), -call.chargeNano);
      besides.write(addBesides);
      return made;
    },
    expect: (startedMs) => void (lastOpenMs = Math.max(lastOpenMs, startedMs)),
    include: (startedMs) => startedMs <= lastOpenMs,
    ended(callId, counted) {
      const besides = besideSums();
      for (const call of charged(eq(calls.id, callId))) {
        besides.add(counted, call.chargeNano);
        besides.add(rowsOf(call, book, tree), -call.chargeNano);
      }
      besides.write(addBesides);
    },
  };
}
