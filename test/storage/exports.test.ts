import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { openSqlite, type SqliteClient } from "../../core/runtime/sqlite.ts";
import type { GroupField } from "../../core/storage/database.ts";
import type { EndedFilter, ExportFormat, ExportPart, ExportRepository } from "../../core/storage/export.ts";
import { nanoInJson } from "../../core/storage/nano.ts";
import { exportRepository } from "../../core/storage/repositories/exports.ts";
import { foldReader } from "../../core/storage/rollup-fold.ts";
import { rollupWriter } from "../../core/storage/rollup-writer.ts";
import { sqliteDatabase } from "../../core/storage/sqlite-database.ts";
import { startMs } from "../contract/storage-samples.ts";
import { csvRows } from "../support/csv.ts";
import { openAt, temporaryFolder } from "./folder.ts";
import { addedUp, insertCall, insertNames, type RolledCall, rolledCall } from "./rollup-calls.ts";

const dayMs = 86_400_000;
const folder = temporaryFolder();
let client: SqliteClient;
let exports: ExportRepository;
let calls: readonly RolledCall[];
// Each test may change them.
beforeEach(async () => {
  const path = folder.file();
  await (await openAt(path)).close();
  client = await openSqlite(path);
  client.exec("PRAGMA synchronous = OFF; BEGIN");
  insertNames(client);
  calls = fc.sample(rolledCall, { numRuns: 300, seed: 7 });
  for (const [at, call] of calls.entries()) {
    // The newest third is in no rollup and no block.
    if (at === 200) fold();
    insertCall(client, call);
    client.exec(`INSERT INTO ledger (account_ref, call_seq, kind, delta_nano, created_ms)
      VALUES (${call.account}, last_insert_rowid(), 'charge', ${-(call.chargeNano ?? 0)}, ${call.createdMs})`);
  }
  client.exec("COMMIT");
  exports = exportRepository(sqliteDatabase(client), { rows: 7, owners: 2 });
});
afterEach(() => client.close());

function fold() {
  const database = sqliteDatabase(client);
  const next = foldReader(database)({ calls: 10_000, groups: 100_000 });
  if (next) rollupWriter(client, database).add(next);
}

/** Part after part, with something done between every two. */
async function wholeFile(
  partOf: (query: { format: ExportFormat; after: string | null }) => ExportPart | PromiseLike<ExportPart>,
  format: ExportFormat,
  between: (parts: number) => void = () => {},
): Promise<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  let after: string | null = null;
  let parts = 0;
  do {
    const part: ExportPart = await partOf({ format, after });
    text += decoder.decode(part.bytes);
    after = part.next;
    between((parts += 1));
  } while (after !== null);
  return text;
}
const jsonRows = (text: string) =>
  text
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, unknown>);
/** As a BI tool has them, newest first. */
const viewed = (where = "1") =>
  client
    .prepare(
      `SELECT c.id, v.status, v.cost_nano, v.charge_nano, v.input_tokens, v.model, v.created_ms
      FROM calls c JOIN v_usage v ON v.call_id = c.id LEFT JOIN keys k ON k.ref = c.key_ref WHERE ${where} ORDER BY c.seq DESC`,
    )
    .values();
const exported = async (filter: EndedFilter, between?: (parts: number) => void) =>
  jsonRows(await wholeFile((query) => exports.calls(filter, query), "jsonl", between)).map((row) => [
    row.callId,
    row.status,
    row.costNano,
    row.chargeNano,
    row.inputTokens,
    row.model,
    row.createdMs,
  ]);

describe("calls", () => {
  const [from, to] = [startMs - dayMs, startMs + dayMs];
  test.each<[EndedFilter, string]>([
    [{}, "1"],
    [{ status: "ok" }, "v.status = 'ok'"],
    [{ status: "refused" }, "v.status = 'refused'"],
    [{ key: "key-2" }, "k.id = 'key-2'"],
    [{ model: "smart", account: "team" }, "v.model = 'smart' AND v.account_id = 'team'"],
    [{ from, to }, `v.created_ms >= ${from} AND v.created_ms < ${to}`],
    [{ from }, `v.created_ms >= ${from}`],
    [{ to, status: "client_aborted" }, `v.created_ms < ${to} AND v.status = 'client_aborted'`],
    [
      { from, to, provider: "one", status: "ok" },
      `v.created_ms >= ${from} AND v.created_ms < ${to} AND v.provider = 'one' AND v.status = 'ok'`,
    ],
    [{ model: "unheard-of" }, "0"],
    [{ from: 5, to: 5 }, "0"],
  ])("that fit %j, each once, as the view has them", async (filter, where) => {
    expect(await exported(filter)).toEqual(viewed(where));
  });

  test("that end and are folded meanwhile are not among them, and money adjusted meanwhile is not in them", async () => {
    const before = viewed();
    const [first] = before.at(-1) ?? [];
    const [one] = calls;
    const rows = await exported({}, (parts) => {
      if (parts % 10 === 1 && one) insertCall(client, { ...one, createdMs: startMs + parts });
      if (parts === 30) fold();
      client
        .prepare(
          `INSERT INTO adjustments (call_seq, cost_delta_nano, charge_delta_nano, price_version_ref, reason, author, created_ms)
          SELECT seq, 5, 5, 1, 'x', 'x', 0 FROM calls WHERE id = ?`,
        )
        .run(first);
    });
    expect(rows).toEqual(before);
    expect(viewed()).not.toEqual(before);
    expect(await exported({})).toEqual(viewed());
  });

  test("the same rows in both formats, money also in USD", async () => {
    const csv = csvRows(await wholeFile((query) => exports.calls({}, query), "csv"));
    const json = jsonRows(await wholeFile((query) => exports.calls({}, query), "jsonl"));
    expect(csv).toEqual(
      json.map((row) =>
        Object.fromEntries(Object.entries(row).map(([name, value]) => [name, value === null ? "" : String(value)])),
      ),
    );
    expect(csv.length).toBe(300);
    for (const { costNano, costUsd, createdMs, createdUtc } of json) {
      expect(costUsd).toBe(costNano === null ? null : (Number(costNano) / 1e9).toFixed(9));
      expect(Date.parse(String(createdUtc))).toBe(Number(createdMs));
    }
  });
});

test("entries of the ledger, each once, as the view has them", async () => {
  for (const [filter, where] of [
    [{}, "1"],
    [{ account: "team", kind: "charge" }, "account_id = 'team'"],
    [{ kind: "credit" }, "0"],
  ] as const) {
    const rows = jsonRows(
      await wholeFile(
        (query) => exports.entries(filter, query),
        "jsonl",
        () => {
          client.exec("INSERT INTO ledger (account_ref, kind, delta_nano, created_ms) VALUES (3, 'adjustment', 1, 1)");
        },
      ),
    );
    const expected = client
      .prepare(
        `SELECT seq, account_id, call_id, kind, delta_nano, created_ms FROM v_ledger WHERE kind <> 'adjustment' AND ${where} ORDER BY seq DESC`,
      )
      .values();
    expect(
      rows
        .filter(({ kind }) => kind !== "adjustment")
        .map((row) => [row.seq, row.accountId, row.callId, row.kind, row.deltaNano, row.createdAt]),
    ).toEqual(expected);
    client.exec("DELETE FROM ledger WHERE kind = 'adjustment'");
  }
});

describe("usage", () => {
  const range = { from: startMs - dayMs - 12_345, to: startMs + 2 * dayMs + 54_321 };
  test.each<GroupField[]>([
    [],
    ["model"],
    ["key"],
    ["account", "status"],
    ["day"],
    ["hour", "key", "account"],
    ["key", "day", "model", "provider", "status"],
  ])("by %s, %s, %s: each group once, and the sums of all of them", async (...groupBy) => {
    const rows = jsonRows(await wholeFile((query) => exports.usage({ ...range, groupBy }, query), "jsonl"));
    const groups = rows.map((row) => JSON.stringify(Object.fromEntries(groupBy.map((field) => [field, row[field]]))));
    expect(new Set(groups).size).toBe(groups.length);
    const expected = addedUp(calls, range, groupBy);
    expect(expected.size).toBeGreaterThan(Math.min(groupBy.length, 2) - 1);
    for (const [at, row] of rows.entries()) {
      const { costNano = -1, chargeNano = -1, ...counts } = expected.get(groups[at] ?? "") ?? {};
      const money = { costNano: nanoInJson(costNano), chargeNano: nanoInJson(chargeNano) };
      expect(row).toMatchObject({ ...counts, ...money });
    }
    expect(rows.length).toBe(expected.size);
  });
});
