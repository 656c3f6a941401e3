import { integer, sqliteTable } from "drizzle-orm/sqlite-core";

/** Accounts on which, and below which, no call is taken; a row as long as that holds. */
export const disabledAccounts = sqliteTable("disabled_accounts", {
  accountRef: integer("account_ref").primaryKey(),
  sinceMs: integer("since_ms").notNull(),
});
