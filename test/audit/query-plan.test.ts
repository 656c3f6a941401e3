import { afterAll, beforeAll, expect, test } from "bun:test";
import { openSqlite, type SqliteClient } from "../../core/runtime/sqlite.ts";
import type { AuditFilter } from "../../core/storage/audit.ts";
import { emptyHead } from "../../core/storage/audit-chain.ts";
import { auditPage, auditReads } from "../../core/storage/repositories/audit.ts";
import { exportRepository } from "../../core/storage/repositories/exports.ts";
import { sqliteDatabase } from "../../core/storage/sqlite-database.ts";
import { openAt, temporaryFolder } from "../storage/folder.ts";
import { recording, scannedTables } from "../storage/scans.ts";

const folder = temporaryFolder();
let client: SqliteClient;
beforeAll(async () => {
  const path = folder.file();
  const database = await openAt(path);
  // Above this number, lists walk the log and leave out what is of other accounts.
  for (let at = 0; at < 70; at++)
    await database.accounts.create({ id: `a${at}`, parentId: "default", name: "A", createdMs: 1 });
  await database.accounts.create({ id: "alone", parentId: null, name: "Alone", createdMs: 1 });
  await database.close();
  client = await openSqlite(path);
});
afterAll(() => client.close());

test("no list, export, entry or proof of the audit log reads a table from end to end", async () => {
  const watched = recording(client);
  const database = sqliteDatabase(watched.client);
  const audit = auditReads(database);
  const exports = exportRepository(database);
  const filters: AuditFilter = { actor: "x0", action: "a", objectKind: "key", objectId: "o", from: 1, to: 9 };
  const names = Object.keys(filters);
  for (const under of [undefined, "default", "alone"])
    for (let chosen = 0; chosen < 2 ** names.length; chosen++) {
      const subset = Object.fromEntries(Object.entries(filters).filter((_, at) => chosen & (1 << at)));
      const filter: AuditFilter = { ...subset, ...(under !== undefined && { under }) };
      for (const after of [null, "5"]) await audit.list(filter, { after });
      await exports.audit(filter, { format: "jsonl", after: "5-0" });
    }
  await audit.list({ actor: "admin-token" }, {});
  await audit.get(3);
  await audit.get(3, { under: "alone" });
  await audit.head();
  await audit.verify(emptyHead, 10);
  expect(watched.statements.size).toBeGreaterThan(40);
  const kinds = "select * from audit_entries where actor_name = 'x'";
  expect(scannedTables(client, kinds)).toEqual(["audit_entries"]);
  const scanned = [...watched.statements].flatMap((sql) =>
    scannedTables(client, sql).map((table) => `${table}: ${sql}`),
  );
  expect(scanned).toEqual([]);
});

test("a long log is looked through a part at a time: pages may be empty, and together they are all that fits", () => {
  const database = sqliteDatabase(client);
  const parts = (filter: AuditFilter, limit: number) => {
    const found: { readonly seqs: number[]; readonly next: number | null }[] = [];
    for (let before: number | null = Number.MAX_SAFE_INTEGER; before !== null; before = found.at(-1)?.next ?? null) {
      const { rows, next } = auditPage(database, filter, before, limit, 10);
      found.push({ seqs: rows.map(({ seq }) => seq), next });
    }
    return found;
  };
  const all = (filter: AuditFilter) => auditPage(database, filter, Number.MAX_SAFE_INTEGER, 1_000).rows;
  for (const filter of [{ objectId: "a3" }, { actor: "process" }, { actor: "command" }, { objectId: "a3", from: 1 }]) {
    const found = parts(filter, 4);
    expect(found.flatMap(({ seqs }) => seqs)).toEqual(all(filter).map(({ seq }) => seq));
    expect(found.length).toBeGreaterThan(6);
  }
  expect(parts({ objectId: "a3" }, 4)[0]).toMatchObject({ seqs: [], next: expect.any(Number) });
  expect(all({ objectId: "a3" })).toHaveLength(1);
  // By an index, or without a filter, nothing is looked through in vain.
  expect(parts({ objectKind: "account", objectId: "a3" }, 4)).toHaveLength(1);
  expect(parts({ from: 8_640_000_000_000_000 }, 4)).toEqual([{ seqs: [], next: null }]);
});
