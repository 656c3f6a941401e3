import { getTableColumns, is, Param, Placeholder, type Query, sql } from "drizzle-orm";
import type { SQLiteTable } from "drizzle-orm/sqlite-core";
import type { SqliteClient } from "../runtime/sqlite.ts";

/** Values by the names of the query's placeholders. */
export type Row = Readonly<Record<string, unknown>>;

export interface HotStatement {
  /** Builds it now. */
  prepare(): void;
  run(row: Row): void;
  /** The first column of the first row; `undefined` when there is none. */
  value(row: Row): unknown;
}

/**
 * A Drizzle query for the path of every call: built once, with its first run, for a start has no time for it, and bound
 * by position. Drizzle's own `prepare` walks its encoders at each run, which costs more than SQLite's part. Values must
 * be what SQLite takes: numbers, text, booleans, NULL.
 */
export function hotStatement(client: SqliteClient, query: { toSQL(): Pick<Query, "sql" | "params"> }): HotStatement {
  let made: ReturnType<typeof bound> | null = null;
  return {
    prepare: () => void (made ??= bound(client, query)),
    run: (row) => (made ??= bound(client, query)).run(row),
    value: (row) => (made ??= bound(client, query)).value(row),
  };
}

/** One placeholder a column, by its own name: the statement is built once, and a row is bound as it is. */
export function placeholders<Table extends SQLiteTable, Left extends string = never>(
  table: Table,
  leave: readonly Left[] = [],
): Record<Exclude<keyof Table["_"]["columns"] & string, Left>, ReturnType<typeof sql.placeholder>> {
  const names = Object.keys(getTableColumns(table)).filter((name) => !leave.some((left) => left === name));
  // The record's keys are exactly the table's columns less `leave`, which Object.fromEntries cannot express.
  return Object.fromEntries(names.map((name) => [name, sql.placeholder(name)])) as never;
}

function bound(
  client: SqliteClient,
  query: { toSQL(): Pick<Query, "sql" | "params"> },
): Pick<HotStatement, "run" | "value"> {
  const { sql: text, params } = query.toSQL();
  const names = params.map(placeholderName);
  const statement = client.prepare(text);
  // One for all runs: a driver is done with it when it returns. Constants stay where they are.
  const values: unknown[] = [...params];
  const bind = (row: Row) => {
    for (let at = 0; at < names.length; at++) {
      const name = names[at];
      if (name !== null && name !== undefined) values[at] = row[name];
    }
    return values;
  };
  // The array as it is: spread out, a driver gathers the values into one again.
  return {
    run: (row) => void statement.run(bind(row)),
    value: (row) => statement.values(bind(row))[0]?.[0],
  };
}

/** `null`: a constant of the query. */
function placeholderName(param: unknown): string | null {
  const inner = is(param, Param) ? param.value : param;
  return is(inner, Placeholder) ? inner.name : null;
}
