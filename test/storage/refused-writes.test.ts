import { describe, expect, test } from "bun:test";
import { openSqlite, type SqliteClient } from "../../core/runtime/sqlite.ts";
import { openSqliteDatabase } from "../../core/storage/sqlite.ts";
import { aKey, aPerson, aRefusal, startMs } from "../contract/storage-samples.ts";
import { rowsOf, temporaryFolder } from "./folder.ts";

/** After a rollback all that is held in memory is read again, which takes long where there is much of it. */
const folder = temporaryFolder();

describe("a write that is refused", () => {
  test("before anything was written takes nothing back, neither its own transaction nor that of others", async () => {
    const { database, path, rollbacks } = await opened();
    const before = audited(path);
    const { accounts, keys, people, settings, book } = database;
    const results = await Promise.allSettled([
      settings.set("one", "1"),
      accounts.remove("default"),
      keys.create(aKey({ accountId: "nobody" }), null),
      people.create(aPerson({ accountId: "nobody" })),
      book.add({
        id: "price",
        kind: "price",
        target: "openai/x",
        effectiveMs: startMs - 1,
        prices: null,
        author: "somebody",
      }),
      settings.set("two", "2"),
    ]);
    expect(results.map((result) => (result.status === "rejected" ? result.reason.kind : "ok"))).toEqual([
      "ok",
      "conflict",
      "not-found",
      "not-found",
      "invalid-request",
      "ok",
    ]);
    expect(rollbacks()).toBe(0);
    expect([database.settings.get("one"), database.settings.get("two")]).toEqual(["1", "2"]);
    expect(audited(path) - before).toBe(2);
    await database.close();
  });

  test("after something was written is taken back, in the database and in memory", async () => {
    const { database, path, rollbacks } = await opened();
    await database.accounts.create({ id: "top", name: "top", parentId: null, createdMs: startMs });
    await database.accounts.create({ id: "low", name: "low", parentId: "top", createdMs: startMs });
    const before = audited(path);
    const change = { content: "on", parentId: "low" } as const;
    expect(await Promise.resolve(database.accounts.change("top", change)).catch(String)).toContain("below itself");
    expect(rollbacks()).toBeGreaterThan(0);
    expect(database.content.setting({ kind: "account", id: "top" })).toBeNull();
    expect(rowsOf(path, "SELECT * FROM content_settings")).toEqual([]);
    expect(audited(path)).toBe(before);
    await database.close();
  });
});

test("a refused call of an account that nobody knows takes nothing back", async () => {
  const { database, path, rollbacks } = await opened();
  const refuse = (accountId: string) => database.ledger.refuse(aRefusal({ accountId }));
  const results = await Promise.allSettled([refuse("default"), refuse("nobody"), refuse("default")]);
  expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect(rollbacks()).toBe(0);
  expect(rowsOf(path, "SELECT count FROM refusal_counts")).toEqual([{ count: 2 }]);
  await database.close();
});

async function opened() {
  const path = folder.file();
  let rollbacks = 0;
  const driver = async (file: string): Promise<SqliteClient> => {
    const client = await openSqlite(file);
    const exec = client.exec.bind(client);
    client.exec = (sql) => {
      if (sql === "ROLLBACK") rollbacks += 1;
      return exec(sql);
    };
    return client;
  };
  const database = await openSqliteDatabase({
    path,
    synchronous: "normal",
    now: () => startMs,
    onBackup() {},
    driver,
  });
  return { database, path, rollbacks: () => rollbacks };
}

const audited = (path: string): number =>
  rowsOf<{ entries: number }>(path, "SELECT count(*) AS entries FROM audit_entries")[0]?.entries ?? 0;
