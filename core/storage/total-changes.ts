import type { SqliteClient } from "../runtime/sqlite.ts";

/** Rows that this connection has written so far, whether or not they were committed: while it stays, nothing is written. */
export function totalChanges(client: SqliteClient): () => unknown {
  const statement = client.prepare("SELECT total_changes()");
  return () => statement.values()[0]?.[0];
}
