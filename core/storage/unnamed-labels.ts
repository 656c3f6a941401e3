import { sql, type SQL } from "drizzle-orm";
import type { SQLiteColumn } from "drizzle-orm/sqlite-core";
import { attemptsHourly } from "./schema/sqlite-attempts.ts";
import { adjustments } from "./schema/sqlite-book.ts";
import {
  attempts,
  callBlocks,
  calls,
  labels,
  latencyHourly,
  openCalls,
  totalsDaily,
  totalsHourly,
  usageDaily,
  usageHourly,
} from "./schema/sqlite.ts";
import type { SqliteDatabase } from "./sqlite-database.ts";

const ofCalls = ({ principalRef, dialectRef, operationRef, modelRef, ...table }: typeof calls | typeof openCalls) => [
  principalRef,
  dialectRef,
  operationRef,
  modelRef,
  table.providerRef,
  table.upstreamModelRef,
  table.priceVersionRef,
  table.labelsRef,
];
const ofSums = ({ modelRef, providerRef }: Record<"modelRef" | "providerRef", SQLiteColumn>) => [modelRef, providerRef];

/** All that name a label, besides those of callers without a key, which `usage_*.key_ref` names by their negation. */
export const labelColumns: readonly SQLiteColumn[] = [
  ...ofCalls(openCalls),
  ...ofCalls(calls),
  calls.finishRef,
  attempts.providerRef,
  attempts.upstreamModelRef,
  adjustments.priceVersionRef,
  ...[totalsHourly, totalsDaily, usageHourly, usageDaily].flatMap(ofSums),
  latencyHourly.providerRef,
  attemptsHourly.providerRef,
  attemptsHourly.upstreamModelRef,
];

/**
 * Deletes the labels that nothing names: callers and price versions of calls that are gone for their age. Reads the whole
 * database, and memory must hold no reference: not while it serves.
 */
export function deleteUnnamedLabels(database: SqliteDatabase): void {
  const named: SQL[] = [
    ...labelColumns.map((column) => sql`select ${column} from ${column.table} where ${column} is not null`),
    ...[usageHourly, usageDaily].map(({ keyRef }) => sql`select -${keyRef} from ${keyRef.table} where ${keyRef} < 0`),
    sql`select ${callBlocks.ref} from ${callBlocks} where ${callBlocks.field} in ('model', 'provider')`,
  ];
  database.run(sql`delete from ${labels} where ${labels.ref} not in (${sql.join(named, sql` union `)})`);
}
