import type { SqliteClient } from "../../core/runtime/sqlite.ts";

/** A client that keeps the SQL of every statement it prepares. */
export function recording(client: SqliteClient): { readonly client: SqliteClient; readonly statements: Set<string> } {
  const statements = new Set<string>();
  return {
    statements,
    client: {
      exec: (sql) => client.exec(sql),
      transaction: (work) => client.transaction(work),
      close: () => client.close(),
      prepare: (sql) => (statements.add(sql), client.prepare(sql)),
    },
  };
}

interface Instruction {
  readonly opcode: string;
  readonly p1: number;
  readonly p2: number;
  readonly p3: number;
}

/**
 * The tables that a statement reads from end to end, itself or through one of their indexes. Read from SQLite's own
 * program: a loop over a whole b-tree starts with `Rewind` or `Last`, a search with a `Seek…` or by row id. The words of
 * EXPLAIN QUERY PLAN would do, but they name a table by its alias, and in the views two tables have the same.
 */
export function scannedTables(client: SqliteClient, sql: string): string[] {
  const roots = new Map(
    // Both columns are declared so in sqlite_master.
    client.prepare("SELECT rootpage, tbl_name FROM sqlite_master WHERE rootpage > 0").values() as [number, string][],
  );
  const program = client.prepare(`EXPLAIN ${sql}`).all() as Instruction[];
  const cursors = new Map<number, string>();
  const scanned = new Set<string>();
  for (const { opcode, p1, p2, p3 } of program) {
    const opens = (opcode === "OpenRead" || opcode === "ReopenIdx") && p3 === 0;
    if (opens) cursors.set(p1, roots.get(p2) ?? `the tree at page ${p2}`);
    const table = cursors.get(p1);
    if (table !== undefined && (opcode === "Rewind" || opcode === "Last")) scanned.add(table);
  }
  return [...scanned];
}

/** The words of EXPLAIN QUERY PLAN. */
export const planOf = (client: SqliteClient, sql: string): string[] =>
  // The column is text in every version of SQLite.
  (client.prepare(`EXPLAIN QUERY PLAN ${sql}`).all() as { readonly detail: string }[]).map(({ detail }) => detail);
