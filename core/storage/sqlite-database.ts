import { SQLiteBunSession } from "drizzle-orm/bun-sqlite/session";
import { BaseSQLiteDatabase, SQLiteSyncDialect } from "drizzle-orm/sqlite-core";
import type { SqliteClient } from "../runtime/sqlite.ts";

/** Drizzle over our own client, so that one code path serves bun:sqlite and node:sqlite. */
export class SqliteDatabase extends BaseSQLiteDatabase<"sync", void> {}

export function sqliteDatabase(client: SqliteClient): SqliteDatabase {
  const dialect = new SQLiteSyncDialect();
  // Drizzle has no public way to a session over another driver; the client has every method that this session calls.
  const session = new SQLiteBunSession(client as never, dialect, undefined, {}) as never;
  return new SqliteDatabase("sync", dialect, session, undefined);
}
