import { Database as BunDatabase } from "bun:sqlite";
import { afterAll, expect } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Database } from "../../core/storage/database.ts";
import { openSqliteDatabase } from "../../core/storage/sqlite.ts";
import { startMs } from "../contract/storage-samples.ts";

/** A folder of this test file's own, gone when the file is done. */
export function temporaryFolder(): { readonly path: string; readonly file: (name?: string) => string } {
  const path = mkdtempSync(join(tmpdir(), "llm-proxy-storage-"));
  let made = 0;
  afterAll(() => rmSync(path, { recursive: true, force: true }));
  return { path, file: (name = `${(made += 1)}.db`) => join(path, name) };
}

export const openAt = (
  path: string,
  now: () => number = () => startMs,
  onBackup: (path: string) => void = () => {},
): Promise<Database> => openSqliteDatabase({ path, synchronous: "normal", now, onBackup });

/** The query of `v_budget`, with its `now` made a parameter in ms. */
export function budgetViewAt(rows: (query: string) => readonly { readonly sql: string }[]): string {
  const { sql = "" } = rows("SELECT sql FROM sqlite_master WHERE name = 'v_budget'")[0] ?? {};
  expect(sql.match(/'now'/g)?.length).toBeGreaterThan(3);
  return sql.slice(sql.indexOf("select")).replaceAll("'now'", "?1 / 1000.0, 'unixepoch'");
}

/** Rows of a query, read as a BI tool reads them: over a connection of its own. */
export function rowsOf<Row>(path: string, query: string): Row[] {
  const client = new BunDatabase(path, { readonly: true });
  try {
    // The shape of a row is what the test says it selects.
    return client.prepare(query).all() as Row[];
  } finally {
    client.close();
  }
}
