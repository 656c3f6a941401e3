import type { SqliteClient } from "../runtime/sqlite.ts";
import { adding } from "./adding.ts";
import type { CountedRow } from "./counting.ts";
import { purgedSpent } from "./schema/sqlite-upkeep.ts";
import type { SqliteDatabase } from "./sqlite-database.ts";

/** Adds to what a row of a budget has spent besides the calls that its moments say. Inside a transaction. */
export type SpentBesides = (row: typeof purgedSpent.$inferSelect) => void;

export function spentBesides(client: SqliteClient, database: SqliteDatabase): SpentBesides {
  const add = adding(client, database, purgedSpent, [purgedSpent.budgetRef, purgedSpent.startMs], ["spentNano"]);
  return (row) => {
    if (row.spentNano !== 0) add.run(row);
  };
}

/** What many calls make of such rows, a row as one: fewer to write. */
export function besideSums() {
  const sums = new Map<string, { readonly budgetRef: number; readonly startMs: number; spentNano: number }>();
  return {
    add(rows: readonly CountedRow[], nano: number): void {
      for (const { ref, startMs } of rows) {
        const key = `${ref} ${startMs}`;
        const sum = sums.get(key);
        if (sum) sum.spentNano += nano;
        else sums.set(key, { budgetRef: ref, startMs, spentNano: nano });
      }
    },
    write(addBesides: SpentBesides): void {
      for (const sum of sums.values()) addBesides(sum);
    },
  };
}
