import { Database as BunDatabase, type Statement } from "bun:sqlite";
import { copyFileSync, existsSync } from "node:fs";
import type { Database } from "../../core/storage/database.ts";
import { openSqlite, type SqliteStatement } from "../../core/runtime/sqlite.ts";
import { openSqliteDatabase } from "../../core/storage/sqlite.ts";

/**
 * The ledger of one schedule in a file, with a second connection for looking at it. Thousands are opened, so a new one
 * is a copy of an empty one, and nothing waits for the disk: what a power cut leaves is not the question here.
 */
export class LedgerStore {
  database: Database;
  #path: string;
  #reader: BunDatabase;
  #queries = new Map<string, Statement>();
  readonly #newPath: () => string;
  readonly #now: () => number;

  static async copyOf(empty: string, newPath: () => string, now: () => number): Promise<LedgerStore> {
    const path = newPath();
    copyFileSync(empty, path);
    return new LedgerStore(path, await open(path, now), newPath, now);
  }
  private constructor(path: string, database: Database, newPath: () => string, now: () => number) {
    this.#path = path;
    this.database = database;
    this.#newPath = newPath;
    this.#now = now;
    this.#reader = new BunDatabase(path, { readonly: true });
  }

  rows<Row>(query: string, ...values: readonly (string | number)[]): Row[] {
    let statement = this.#queries.get(query);
    if (!statement) this.#queries.set(query, (statement = this.#reader.prepare(query)));
    // The shape of a row is what the test says it selects.
    return statement.all(...values) as Row[];
  }

  async restart(): Promise<void> {
    await this.close();
    await this.#openAt(this.#path);
  }

  /** Goes on with the files as they are at this moment: what waits for a commit, or for the log to be copied, is as it is. */
  async crash(): Promise<void> {
    const path = this.#newPath();
    for (const part of ["", "-wal"]) if (existsSync(this.#path + part)) copyFileSync(this.#path + part, path + part);
    await this.close();
    await this.#openAt(path);
  }

  async close(): Promise<void> {
    for (const statement of this.#queries.values()) statement.finalize();
    this.#queries.clear();
    this.#reader.close();
    await this.database.close();
  }

  async #openAt(path: string): Promise<void> {
    this.#path = path;
    this.database = await open(path, this.#now);
    this.#reader = new BunDatabase(path, { readonly: true });
  }
}

const open = (path: string, now: () => number): Promise<Database> =>
  openSqliteDatabase({ path, synchronous: "normal", now, onBackup() {}, driver: withoutDisk });

/** Statements that are built anew each time are compiled once. */
async function withoutDisk(path: string) {
  const client = await openSqlite(path);
  const prepared = new Map<string, SqliteStatement>();
  return {
    exec: (sql: string) => client.exec(sql.replace("PRAGMA synchronous = NORMAL", "PRAGMA synchronous = OFF")),
    prepare(sql: string) {
      let statement = prepared.get(sql);
      if (!statement) prepared.set(sql, (statement = client.prepare(sql)));
      return statement;
    },
    transaction: client.transaction.bind(client),
    close: client.close.bind(client),
  };
}
