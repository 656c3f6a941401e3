import { setImmediate } from "node:timers/promises";
import { and, eq, lt, sql } from "drizzle-orm";
import type { SqliteClient } from "../runtime/sqlite.ts";
import { adding } from "./adding.ts";
import { type HotStatement, hotStatement, placeholders, type Row } from "./hot-statement.ts";
import { attemptCounts } from "./attempt-fold.ts";
import { dayMs, startOfDay } from "./range-parts.ts";
import { attemptsHourly } from "./schema/sqlite-attempts.ts";
import type { Fold, UsageSumRow } from "./rollup-fold.ts";
import {
  callBlocks,
  latencyHourly,
  totalsDaily,
  totalsHourly,
  usageDaily,
  usageHourly,
  watermarks,
} from "./schema/sqlite.ts";
import type { SqliteDatabase } from "./sqlite-database.ts";
import { type Mark, watermarkOf } from "./watermarks.ts";

/** Adds folds to the rollups and the blocks. Inside a transaction. */
export interface RollupWriter {
  /** Builds the statements, a few ms in a turn of the event loop; else the first fold does, all at once. */
  prepare(): Promise<void>;
  /** `false`: the rollups have moved on since, and nothing was done. */
  add(fold: Fold): boolean;
  /** Adds sums by hour to those of calls that are folded already. */
  adjust(sums: readonly UsageSumRow[]): void;
}

export function rollupWriter(client: SqliteClient, database: SqliteDatabase): RollupWriter {
  let made: ReturnType<typeof statementsOf> | null = null;
  // Not at the start, which they would make a tenth longer.
  const statements = () => (made ??= statementsOf(client, database));
  const marks: readonly Mark[] = ["rollups", "blocks"];

  /** By hour, each hour and owner once; the days and the totals are sums of these. */
  function addUsage(hourly: readonly UsageSumRow[]) {
    const daily = hourly.map((row) => ({ ...row, startMs: startOfDay(row.startMs) }));
    runAll(statements().usageHourly, hourly);
    runAll(statements().usageDaily, merged(daily, usageKey));
    runAll(statements().totalsHourly, merged(hourly, totalsKey));
    runAll(statements().totalsDaily, merged(daily, totalsKey));
  }

  function addAttempts(rows: Fold["attempts"]) {
    runAll(statements().attempts, rows);
    // Of each provider that has calls: none has more than its last weeks.
    for (const [providerRef, own] of Map.groupBy(rows, (row) => row.providerRef))
      statements().forget.run({
        providerRef,
        beforeMs: Math.max(...own.map(({ startMs }) => startMs)) - attemptsKeptMs,
      });
  }

  return {
    async prepare() {
      for (const statement of Object.values(statements())) {
        statement.prepare();
        await setImmediate();
      }
    },
    adjust: (sums) => addUsage(merged(sums, usageKey)),
    add(fold) {
      if (watermarkOf(database, "rollups") !== fold.from) return false;
      addUsage(fold.usage);
      runAll(statements().latency, fold.latency);
      addAttempts(fold.attempts);
      runAll(statements().note, fold.blocks);
      for (const mark of marks) statements().move.run({ mark, seq: fold.through });
      return true;
    },
  };
}

function statementsOf(client: SqliteClient, database: SqliteDatabase) {
  const ofTotals = (table: typeof totalsHourly | typeof totalsDaily) =>
    adding(client, database, table, [table.startMs, table.modelRef, table.providerRef, table.status], sumNames);
  const ofUsage = (table: typeof usageHourly | typeof usageDaily) =>
    adding(
      client,
      database,
      table,
      [table.startMs, table.accountRef, table.keyRef, table.modelRef, table.providerRef, table.status],
      sumNames,
    );
  const forget = hotStatement(
    client,
    database
      .delete(attemptsHourly)
      .where(
        and(
          eq(attemptsHourly.providerRef, sql.placeholder("providerRef")),
          lt(attemptsHourly.startMs, sql.placeholder("beforeMs")),
        ),
      ),
  );
  const note = hotStatement(client, database.insert(callBlocks).values(placeholders(callBlocks)).onConflictDoNothing());
  // Never back: the blocks may be ahead of the rollups.
  const move = hotStatement(
    client,
    database
      .insert(watermarks)
      .values({ name: sql.placeholder("mark"), seq: sql.placeholder("seq") })
      .onConflictDoUpdate({ target: watermarks.name, set: { seq: sql`max(${watermarks.seq}, excluded.seq)` } }),
  );
  return {
    totalsHourly: ofTotals(totalsHourly),
    totalsDaily: ofTotals(totalsDaily),
    usageHourly: ofUsage(usageHourly),
    usageDaily: ofUsage(usageDaily),
    latency: adding(
      client,
      database,
      latencyHourly,
      [latencyHourly.startMs, latencyHourly.measure, latencyHourly.providerRef, latencyHourly.upToMs],
      ["calls"],
    ),
    attempts: adding(
      client,
      database,
      attemptsHourly,
      [attemptsHourly.providerRef, attemptsHourly.startMs, attemptsHourly.upstreamModelRef],
      attemptCounts,
    ),
    forget,
    note,
    move,
  };
}

/** Charts go back a week. */
const attemptsKeptMs = 35 * dayMs;

export const sumNames = [
  "calls",
  "inputTokens",
  "outputTokens",
  "cacheReadTokens",
  "cacheWriteTokens",
  "reasoningTokens",
  "costNano",
  "chargeNano",
] as const;

const usageKey = (row: UsageSumRow) =>
  `${row.startMs} ${row.accountRef} ${row.keyRef} ${row.modelRef} ${row.providerRef} ${row.status}`;
const totalsKey = (row: UsageSumRow) => `${row.startMs} ${row.modelRef} ${row.providerRef} ${row.status}`;

/** Rows with the same key as one: fewer to write. What no number would hold is another row, which SQLite adds. */
function merged(rows: readonly UsageSumRow[], keyOf: (row: UsageSumRow) => string): UsageSumRow[] {
  const found = new Map<string, Record<(typeof sumNames)[number], number> & UsageSumRow>();
  const full: UsageSumRow[] = [];
  for (const row of rows) {
    const key = keyOf(row);
    const sums = found.get(key);
    const fits = sums === undefined || sumNames.every((name) => Number.isSafeInteger(sums[name] + row[name]));
    if (sums !== undefined && fits) for (const name of sumNames) sums[name] += row[name];
    else {
      if (sums) full.push(sums);
      found.set(key, { ...row });
    }
  }
  return [...full, ...found.values()];
}

function runAll(statement: HotStatement, rows: readonly Row[]): void {
  for (const row of rows) statement.run(row);
}
