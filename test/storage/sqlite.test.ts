import { afterEach, describe, expect, test } from "bun:test";
import { openNode, openSqlite, type SqliteClient } from "../../core/runtime/sqlite.ts";
import type { Database } from "../../core/storage/database.ts";
import { openSqliteDatabase, type SqliteOptions } from "../../core/storage/sqlite.ts";
import { testStorage } from "../contract/storage.ts";
import { temporaryFolder } from "./folder.ts";

const folder = temporaryFolder();
const threads = {
  onDeath(error: Error) {
    throw error;
  },
  afterMs: 0,
};
const drivers: readonly (readonly [string, (path: string) => Promise<SqliteClient>, Partial<SqliteOptions>])[] = [
  ["bun:sqlite", openSqlite, {}],
  ["node:sqlite", (path) => openNode(path, false), {}],
  ["bun:sqlite with its threads", openSqlite, { threads }],
];

describe.each(drivers)("through %s", (_, driver, more) => {
  const opened = new Set<Database>();
  let path = "";

  const open = async (now: () => number) => {
    const database = await openSqliteDatabase({
      path,
      synchronous: "normal",
      now,
      onBackup: () => {},
      driver,
      ...more,
    });
    opened.add(database);
    return { ...database, close: () => (opened.delete(database), database.close()) };
  };
  afterEach(async () => {
    for (const database of opened) await database.close();
    opened.clear();
  });

  testStorage({
    open(now) {
      path = folder.file();
      return open(now);
    },
    reopen: open,
  });

  test("the seam: values as they went in, rows as objects and as arrays, nothing found as null", async () => {
    const client = await driver(folder.file());
    client.exec("CREATE TABLE things (id integer PRIMARY KEY, value, flag)");
    const insert = client.prepare("INSERT INTO things (value, flag) VALUES (?, ?)");
    const numbers = [0, -1, 2 ** 31, 2 ** 53 - 1, -(2 ** 53 - 1)];
    for (const value of [...numbers, "ü\u{1f600}", null]) insert.run(value, value === 0);
    expect(client.prepare("SELECT value FROM things ORDER BY id").values()).toEqual(
      [...numbers, "ü\u{1f600}", null].map((value) => [value]),
    );
    expect(client.prepare("SELECT id, flag FROM things WHERE id < ?").all(3)).toEqual([
      { id: 1, flag: 1 },
      { id: 2, flag: 0 },
    ]);
    expect(client.prepare("SELECT id FROM things WHERE id = ?").get(1)).toEqual({ id: 1 });
    expect(client.prepare("SELECT id FROM things WHERE id = ?").get(99)).toBeNull();
    const failing = client.transaction(() => {
      client.exec("DELETE FROM things");
      throw new Error("not this time");
    });
    expect(() => failing.immediate()).toThrow("not this time");
    expect(client.prepare("SELECT count(*) FROM things").values()).toEqual([[7]]);
    client.close();
  });
});

test("one whose log does not fit into it any more says so when it is closed, and is let go", async () => {
  const path = folder.file();
  const open = (driver: (file: string) => Promise<SqliteClient>) =>
    openSqliteDatabase({ path, synchronous: "normal", now: Date.now, onBackup: () => {}, driver });
  const database = await open(async (file) => {
    const client = await openSqlite(file);
    const exec = client.exec.bind(client);
    client.exec = (text) => {
      if (text.includes("wal_checkpoint")) throw new Error("database or disk is full");
      return exec(text);
    };
    return client;
  });
  expect(await Promise.resolve(database.close()).catch(String)).toBe(
    `StorageError: the database ${path} cannot be brought into one file, and needs ${path}-wal still: database or disk is full`,
  );
  await (await open(openSqlite)).close();
});
