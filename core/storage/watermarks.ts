import { eq } from "drizzle-orm";
import { watermarks } from "./schema/sqlite.ts";
import type { SqliteDatabase } from "./sqlite-database.ts";

/** The rows of `watermarks`. In a database from before there were rollups, theirs may be behind. */
export type Mark = "rollups" | "blocks";

/** The greatest `seq` that is in them; calls beyond are in none of it yet. */
export const watermarkOf = (database: SqliteDatabase, mark: Mark): number =>
  database.select({ seq: watermarks.seq }).from(watermarks).where(eq(watermarks.name, mark)).all()[0]?.seq ?? 0;
