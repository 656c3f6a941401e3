import { type Column, eq, gte, max, sql } from "drizzle-orm";
import type { AccountTree } from "./account-tree.ts";
import { adjustedMoney } from "./adjusted.ts";
import type { BudgetBook } from "./budget-book.ts";
import { aheadIn, aheadJson, type CountedCall, type CountedRow, rowsOf } from "./counting.ts";
import { callRows, chargedOf } from "./purge-plan.ts";
import { labelAliases } from "./repositories/label-joins.ts";
import { accountLines, accounts, budgets, budgetWindows, calls, keys, openCalls } from "./schema/sqlite.ts";
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

  return {
    stay(fromMs, change) {
      const openMs = lastOpen();
      if (openMs >= fromMs) lastOpenMs = Math.max(lastOpenMs, openMs);
      // Nearly always there are none: then no more than an index is asked.
      const found = isAnySince(fromMs) ? alikeSince(database, fromMs) : [];
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
      for (const call of chargedOf(callRows(database, eq(calls.id, callId)).all())) {
        besides.add(counted, call.chargeNano);
        besides.add(rowsOf(call, book, tree), -call.chargeNano);
      }
      besides.write(addBesides);
    },
  };
}

/**
 * What was charged for calls that start then or later, those that count alike as one: a million may be ahead of a clock that
 * was set back under load. They differ in their moment alone, and nothing begins or ends in the minute that it is in:
 * windows begin with a minute in every time zone, and in which minutes a reset, a budget or a line of accounts does is asked.
 */
function alikeSince(database: SqliteDatabase, fromMs: number): (CountedCall & { readonly chargeNano: number })[] {
  const { model, provider, upstreamModel } = labelAliases();
  const minute = sql`${calls.createdMs} / 60000`;
  const within = (moment: Column) =>
    sql`select ${moment} / 60000 from ${moment.table} where ${moment} >= ${fromMs} and ${moment} % 60000 <> 0`;
  const parted = [
    budgets.createdMs,
    budgets.resetMs,
    budgetWindows.startMs,
    accountLines.fromMs,
    accountLines.untilMs,
  ].map(within);
  const alike = sql`case when ${minute} in (${sql.join(parted, sql` union all `)}) then ${calls.createdMs} end`;
  const { accountRef, keyRef, modelRef, providerRef, upstreamModelRef } = calls;
  return database
    .select({
      createdMs: sql<number>`min(${calls.createdMs})`,
      accountId: accounts.id,
      keyId: keys.id,
      model: model.text,
      provider: provider.text,
      upstreamModel: upstreamModel.text,
      ahead: aheadJson,
      chargeNano: sql<number>`coalesce(sum(${adjustedMoney.chargeNano}), 0)`,
    })
    .from(calls)
    .innerJoin(accounts, eq(accounts.ref, accountRef))
    .leftJoin(keys, eq(keys.ref, keyRef))
    .innerJoin(model, eq(model.ref, modelRef))
    .innerJoin(provider, eq(provider.ref, providerRef))
    .innerJoin(upstreamModel, eq(upstreamModel.ref, upstreamModelRef))
    .where(gte(calls.createdMs, fromMs))
    .groupBy(accountRef, keyRef, modelRef, providerRef, upstreamModelRef, aheadJson, minute, alike)
    .all()
    .map(({ ahead, ...call }) => ({ ...call, ahead: aheadIn(ahead) }));
}
