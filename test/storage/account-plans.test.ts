import { afterAll, beforeAll, expect, test } from "bun:test";
import { openSqlite, type SqliteClient } from "../../core/runtime/sqlite.ts";
import type { Database } from "../../core/storage/database.ts";
import { openSqliteDatabase } from "../../core/storage/sqlite.ts";
import { startMs } from "../contract/storage-samples.ts";
import { temporaryFolder } from "./folder.ts";
import { planOf, recording } from "./scans.ts";

/** An account may have 100,000 keys: what is shown of it must not begin with all of them. */
const folder = temporaryFolder();
let client: SqliteClient;
let database: Database;
let statements: Set<string>;
beforeAll(async () => {
  const driver = async (path: string) => {
    const watched = recording(await openSqlite(path));
    ({ statements } = watched);
    return watched.client;
  };
  const path = folder.file();
  database = await openSqliteDatabase({ path, synchronous: "normal", now: () => startMs, onBackup() {}, driver });
  client = await openSqlite(path, { readonly: true });
});
afterAll(async () => {
  client.close();
  await database.close();
});

async function plansOf(read: () => unknown): Promise<string[]> {
  statements.clear();
  await read();
  const plans = [...statements].flatMap((sql) => planOf(client, sql));
  expect(plans).not.toEqual([]);
  return plans;
}

const gathers = /TEMP|MULTI-INDEX|SCAN (?!CONSTANT)|keys_account|\(ancestor_ref=\?\)/;

test("budgets and limits of an account are a walk that looks no further than its page", async () => {
  const { budgets, limits } = database;
  const scope = { kind: "key", id: "k" } as const;
  for (const read of [
    () => budgets.list({ under: "default" }),
    () => budgets.list({ under: "default", after: "9" }),
    () => budgets.list({ under: "default", scope }),
    () => limits.under("default", { after: "id", limit: 9 }),
    () => limits.under("default", { after: "id", limit: 9, scope }),
  ])
    expect((await plansOf(read)).filter((detail) => gathers.test(detail))).toEqual([]);
});

test("how many keys an account has is counted in an index of those alone; who asks for less has none counted", async () => {
  const { accounts } = database;
  for (const read of [
    () => accounts.get("default"),
    () => accounts.list({}),
    () => accounts.list({ under: "default" }),
  ])
    expect((await plansOf(read)).filter((detail) => /\bkeys\b/.test(detail))).toEqual([
      "SEARCH keys USING COVERING INDEX keys_not_revoked (account_ref=? AND revoked_ms=?)",
    ]);
  statements.clear();
  expect(await accounts.find("default")).toMatchObject({ name: "Default" });
  expect([...statements].filter((sql) => sql.includes('"keys"'))).toEqual([]);
});
