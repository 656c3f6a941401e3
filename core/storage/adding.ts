import { sql } from "drizzle-orm";
import type { SQLiteColumn, SQLiteTable } from "drizzle-orm/sqlite-core";
import type { SqliteClient } from "../runtime/sqlite.ts";
import { type HotStatement, hotStatement, placeholders } from "./hot-statement.ts";
import type { SqliteDatabase } from "./sqlite-database.ts";

/** Writes a row; where there is one with the same `key`, adds to its `sums` and leaves the rest of it as it is. */
export const adding = (
  client: SqliteClient,
  database: SqliteDatabase,
  table: SQLiteTable,
  key: SQLiteColumn[],
  sums: readonly string[],
): HotStatement =>
  hotStatement(
    client,
    database
      .insert(table)
      // One placeholder a column, by its own name, which is what the table's insert model asks for.
      .values(placeholders(table) as never)
      .onConflictDoUpdate({
        target: key,
        set: Object.fromEntries(sums.map((name) => [name, added(table, name)])) as never,
      }),
  );

function added(table: SQLiteTable, name: string) {
  // Every name is a column of every table that is summed.
  const column = (table as unknown as Readonly<Record<string, SQLiteColumn>>)[name];
  if (column === undefined) throw new Error(`no column ${name}`);
  return sql`${column} + excluded.${sql.identifier(column.name)}`;
}
