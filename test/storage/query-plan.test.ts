import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { openSqlite, type SqliteClient } from "../../core/runtime/sqlite.ts";
import { accountTree } from "../../core/storage/account-tree.ts";
import { disabledAccounts } from "../../core/storage/disabled-accounts.ts";
import type { AdjustmentRepository } from "../../core/storage/adjustment.ts";
import { adjustmentRepository } from "../../core/storage/repositories/adjustments.ts";
import { labelsOf } from "../../core/storage/repositories/labels.ts";
import { type AuditedWriter, auditedWriter } from "../../core/storage/audit-writer.ts";
import { budgetBook } from "../../core/storage/budget-book.ts";
import type { CallFilter, CallRepository, GroupField } from "../../core/storage/database.ts";
import { creditBook } from "../../core/storage/credit-book.ts";
import type { KeyRepository } from "../../core/storage/key.ts";
import { groupCommit } from "../../core/storage/group-commit.ts";
import { accountRepository } from "../../core/storage/repositories/accounts.ts";
import { accountTermsRepository } from "../../core/storage/repositories/account-terms.ts";
import { callRepository } from "../../core/storage/repositories/calls.ts";
import { budgetRepository } from "../../core/storage/repositories/budgets.ts";
import { contentRepository } from "../../core/storage/repositories/content.ts";
import { entriesOf } from "../../core/storage/repositories/credits.ts";
import { exportRepository } from "../../core/storage/repositories/exports.ts";
import { keyRepository } from "../../core/storage/repositories/keys.ts";
import { purgePlanner } from "../../core/storage/purge-plan.ts";
import { oldestCall } from "../../core/storage/purge-state.ts";
import { foldReader } from "../../core/storage/rollup-fold.ts";
import { rollupWriter } from "../../core/storage/rollup-writer.ts";
import { sqliteDatabase } from "../../core/storage/sqlite-database.ts";
import { startMs } from "../contract/storage-samples.ts";
import { openAt, temporaryFolder } from "./folder.ts";
import { insertCall, insertNames, type RolledCall } from "./rollup-calls.ts";
import { planOf, recording, scannedTables } from "./scans.ts";

/**
 * Decided: no report reads a whole table or a whole index, of whatever table, for the sake of its first rows. Allowed is
 * `open_calls`: it holds the calls in flight, and the program checks it for a handful of rows; and
 * `disabled_accounts`, which is read once, at the start.
 */
const mayBeScanned = ["open_calls", "disabled_accounts"];

const idle = { expect: () => {}, include: () => false, ended: () => {} };
const later = { stay: <T>(_: number, change: () => T) => change(), ...idle };
const folder = temporaryFolder();
let client: SqliteClient;
let statements: Set<string>;
let audited: AuditedWriter;
let contents: ReturnType<typeof contentRepository>;
let calls: CallRepository;
let keys: KeyRepository;
let adjustments: AdjustmentRepository;
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
  insertNames(client);
  insertCall(client, { ...aCall, status: "ok" });
  insertCall(client, { ...aCall, status: "refused" });
  const fold = foldReader(database)({ calls: 10, groups: 10 });
  if (fold) rollupWriter(client, database).add(fold);
  audited = auditedWriter(client, database, writer, Date.now);
  contents = contentRepository(database, writer, audited);
  calls = callRepository(database);
  keys = keyRepository(database, audited, book, contents);
  const shared = { database, book, tree: accountTree(database, Date.now), later, addBesides: () => {}, now: Date.now };
  accounts = accountRepository({
    ...shared,
    writer: audited,
    disabledOnes: disabledAccounts(database),
    terms: accountTermsRepository(database),
    contents,
  });
  adjustments = adjustmentRepository({
    ...shared,
    client,
    writer,
    creditBook: creditBook(database, book),
    labels: labelsOf(database),
    rollups: rollupWriter(client, database),
  });
  budgets = budgetRepository({ ...shared, writer: audited });
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

const aCall: Omit<RolledCall, "status"> = {
  createdMs: startMs,
  tookMs: 1,
  ttftMs: null,
  key: 1,
  labels: null,
  account: 1,
  model: 1,
  provider: 4,
  tokens: null,
  costNano: null,
  chargeNano: null,
};
const caller = { accountId: "default", name: "somebody" };
const filters: CallFilter = {
  key: "k",
  account: "a",
  under: "default",
  model: "m",
  provider: "p",
  from: 1,
  to: 9,
  caller,
};
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
        "SELECT * FROM labels l JOIN calls c ON c.model_ref = l.ref WHERE c.created_ms = 1 AND l.ref > 3",
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

  test("an export of calls, by any filter, first part and later, goes through the table in its order", async () => {
    const names = Object.keys(filters);
    const recorded = exportRepository(sqliteDatabase(recordingInto(statements)));
    for (let chosen = 0; chosen < 2 ** names.length; chosen++)
      for (const status of [undefined, "ok", "refused"] as const) {
        const filter = Object.fromEntries(Object.entries(filters).filter((_, at) => chosen & (1 << at)));
        for (const after of [null, "1000-0"])
          await recorded.calls({ ...filter, ...(status && { status }) }, { format: "csv", after });
      }
    expect(offences()).toEqual([]);
    statements.clear();
    await recorded.calls({ from: 1, to: startMs * 2 }, { format: "csv", after: "1000-0" });
    const plans = [...statements]
      .flatMap((sql) => planOf(client, sql))
      .filter((detail) => /\bcalls\b|TEMP/.test(detail));
    const inOrder = "SEARCH calls USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)";
    expect(plans).toEqual([inOrder, inOrder]);
  });

  test("an export of usage and of the ledger", async () => {
    const recorded = exportRepository(sqliteDatabase(recordingInto(statements)));
    for (const groupBy of [["key"], ["account", "hour"], ["day", "key", "model"]] as const) {
      await recorded.usage({ from: 1, to: startMs, groupBy }, { format: "csv" });
      await recorded.usage({ from: 1, to: startMs * 2, groupBy, under: "default" }, { format: "csv" });
    }
    await recorded.entries({ account: "default" }, { format: "csv", after: "9-0" });
    expect(offences()).toEqual([]);
  });

  test("calls to rate again, all and by each name of a model, first and later", async () => {
    for (const model of [{}, { model: "m" }, { model: "p/m" }])
      for (const after of [{}, { after: "1000-5" }])
        await adjustments.ratedCalls({ from: 1, to: 9, limit: 5, ...model, ...after });
    expect(offences()).toEqual([]);
  });

  test.each([
    ["a status other than ok", { status: "refused" }, "calls_not_ok"],
    ["a range of time", { from: 1, to: 9 }, "calls_created"],
  ] as const)("the list filtered by %s goes through the index for it", async (_, filter, index) => {
    await calls.list(filter, { after: "1000" });
    const plans = [...statements].flatMap((sql) => planOf(client, sql)).filter((detail) => /\bcalls\b/.test(detail));
    expect(plans).toHaveLength(1);
    expect(plans[0]).toContain(`USING INDEX ${index} `);
  });

  test.each<CallFilter>([
    { key: "key-1" },
    { account: "default" },
    { model: "fast" },
    { provider: "one" },
    { key: "key-1", model: "fast", status: "refused" },
    { key: "key-1", status: "ok", from: 1, to: startMs * 2 },
  ])("the list filtered by %j goes through blocks, and looks no further than what is in none", async (filter) => {
    await calls.list(filter, {});
    const plans = [...statements]
      // The few calls in flight are sorted.
      .filter((sql) => !sql.includes('from "open_calls"'))
      .flatMap((sql) => planOf(client, sql))
      .filter((detail) => /^\S+ (?:calls|call_blocks|o|f) |TEMP/.test(detail));
    const [ofRef, ofHours, ofOther] = ["ref=? AND block>? AND block<?", "ref>? AND ref<?", "ref=? AND block=?"].map(
      (bounds) => `USING PRIMARY KEY (field=? AND ${bounds})`,
    );
    const ways = [
      "SEARCH calls USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
      "SEARCH calls USING INTEGER PRIMARY KEY (rowid=?)",
      `SEARCH call_blocks ${ofRef}`,
    ];
    const also = [
      `SEARCH call_blocks ${ofHours}`,
      `SEARCH o EXISTS ${ofOther}`,
      "SEARCH f EXISTS USING COVERING INDEX calls_not_ok (status=? AND seq>? AND seq<?)",
      // Within one block: the next one is not looked at before the rows are enough.
      "USE TEMP B-TREE FOR LAST TERM OF ORDER BY",
    ];
    expect(plans).toEqual(expect.arrayContaining(ways));
    expect(plans.filter((detail) => ![...ways, ...also].includes(detail))).toEqual([]);
    expect(offences()).toEqual([]);
  });

  test("one call, and how many are open", async () => {
    await calls.get("id");
    await calls.openCount();
    expect(offences()).toEqual([]);
  });

  test("usage over a range, by any grouping", async () => {
    const fields: readonly GroupField[] = ["key", "account", "model", "provider", "status", "day", "hour"];
    for (const field of fields) await calls.usage({ from: 1, to: 9, groupBy: [field] });
    for (const groupBy of [[], fields]) await calls.usage({ from: 1, to: 9, groupBy });
    // With whole hours and days in it.
    for (const field of fields) await calls.usage({ from: 1, to: startMs, groupBy: [field] });
    await calls.ranking({ from: 1, to: startMs, before: { from: 0, to: 1 }, groupBy: ["hour", "key"], most: 5 });
    await calls.usage({ from: 1, to: startMs, groupBy: ["day", "model"], caller });
    for (const table of ["usage_hourly", "usage_daily", "totals_hourly", "totals_daily"])
      expect([...statements].filter((sql) => sql.includes(`from "${table}"`))).not.toEqual([]);
    expect(offences()).toEqual([]);
  });

  test("the next calls to delete, and how far that is", () => {
    const database = sqliteDatabase(recordingInto(statements));
    purgePlanner(database)({ beforeMs: startMs, calls: 10 });
    oldestCall(database);
    expect([...statements].some((sql) => sql.includes('from "purges"'))).toBe(true);
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
    await keys.names(["id", "another"]);
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
    await accounts.idOf("default");
    await accounts.idOf("nobody");
    await accounts.change("default", { name: "Default", disabled: true });
    await accounts.change("default", { disabled: false });
    await calls.usage({ from: 1, to: startMs, groupBy: ["hour", "account"], under: "default" });
    expect(offences()).toEqual([]);
  });

  test("entries of the ledger, and balances", async () => {
    for (const account of [undefined, "default"])
      for (const kind of [undefined, "charge", "adjustment", "credit", "expiry"] as const)
        for (const after of [null, "9"]) {
          const filter = { ...(account !== undefined && { account }), ...(kind !== undefined && { kind }) };
          entriesOf(sqliteDatabase(recordingInto(statements)), filter, { after });
        }
    expect(offences()).toEqual([]);
    const plan = (filter: Parameters<typeof entriesOf>[1]) => {
      statements.clear();
      entriesOf(sqliteDatabase(recordingInto(statements)), filter, {});
      return [...statements].flatMap((sql) => planOf(client, sql)).filter((detail) => /\bledger\b/.test(detail));
    };
    // Few among millions of charges.
    for (const kind of ["credit", "expiry"] as const)
      for (const filter of [{ kind }, { kind, account: "default" }])
        expect(plan(filter)).toEqual(["SEARCH ledger USING INDEX ledger_call (call_seq=? AND rowid<?)"]);
    expect(plan({ kind: "adjustment" })).toEqual(["SEARCH ledger USING INDEX ledger_adjustment (seq<?)"]);
    expect(plan({ kind: "adjustment", account: "default" })).toEqual([
      "SEARCH ledger USING INDEX ledger_adjustment_account (account_ref=? AND seq<?)",
    ]);
    expect(plan({ account: "default" })).toEqual([
      "SEARCH ledger USING INDEX ledger_account (account_ref=? AND seq<?)",
    ]);
  });

  test("a key by its digest", async () => {
    // Prepared once, when the repository is made: the statement itself is asked for again.
    const recorded = sqliteDatabase(recordingInto(statements));
    keyRepository(recorded, audited, budgetBook(client, sqliteDatabase(client)), contents);
    expect([...statements].some((sql) => sql.includes('"keys"."digest" = ?'))).toBe(true);
    expect(offences()).toEqual([]);
  });

  test.each([
    "SELECT * FROM v_usage WHERE call_id = ?",
    "SELECT * FROM v_attempts WHERE call_id = ?",
    "SELECT * FROM v_ledger WHERE call_id = ?",
    "SELECT * FROM v_ledger WHERE account_id = ?",
    "SELECT * FROM v_usage WHERE created_ms >= ? AND created_ms < ?",
    "SELECT * FROM v_usage WHERE key_id = ? AND created_ms >= ?",
    "SELECT * FROM v_usage WHERE model = ? AND created_ms >= ?",
    "SELECT * FROM v_usage WHERE provider = ? AND created_ms >= ?",
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
    ["calls", "created_ms"],
    ["call_blocks", "field"],
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
