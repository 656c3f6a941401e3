import { sql } from "drizzle-orm";
import type { SqliteClient } from "../runtime/sqlite.ts";
import { hotStatement } from "./hot-statement.ts";
import { placeholders } from "./repositories/call-writer.ts";
import { purgedSpent } from "./schema/sqlite-upkeep.ts";
import type { SqliteDatabase } from "./sqlite-database.ts";

/** Adds to what a row of a budget has spent besides the calls that its moments say. Inside a transaction. */
export type SpentBesides = (row: typeof purgedSpent.$inferSelect) => void;

export function spentBesides(client: SqliteClient, database: SqliteDatabase): SpentBesides {
  const add = hotStatement(
    client,
    database
      .insert(purgedSpent)
      .values(placeholders(purgedSpent))
      .onConflictDoUpdate({
        target: [purgedSpent.budgetRef, purgedSpent.startMs],
        set: { spentNano: sql`${purgedSpent.spentNano} + excluded.spent_nano` },
      }),
  );
  return (row) => {
    if (row.spentNano !== 0) add.run(row);
  };
}
