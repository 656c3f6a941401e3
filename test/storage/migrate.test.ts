import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname } from "node:path";
import { sqliteMigrations } from "../../migrations/sqlite/index.ts";
import { openSqlite, type SqliteClient } from "../../core/runtime/sqlite.ts";
import { copyTo, migrate, schemaVersion, StorageError } from "../../core/storage/migrate.ts";
import { openAt, rowsOf, temporaryFolder } from "./folder.ts";

const folder = temporaryFolder();
/** Two versions of a schema of nobody's, so that an upgrade can be seen before the second real one lands. */
const first = "CREATE TABLE things (id integer PRIMARY KEY);--> statement-breakpoint\nINSERT INTO things VALUES (1);";
const second = "ALTER TABLE things ADD COLUMN name text;--> statement-breakpoint\nUPDATE things SET name = 'old';";

describe("migrate", () => {
  test("a new file gets the whole schema and no backup", async () => {
    const { client, path } = await opened();
    const backups: number[] = [];
    expect(migrate(client, [first, second], naming(backups, path))).toBeNull();
    expect(backups).toEqual([]);
    expect(schemaVersion(client)).toBe(2);
    expect(client.prepare("SELECT * FROM things").all()).toEqual([{ id: 1, name: "old" }]);
  });

  test("a file that is up to date is left alone", async () => {
    const { client, path } = await opened();
    migrate(client, [first], naming([], path));
    client.exec("DELETE FROM things");
    expect(migrate(client, [first], naming([], path))).toBeNull();
    expect(client.prepare("SELECT count(*) FROM things").values()).toEqual([[0]]);
  });

  test("an older one is backed up as it was, then brought up, what is written in the log included", async () => {
    const { client, path } = await opened();
    client.exec("PRAGMA journal_mode = WAL");
    migrate(client, [first], naming([], path));
    client.exec("INSERT INTO things VALUES (2)");
    const backup = migrate(client, [first, second], (version) => `${path}.v${version}`);
    expect(backup).toBe(`${path}.v1`);
    expect(client.prepare("SELECT id, name FROM things").values()).toEqual([
      [1, "old"],
      [2, "old"],
    ]);
    expect(rowsOf(`${path}.v1`, "SELECT * FROM things")).toEqual([{ id: 1 }, { id: 2 }]);
    expect(rowsOf(`${path}.v1`, "PRAGMA user_version")).toEqual([{ user_version: 1 }]);
    expect(statSync(`${path}.v1`).mode & 0o777).toBe(0o600);
  });

  test("no backup, no upgrade", async () => {
    const { client, path } = await opened();
    migrate(client, [first], naming([], path));
    expect(() => migrate(client, [first, second], () => folder.file("no-such-folder/copy"))).toThrow();
    expect(schemaVersion(client)).toBe(1);
  });

  test("a failure takes everything back, the steps before it too", async () => {
    const { client, path } = await opened();
    migrate(client, [first], naming([], path));
    const broken = "DELETE FROM things;--> statement-breakpoint\nINSERT INTO nowhere VALUES (1);";
    expect(() => migrate(client, [first, second, broken], naming([], path))).toThrow(/nowhere/);
    expect(schemaVersion(client)).toBe(1);
    expect(client.prepare("SELECT * FROM things").all()).toEqual([{ id: 1 }]);
    // Each start would make another copy.
    const copy = `${path}.first-try`;
    expect(() => migrate(client, [first, second, broken], () => copy)).toThrow(/nowhere/);
    expect(existsSync(copy)).toBe(false);
    expect(migrate(client, [first, second], (version) => `${path}.second-try.v${version}`)).not.toBeNull();
    expect(schemaVersion(client)).toBe(2);
  });

  test("of a copy that fails nothing is left, and what is there already stays", async () => {
    const { client, path } = await opened();
    migrate(client, [first], naming([], path));
    client.exec("BEGIN");
    expect(() => copyTo(client, `${path}.copy`)).toThrow(/VACUUM/);
    client.exec("ROLLBACK");
    expect(copiesIn(path)).toEqual([]);
    copyTo(client, `${path}.copy`);
    const before = readFileSync(`${path}.copy`);
    expect(() => copyTo(client, `${path}.copy`)).toThrow(/copy exists already/);
    expect(readFileSync(`${path}.copy`)).toEqual(before);
    expect(copiesIn(path)).toEqual([`${basename(path)}.copy`]);
  });

  test("a copy has its name when it is whole, and what a killed one left is neither taken for it nor written into", async () => {
    const { client, path } = await opened();
    migrate(client, [first], naming([], path));
    const copy = `${path}.copy`;
    const seen: string[][] = [];
    const prepare = client.prepare.bind(client);
    client.prepare = (text) => {
      const statement = prepare(text);
      const run = statement.run.bind(statement);
      statement.run = (...values) => {
        run(...values);
        seen.push(copiesIn(path));
      };
      return statement;
    };
    copyTo(client, copy);
    expect(seen).toEqual([[`${basename(path)}.copy.part`]]);
    expect(copiesIn(path)).toEqual([`${basename(path)}.copy`]);

    rmSync(copy);
    writeFileSync(`${copy}.part`, "half");
    expect(() => copyTo(client, copy)).toThrow(/copy\.part exists: a copy is being made, or was killed/);
    expect(readFileSync(`${copy}.part`, "utf8")).toBe("half");
  });

  test("a failure in a new file leaves no table behind", async () => {
    const { client, path } = await opened();
    expect(() => migrate(client, [first, "CREATE TABLE things (id)"], naming([], path))).toThrow();
    expect(schemaVersion(client)).toBe(0);
    expect(client.prepare("SELECT count(*) FROM sqlite_master").values()).toEqual([[0]]);
  });

  test("tables of somebody else are refused and left alone", async () => {
    const { client, path } = await opened();
    client.exec("CREATE TABLE recipes (id)");
    expect(() => migrate(client, [first], naming([], path))).toThrow(StorageError);
    expect(() => migrate(client, [first], naming([], path))).toThrow(/not ours/);
    expect(client.prepare("SELECT name FROM sqlite_master").values()).toEqual([["recipes"]]);
  });
});

describe("opening", () => {
  test("a newer schema is refused with what to do, and the file stays as it is", async () => {
    const path = folder.file();
    await (await openAt(path)).close();
    const client = await openSqlite(path);
    client.exec(`PRAGMA user_version = ${sqliteMigrations.length + 1}; PRAGMA wal_checkpoint(TRUNCATE);`);
    client.close();
    const before = readFileSync(path);
    const error = await failure(openAt(path));
    expect(error).toBeInstanceOf(StorageError);
    expect(String(error)).toMatch(/schema version \d+.*start the newer program, or restore the backup/);
    expect(readFileSync(path).equals(before)).toBe(true);
    // And the lock is free again.
    expect(await failure(openAt(path))).toBeInstanceOf(StorageError);
  });

  test("somebody else's database is refused and stays as it is", async () => {
    const path = folder.file();
    const client = await openSqlite(path);
    client.exec("CREATE TABLE recipes (id); INSERT INTO recipes VALUES (1);");
    client.close();
    const before = readFileSync(path);
    expect(String(await failure(openAt(path)))).toMatch(/not ours/);
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  test("a file that is no database is refused in words", async () => {
    const path = folder.file();
    await Bun.write(path, "not a database at all, but long enough to be taken for one: ".repeat(30));
    const error = await failure(openAt(path));
    expect(error).toBeInstanceOf(StorageError);
    expect(String(error)).toMatch(/cannot be opened/);
  });

  test("the database and its lock are for their owner alone", async () => {
    const path = folder.file();
    const database = await openAt(path);
    for (const file of [path, `${path}.lock`, `${path}.lock.pid`])
      expect([file, statSync(file).mode & 0o777]).toEqual([file, 0o600]);
    await database.close();
  });
});

async function opened(): Promise<{ readonly client: SqliteClient; readonly path: string }> {
  const path = folder.file();
  return { client: await openSqlite(path), path };
}

const naming = (asked: number[], path: string) => (version: number) => {
  asked.push(version);
  return `${path}.v${version}.${asked.length}.${crypto.randomUUID()}`;
};

const failure = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => null,
    (error: unknown) => error,
  );

const copiesIn = (path: string): string[] =>
  readdirSync(dirname(path)).filter((name) => name.startsWith(`${basename(path)}.copy`));
