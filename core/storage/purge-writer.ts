import { and, between, eq, gt, lte, sql } from "drizzle-orm";
import type { SqliteClient } from "../runtime/sqlite.ts";
import type { AccountTree } from "./account-tree.ts";
import { adding } from "./adding.ts";
import type { Tell } from "./audit-writer.ts";
import type { BudgetBook } from "./budget-book.ts";
import { isForgotten, rowsOf } from "./counting.ts";
import { hotStatement, placeholders } from "./hot-statement.ts";
import type { PurgePlan } from "./purge-plan.ts";
import { purgeState } from "./purge-state.ts";
import { sumNames } from "./rollup-writer.ts";
import { adjustments } from "./schema/sqlite-book.ts";
import { purgedCalls, purgedKeys, purges } from "./schema/sqlite-upkeep.ts";
import { attempts, callBlocks, calls } from "./schema/sqlite.ts";
import { besideSums, type SpentBesides } from "./spent-besides.ts";
import type { SqliteDatabase } from "./sqlite-database.ts";
import { newestOf } from "./watermarks.ts";

/** Deletes calls that are too old. Inside a transaction. */
export interface PurgeWriter {
  /** `false`: something has changed since the plan was made, and nothing was done. */
  remove(plan: PurgePlan, nowMs: number, tell: Tell): boolean;
}

export interface PurgeDependencies {
  readonly client: SqliteClient;
  readonly database: SqliteDatabase;
  readonly book: BudgetBook;
  readonly tree: AccountTree;
  readonly addBesides: SpentBesides;
}

export function purgeWriter({ client, database, book, tree, addBesides }: PurgeDependencies): PurgeWriter {
  const addSums = adding(client, database, purgedCalls, [purgedCalls.startMs, purgedCalls.accountRef], sumNames);
  const noteUse = hotStatement(
    client,
    database
      .insert(purgedKeys)
      .values(placeholders(purgedKeys))
      .onConflictDoUpdate({
        target: purgedKeys.keyRef,
        set: { lastUsedMs: sql`max(${purgedKeys.lastUsedMs}, excluded.last_used_ms)` },
      }),
  );
  const forget = hotStatement(
    client,
    database
      .delete(callBlocks)
      .where(
        and(
          eq(callBlocks.field, sql.placeholder("field")),
          eq(callBlocks.ref, sql.placeholder("ref")),
          eq(callBlocks.block, sql.placeholder("block")),
        ),
      ),
  );

  function addSpent({ charged }: PurgePlan, nowMs: number) {
    const sums = besideSums();
    for (const call of charged) {
      const counted = rowsOf(call, book, tree).filter((row) => !isForgotten(row, book, nowMs));
      sums.add(counted, call.chargeNano);
    }
    sums.write(addBesides);
  }

  return {
    remove(plan, nowMs, tell) {
      const { from, through, beforeMs, newestSeq } = plan;
      const state = purgeState(database);
      if ((state?.throughSeq ?? 0) !== from) return false;
      if (newestOf(database, adjustments) !== plan.adjustmentSeq) return false;
      if (newestSeq !== null && newestOf(database, calls) !== newestSeq) return false;
      for (const row of plan.sums) addSums.run(row);
      addSpent(plan, nowMs);
      for (const row of plan.keys) noteUse.run(row);
      for (const row of plan.blocks) forget.run(row);
      database
        .delete(attempts)
        .where(between(attempts.callSeq, from + 1, through))
        .run();
      database
        .delete(calls)
        .where(and(gt(calls.seq, from), lte(calls.seq, through)))
        .run();
      const done = {
        id: 1,
        throughSeq: through,
        beforeMs: Math.max(beforeMs, state?.beforeMs ?? 0),
        calls: plan.sums.reduce((sum, row) => sum + row.calls, state?.calls ?? 0),
        lastMs: nowMs,
      };
      // Once a day, before its first calls go.
      if (done.beforeMs !== state?.beforeMs)
        tell({
          action: "calls.purge",
          object: { kind: "calls", id: null },
          accountId: null,
          before: null,
          after: { beforeMs },
        });
      database.insert(purges).values(done).onConflictDoUpdate({ target: purges.id, set: done }).run();
      return true;
    },
  };
}
