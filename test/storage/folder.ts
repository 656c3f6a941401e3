import { Database as BunDatabase } from "bun:sqlite";
import { afterAll } from "bun:test";
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
