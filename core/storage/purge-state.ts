import { asc, eq, gte } from "drizzle-orm";
import { purges } from "./schema/sqlite-upkeep.ts";
import { calls } from "./schema/sqlite.ts";
import type { SqliteDatabase } from "./sqlite-database.ts";

export type PurgeState = typeof purges.$inferSelect;

/** `null`: no call has been deleted for its age. */
export const purgeState = (database: SqliteDatabase): PurgeState | null =>
  database.select().from(purges).where(eq(purges.id, 1)).all()[0] ?? null;

/** Before this only whole hours are known, because the calls may be gone; 0: all calls are there. */
export const purgedBefore = (database: SqliteDatabase): number => purgeState(database)?.beforeMs ?? 0;

/** When the oldest call that is kept was admitted; `null`: there is none. */
export const oldestCall = (database: SqliteDatabase): number | null =>
  database
    .select({ ms: calls.createdMs })
    .from(calls)
    .where(gte(calls.createdMs, 0))
    .orderBy(asc(calls.createdMs))
    .limit(1)
    .all()[0]?.ms ?? null;
