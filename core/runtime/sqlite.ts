/**
 * The few things we ask of a SQLite driver. `bun:sqlite` is used as it is; elsewhere `node:sqlite` is wrapped to match.
 * Shaped so that Drizzle's `SQLiteBunSession` accepts it.
 */
export interface SqliteClient {
  exec(sql: string): unknown;
  prepare(sql: string): SqliteStatement;
  transaction(work: () => void): Record<"deferred" | "immediate" | "exclusive", () => void>;
  close(): void;
}
/** Values one by one, or all of them in one array. */
export interface SqliteStatement {
  run(...values: unknown[]): unknown;
  get(...values: unknown[]): unknown;
  all(...values: unknown[]): unknown[];
  values(...values: unknown[]): unknown[][];
}

/** Opens or creates the file; `readonly` never creates it. Sets no pragma. */
export const openSqlite = (path: string, options: { readonly readonly?: boolean } = {}): Promise<SqliteClient> =>
  "Bun" in globalThis ? openBun(path, options.readonly ?? false) : openNode(path, options.readonly ?? false);

async function openBun(path: string, readonly: boolean): Promise<SqliteClient> {
  const { Database } = await import("bun:sqlite");
  const database = new Database(path, readonly ? { readonly: true } : { create: true, readwrite: true });
  return database;
}

/** Without Bun; exported so that a test can hold it to the same contract on Bun, which has `node:sqlite` as well. */
export async function openNode(path: string, readonly: boolean): Promise<SqliteClient> {
  const { DatabaseSync } = await import("node:sqlite");
  // On by default here, off under Bun: whoever opens it decides.
  const database = new DatabaseSync(path, { readOnly: readonly, enableForeignKeyConstraints: false });
  const run = (mode: string, work: () => void) => () => {
    database.exec(`BEGIN ${mode}`);
    try {
      work();
      database.exec("COMMIT");
    } catch (error) {
      try {
        database.exec("ROLLBACK");
      } catch {
        // SQLite has rolled back by itself, as it does when the disk is full: the reason is the first error.
      }
      throw error;
    }
  };
  return {
    exec: (sql) => database.exec(sql),
    close: () => database.close(),
    prepare(sql) {
      const rows = database.prepare(sql);
      const arrays = database.prepare(sql);
      arrays.setReturnArrays(true);
      return {
        run: (...values) => rows.run(...bindable(values)),
        get: (...values) => rows.get(...bindable(values)) ?? null,
        all: (...values) => rows.all(...bindable(values)),
        // setReturnArrays changes the row type, which node's types do not follow.
        values: (...values) => arrays.all(...bindable(values)) as unknown as unknown[][],
      };
    },
    transaction: (work) => ({
      deferred: run("DEFERRED", work),
      immediate: run("IMMEDIATE", work),
      exclusive: run("EXCLUSIVE", work),
    }),
  };
}

/** Somebody else holds the lock that was asked for. */
export const isLocked = (error: unknown): boolean =>
  error instanceof Error &&
  (("code" in error && String(error.code).startsWith("SQLITE_BUSY")) || error.message.includes("database is locked"));

/** node:sqlite refuses booleans and undefined, which bun:sqlite binds as 0/1 and NULL. */
const bindable = (values: readonly unknown[]): never[] =>
  // A lone array is all the values.
  values
    .flat()
    .map((value) => (typeof value === "boolean" ? Number(value) : value === undefined ? null : value) as never);
