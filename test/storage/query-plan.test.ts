import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { openSqlite, type SqliteClient } from "../../core/runtime/sqlite.ts";
import { accountTree } from "../../core/storage/account-tree.ts";
import { budgetBook } from "../../core/storage/budget-book.ts";
import type { CallFilter, CallRepository, GroupField, KeyRepository } from "../../core/storage/database.ts";
import { groupCommit } from "../../core/storage/group-commit.ts";
import { accountRepository } from "../../core/storage/repositories/accounts.ts";
import { callRepository } from "../../core/storage/repositories/calls.ts";
import { budgetRepository } from "../../core/storage/repositories/budgets.ts";
import { keyRepository } from "../../core/storage/repositories/keys.ts";
import { foldReader } from "../../core/storage/rollup-fold.ts";
import { sqliteDatabase } from "../../core/storage/sqlite-database.ts";
import { startMs } from "../contract/storage-samples.ts";
import { openAt, temporaryFolder } from "./folder.ts";
import { planOf, recording, scannedTables } from "./scans.ts";

/**
 * Decided: no report reads a whole table or a whole index, of whatever table, for the sake of its first rows. Allowed is
 * `open_calls` alone: it holds the calls in flight, and the program checks it for a handful of rows.
 */
const mayBeScanned = ["open_calls"];

const folder = temporaryFolder();
let client: SqliteClient;
let statements: Set<string>;
let calls: CallRepository;
let keys: KeyRepository;
let budgets: ReturnType<typeof budgetRepository>;
let accounts: ReturnType<typeof accountRepository>;

beforeAll(async () => {
  const path = folder.file();
  await (await openAt(path)).close();
  client = await openSqlite(path);
  const watched = recording(client);
  statements = watched.statements;
  const database = sqliteDatabase(watched.client);
  const book = budgetBook(client, database);
  const writer = groupCommit(client, { beforeCommit: () => {}, afterRollback: () => {} });
  calls = callRepository(database);
  keys = keyRepository(database, writer, book);
  accounts = accountRepository(database, writer, accountTree(database), Date.now);
  budgets = budgetRepository(database, writer, book, Date.now);
});
afterAll(() => client.close());
beforeEach(() => statements.clear());

/** What the statements since the last look read from end to end, with the statement. */
function offences(): string[] {
  expect(statements.size).toBeGreaterThan(0);
  return [...statements].flatMap((sql) =>
    scannedTables(client, sql)
      .filter((table) => !mayBeScanned.includes(table))
      .map((table) => `${table}: ${sql}`),
  );
}

const filters: CallFilter = { key: "k", account: "a", model: "m", provider: "p", from: 1, to: 9 };
const statuses = [undefined, "open", "ok", "refused"] as const;

describe("reports read no table from end to end", () => {
  test("the finder finds what it must", () => {
    expect(scannedTables(client, "SELECT * FROM calls WHERE cost_nano > 1")).toEqual(["calls"]);
    expect(scannedTables(client, "SELECT count(*) FROM v_usage")).toContain("calls");
    expect(scannedTables(client, "SELECT * FROM calls ORDER BY created_ms DESC LIMIT 1")).toEqual(["calls"]);
    expect(scannedTables(client, "SELECT * FROM v_usage WHERE status = 'open'")).toContain("calls");
    expect(
      scannedTables(
        client,
        "SELECT * FROM labels l JOIN calls c ON c.model_ref = l.ref WHERE c.key_ref = 1 AND l.ref > 3",
      ),
    ).toEqual([]);
  });

  test("the list of calls, with every filter alone and with every other, first page and later", async () => {
    const names = Object.keys(filters);
    for (let chosen = 0; chosen < 2 ** names.length; chosen++)
      for (const status of statuses) {
        const subset = Object.fromEntries(Object.entries(filters).filter((_, at) => chosen & (1 << at)));
        const filter: CallFilter = { ...subset, ...(status && { status }) };
        await calls.list(filter, {});
        await calls.list(filter, { after: "1000" });
      }
    expect(statements.size).toBeGreaterThan(200);
    expect(offences()).toEqual([]);
  });

  test.each([
    ["key", { key: "k" }, "calls_key"],
    ["account", { account: "a" }, "calls_account"],
    ["model", { model: "m" }, "calls_model"],
    ["provider", { provider: "p" }, "calls_provider"],
    ["a status other than ok", { status: "refused" }, "calls_not_ok"],
    ["a range of time", { from: 1, to: 9 }, "calls_created"],
  ] as const)("the list filtered by %s goes through the index for it", async (_, filter, index) => {
    await calls.list(filter, { after: "1000" });
    const plans = [...statements].flatMap((sql) => planOf(client, sql)).filter((detail) => /\bcalls\b/.test(detail));
    expect(plans).toHaveLength(1);
    expect(plans[0]).toContain(`USING INDEX ${index} `);
  });

  test("one call, and how many are open", async () => {
    await calls.get("id");
    await calls.openCount();
    expect(offences()).toEqual([]);
  });

  test("usage over a range, by any grouping", async () => {
    const fields: readonly GroupField[] = ["key", "account", "model", "provider", "status", "day", "hour"];
    for (const field of fields) await calls.usage({ from: 1, to: 9, groupBy: [field] });
    await calls.usage({ from: 1, to: 9, groupBy: [] });
    await calls.usage({ from: 1, to: 9, groupBy: fields });
    // With whole hours and days in it.
    for (const field of fields) await calls.usage({ from: 1, to: startMs, groupBy: [field] });
    await calls.usage({ from: 1, to: startMs, groupBy: ["hour", "key"] });
    for (const table of ["usage_hourly", "usage_daily", "totals_hourly", "totals_daily"])
      expect([...statements].filter((sql) => sql.includes(`from "${table}"`))).not.toEqual([]);
    expect(offences()).toEqual([]);
  });

  test("latency over a range, and the next calls to fold", async () => {
    await calls.latency({ from: 1, to: startMs });
    foldReader(sqliteDatabase(recordingInto(statements)))({ calls: 10, groups: 10 });
    expect([...statements].some((sql) => sql.includes("latency_hourly"))).toBe(true);
    expect(offences()).toEqual([]);
  });

  test("what is not folded yet is found by its number, the edges of a range by their time", async () => {
    client.exec(`INSERT INTO calls (id, created_ms, finished_ms, account_ref, principal_ref, dialect_ref, operation_ref, model_ref,
      status, source, stream, held_nano, attempt_count) VALUES ('one', 5, 6, 1, 1, 1, 1, 1, 'ok', 'none', 0, 0, 0)`);
    // A new one: what it asks for is prepared once.
    await callRepository(sqliteDatabase(recordingInto(statements))).usage({ from: 3, to: 5, groupBy: [] });
    client.exec("DELETE FROM calls");
    const plans = [...statements]
      .filter((sql) => /count\(\*\).* from "calls"/.test(sql))
      .flatMap((sql) => planOf(client, sql));
    expect(plans.filter((detail) => detail.includes("calls")).toSorted()).toEqual([
      "SEARCH calls USING INDEX calls_created (created_ms>? AND created_ms<?)",
      "SEARCH calls USING INTEGER PRIMARY KEY (rowid>?)",
    ]);
  });

  test("keys and budgets", async () => {
    await keys.list({});
    await keys.list({ after: "9", limit: 200 });
    await keys.get("id");
    await budgets.list({});
    await budgets.list({ after: "9", scope: { kind: "key", id: "k" } });
    await budgets.get("id");
    expect(offences()).toEqual([]);
  });

  test("accounts, above all the line of one", async () => {
    // Where an account with children is found by them, and not by all there are.
    await accounts.list({});
    await accounts.list({ after: "9", parentId: "a" });
    await accounts.list({ parentId: null });
    await accounts.get("id");
    await accounts.lineage("default", 1);
    await accounts.change("default", { name: "Default" });
    await calls.usage({ from: 1, to: startMs, groupBy: ["hour", "account"], under: "default" });
    expect(offences()).toEqual([]);
  });

  test("a key by its digest", async () => {
    // Prepared once, when the repository is made: the statement itself is asked for again.
    keyRepository(
      sqliteDatabase(recordingInto(statements)),
      groupCommit(client, { beforeCommit() {}, afterRollback() {} }),
      budgetBook(client, sqliteDatabase(client)),
    );
    expect([...statements].some((sql) => sql.includes('"keys"."digest" = ?'))).toBe(true);
    expect(offences()).toEqual([]);
  });

  test.each([
    "SELECT * FROM v_usage WHERE call_id = ?",
    "SELECT * FROM v_attempts WHERE call_id = ?",
    "SELECT * FROM v_ledger WHERE call_id = ?",
    "SELECT * FROM v_ledger WHERE account_id = ?",
    "SELECT * FROM v_usage WHERE key_id = ?",
    "SELECT * FROM v_usage WHERE model = ?",
    "SELECT * FROM v_usage WHERE provider = ?",
    "SELECT * FROM v_usage WHERE created_ms >= ? AND created_ms < ?",
    "SELECT * FROM v_budget WHERE budget_id = ?",
    "SELECT * FROM v_budget WHERE scope_kind = 'key' AND scope_id = ?",
  ])("%s", (sql) => {
    statements.add(sql);
    expect(offences()).toEqual([]);
  });
});

describe("indexes", () => {
  test.each([
    ["accounts", "parent_ref"],
    ["account_lines", "account_ref"],
    ["account_lines", "ancestor_ref"],
    ["keys", "account_ref"],
    ["calls", "account_ref"],
    ["calls", "key_ref"],
    ["calls", "model_ref"],
    ["calls", "provider_ref"],
    ["calls", "created_ms"],
    ["calls", "id"],
    ["ledger", "account_ref"],
    ["ledger", "call_seq"],
    ["attempts", "call_seq"],
    ["budget_windows", "budget_ref"],
  ])("%s.%s, which is joined or filtered by, leads an index", (table, column) => {
    expect(leading(table)).toContain(column);
  });

  test("every declared foreign key leads an index", () => {
    const tables = client.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").values().flat().map(String);
    const keyed = tables.flatMap((table) =>
      client
        .prepare(`SELECT "from" FROM pragma_foreign_key_list('${table}')`)
        .values()
        .map(([column]) => [table, column] as const),
    );
    expect(keyed.length).toBeGreaterThan(0);
    expect(keyed.filter(([table, column]) => !leading(table).includes(String(column)))).toEqual([]);
  });
});

const recordingInto = (found: Set<string>): SqliteClient => ({
  ...recording(client).client,
  prepare: (sql) => (found.add(sql), client.prepare(sql)),
});

const leading = (table: string): string[] =>
  client
    .prepare(`SELECT i.name FROM pragma_index_list('${table}') l JOIN pragma_index_info(l.name) i WHERE i.seqno = 0`)
    .values()
    .map(([column]) => String(column));
