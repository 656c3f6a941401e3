import { desc, eq, lte } from "drizzle-orm";
import type { adjustments } from "./schema/sqlite-book.ts";
import { type calls, watermarks } from "./schema/sqlite.ts";
import type { SqliteDatabase } from "./sqlite-database.ts";

/** The rows of `watermarks`. In a database from before there were rollups, theirs may be behind. */
export type Mark = "rollups" | "blocks";

/** The greatest `seq` that is in them; calls beyond are in none of it yet. */
export const watermarkOf = (database: SqliteDatabase, mark: Mark): number =>
  database.select({ seq: watermarks.seq }).from(watermarks).where(eq(watermarks.name, mark)).all()[0]?.seq ?? 0;

/** The greatest `seq` there is; 0: there is none. */
export const newestOf = (database: SqliteDatabase, table: typeof calls | typeof adjustments): number =>
  database
    .select({ seq: table.seq })
    .from(table)
    // With a bound it is a search.
    .where(lte(table.seq, Number.MAX_SAFE_INTEGER))
    .orderBy(desc(table.seq))
    .limit(1)
    .all()[0]?.seq ?? 0;
