import { max } from "drizzle-orm";
import { openCalls } from "./schema/sqlite.ts";
import type { SqliteDatabase } from "./sqlite-database.ts";

/** The places of open calls that nobody has. Inside a transaction, as its rows are written and deleted. */
export interface OpenSlots {
  take(): number;
  give(slot: number): void;
  /** After a rollback, for what was taken and given is not known then: places below the highest row are left empty. */
  reload(): void;
}

export function openSlots(database: SqliteDatabase): OpenSlots {
  const highest = () =>
    database
      .select({ slot: max(openCalls.slot) })
      .from(openCalls)
      .all()[0]?.slot ?? 0;
  let last = highest();
  let free: number[] = [];
  return {
    // The one given last: its page is at hand.
    take: () => free.pop() ?? ++last,
    give: (slot) => void free.push(slot),
    reload() {
      last = highest();
      free = [];
    },
  };
}
