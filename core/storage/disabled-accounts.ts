import { eq } from "drizzle-orm";
import { accounts } from "./schema/sqlite.ts";
import { disabledAccounts as table } from "./schema/sqlite-disabled.ts";
import type { SqliteDatabase } from "./sqlite-database.ts";

/** The accounts that take no calls, by id. All of them are in memory: they are few, and each call asks. */
export interface DisabledAccounts {
  has(id: string): boolean;
  /** Inside a transaction. */
  put(account: { readonly ref: number; readonly id: string }, disabled: boolean, atMs: number): void;
  /** After a rollback. */
  reload(): void;
}

export function disabledAccounts(database: SqliteDatabase): DisabledAccounts {
  const read = () =>
    database.select({ id: accounts.id }).from(table).innerJoin(accounts, eq(accounts.ref, table.accountRef)).all();
  let ids = new Set(read().map(({ id }) => id));

  return {
    has: (id) => ids.has(id),
    put({ ref, id }, disabled, atMs) {
      if (disabled) {
        database.insert(table).values({ accountRef: ref, sinceMs: atMs }).onConflictDoNothing().run();
        ids.add(id);
      } else {
        database.delete(table).where(eq(table.accountRef, ref)).run();
        ids.delete(id);
      }
    },
    reload() {
      ids = new Set(read().map(({ id }) => id));
    },
  };
}
