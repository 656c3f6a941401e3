import { eq } from "drizzle-orm";
import { calls, openCalls } from "./schema/sqlite.ts";
import type { SqliteDatabase } from "./sqlite-database.ts";

/**
 * From when on a change counts: now, or the next millisecond when a call has started in this one, because that call was
 * admitted without it. Inside a transaction.
 */
export function freshMoment(database: SqliteDatabase, nowMs: number): number {
  const startedThen = (table: typeof calls | typeof openCalls) =>
    database.select({ id: table.id }).from(table).where(eq(table.createdMs, nowMs)).limit(1).all().length > 0;
  return startedThen(openCalls) || startedThen(calls) ? nowMs + 1 : nowMs;
}
