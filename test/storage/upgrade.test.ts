import { Database as Client } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openSqlite, type SqliteClient } from "../../core/runtime/sqlite.ts";
import { migrate } from "../../core/storage/migrate.ts";
import { latestSchemaVersion } from "../../core/storage/sqlite-file.ts";
import { openSqliteDatabase } from "../../core/storage/sqlite.ts";
import { sqliteMigrations } from "../../migrations/sqlite/index.ts";
import { startMs } from "../contract/storage-samples.ts";
import { openAt, rowsOf, temporaryFolder } from "./folder.ts";

const folder = temporaryFolder();
const fixtures = join(import.meta.dir, "..", "fixtures", "storage");
const current = sqliteMigrations.length;
const versions = readdirSync(fixtures)
  .flatMap((name) => /^v(\d+)\.sql$/.exec(name)?.[1] ?? [])
  .map(Number)
  .toSorted((left, right) => left - right);

test("there is a dump of every version that has landed", () => {
  expect(versions).toEqual(Array.from({ length: current }, (_, at) => at + 1));
});

test("the list is as long as the journal, by which a start knows whether there is one to do", () => {
  expect(latestSchemaVersion).toBe(current);
});

describe.each(versions)("version %d", (version) => {
  test("its migrations still make the schema that they made then", async () => {
    const path = folder.file();
    const client = await openSqlite(path);
    migrate(client, sqliteMigrations.slice(0, version), () => "never asked for");
    client.close();
    expect(schemaOf(path)).toEqual(schemaOf(load(version)));
  });

  test("a database of it opens, is swept and proves clean, and has lost nothing", async () => {
    const path = load(version);
    const before = figuresOf(path);
    expect(before.usage.length).toBeGreaterThan(5);
    expect(before.open).toBeGreaterThan(0);
    const backups: string[] = [];
    const upgrades: object[] = [];
    const database = await openSqliteDatabase({
      path,
      synchronous: "normal",
      now: () => startMs + 1_000,
      onUpgrade: (between) => void upgrades.push(between),
      onBackup: (made) => void backups.push(made),
    });
    expect(backups).toHaveLength(version < current ? 1 : 0);
    expect(upgrades).toEqual(version < current ? [{ from: version, to: current }] : []);
    const { data: told } = await database.audit.list({ action: "database.upgrade" }, {});
    const step = {
      before: JSON.stringify({ schemaVersion: version }),
      after: JSON.stringify({ schemaVersion: current }),
    };
    expect(told).toMatchObject(version < current ? [{ actorKind: "process", ...step }] : []);
    expect(await database.ledger.sweep("input", startMs + 1_000)).toBe(before.open);
    expect((await database.prove()).filter(({ ok }) => !ok)).toEqual([]);
    expect(await database.calls.openCount()).toBe(0);
    const key = (await database.keys.list({})).data.find(({ name }) => name === "it's a key");
    expect(key).toMatchObject({ accountId: "user", models: ["fast", "mock/*"], limits: { requestsPerMinute: 60 } });
    expect(await database.namespace("plugin").get("state")).toEqual({ list: [1, "two"] });
    await database.close();

    const after = figuresOf(path);
    expect(after.usage).toMatchObject(before.usage);
    expect(after.ledger).toMatchObject(before.ledger);
    expect(after.budgets.map(({ budget_id }) => budget_id)).toEqual(before.budgets.map(({ budget_id }) => budget_id));
    expect(after.budgets.filter(({ held_nano }) => held_nano !== 0)).toEqual([]);
    // What `dump.ts` admitted and never finished, one of them without a price.
    expect(after.interrupted).toEqual([
      { input_tokens: 7, cost_nano: 20, charge_nano: 30, price_version: "book 1" },
      { input_tokens: null, cost_nano: null, charge_nano: null, price_version: null },
    ]);
    for (const backup of backups) expect(figuresOf(backup)).toEqual(before);
  });
});

test("an upgrade that is done is in the audit log, though the disk is full right after it", async () => {
  const path = load(current - 1);
  const now = () => startMs + 1_000;
  const open = (driver: (path: string) => Promise<SqliteClient>) =>
    openSqliteDatabase({ path, synchronous: "normal", now, onBackup() {}, driver });
  const failed = await open(fullAfterUpgrade).catch(String);
  expect(failed).toBe(`StorageError: the database ${path} cannot be opened: database or disk is full`);
  expect(rowsOf(path, "PRAGMA user_version")).toEqual([{ user_version: current }]);
  const database = await open(openSqlite);
  const { data: told } = await database.audit.list({ action: "database.upgrade" }, {});
  expect(told).toMatchObject([{ before: JSON.stringify({ schemaVersion: current - 1 }) }]);
  await database.close();
});

test("copies that killed upgrades left half go with the next one; whole ones, and what is not its own, stay", async () => {
  const path = load(current - 1);
  const [half, kept] = [
    [`${path}.v${current - 1}.1.backup.part`, `${path}.v${current - 1}.1.backup.part-journal`],
    [
      `${path}.v${current - 1}.2.backup`,
      `${path}.copy.part`,
      `${path}.v1.copy.backup.part`,
      folder.file("v1.1.backup.part"),
    ],
  ];
  for (const file of [...half, ...kept]) writeFileSync(file, "as it was");
  await (await openAt(path)).close();
  expect([...half, ...kept].filter((file) => existsSync(file))).toEqual(kept);
});

/** Nothing can be written once the transaction of the upgrade is through. */
async function fullAfterUpgrade(path: string): Promise<SqliteClient> {
  const client = await openSqlite(path);
  let isFull = false;
  const fails = () => {
    if (isFull) throw new Error("database or disk is full");
  };
  return {
    close: () => client.close(),
    prepare(text) {
      const statement = client.prepare(text);
      const run = statement.run.bind(statement);
      statement.run = (...values) => {
        fails();
        return run(...values);
      };
      return statement;
    },
    exec(text) {
      if (!text.startsWith("PRAGMA")) fails();
      return client.exec(text);
    },
    transaction(work) {
      const modes = client.transaction(work);
      return {
        ...modes,
        immediate() {
          modes.immediate();
          isFull = true;
        },
      };
    },
  };
}

function load(version: number): string {
  const path = folder.file();
  const client = new Client(path);
  client.exec(`BEGIN; ${readFileSync(join(fixtures, `v${version}.sql`), "utf8")} COMMIT;`);
  client.close();
  return path;
}

interface Usage {
  readonly call_id: string;
}
interface Budget {
  readonly budget_id: string;
  readonly held_nano: number;
}

/** What must survive: the records, the entries, the budgets. */
const figuresOf = (path: string) => ({
  usage: rowsOf<Usage>(path, "SELECT * FROM v_usage WHERE status NOT IN ('open', 'interrupted') ORDER BY call_id"),
  ledger: rowsOf<object>(
    path,
    "SELECT * FROM v_ledger WHERE call_id IN (SELECT call_id FROM v_usage WHERE status <> 'interrupted') ORDER BY seq",
  ),
  interrupted: rowsOf<object>(
    path,
    "SELECT input_tokens, cost_nano, charge_nano, price_version FROM v_usage WHERE status = 'interrupted' ORDER BY call_id",
  ),
  budgets: rowsOf<Budget>(path, "SELECT * FROM v_budget ORDER BY budget_id"),
  open: rowsOf<{ n: number }>(path, "SELECT count(*) AS n FROM v_usage WHERE status = 'open'")[0]?.n ?? 0,
});

const schemaOf = (path: string) =>
  rowsOf<{ readonly sql: string }>(
    path,
    "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type, name",
  ).map((row) => ({ ...row, sql: row.sql.replace(/\s+/g, " ") }));
