import { expect, test } from "bun:test";
import { statSync } from "node:fs";
import { getTableName } from "drizzle-orm";
import { openSqlite, type SqliteClient } from "../../core/runtime/sqlite.ts";
import { migrate } from "../../core/storage/migrate.ts";
import { sqliteMigrations } from "../../migrations/sqlite/index.ts";
import type { Database } from "../../core/storage/database.ts";
import { labelColumns } from "../../core/storage/unnamed-labels.ts";
import { openSqliteDatabase } from "../../core/storage/sqlite.ts";
import { aFinal, anAdmission, startMs } from "../contract/storage-samples.ts";
import { until } from "../support/poll.ts";
import { seeded } from "../support/random.ts";
import { call, dayMs, purger, settled } from "./aged.ts";
import { openAt, rowsOf, temporaryFolder } from "./folder.ts";

const folder = temporaryFolder();
const firstDay = Math.ceil(startMs / dayMs) * dayMs;

test("whatever is deleted, and whenever, sums, budgets, balances and the ledger stay, and all proves clean", async () => {
  const random = seeded("aged calls");
  for (let run = 0; run < 6; run += 1) {
    const path = folder.file();
    const clock = { nowMs: firstDay };
    const open = () => openAt(path, () => clock.nowMs);
    let database = await open();
    const callers = await settled(database);
    let gone = 0;
    for (let day = 0; day < 5; day += 1) {
      for (let at = 0; at < 40; at += 1) {
        clock.nowMs = firstDay + day * dayMs + random.below(dayMs);
        await call(database, callers, random, clock.nowMs);
      }
      clock.nowMs = firstDay + (day + 1) * dayMs;
      // The budgets and the balance of its parent have counted its calls all the same.
      if (day === 2) {
        expect(await database.accounts.remove(callers.left)).toBe(true);
        callers.left = "default";
      }
      if (random.below(2) === 0) await reprice(database, random.below(40) + 80);
      const seen = await everything(database, path);
      await database.close();
      const deleter = await purger(path);
      await deleter.foldAll();
      const beforeMs = firstDay + random.below(day + 1) * dayMs;
      gone += await deleter.removeBefore(beforeMs, 1 + random.below(60), random.below(2) === 0 ? 2 : 100);
      deleter.close();
      database = await open();
      expect(await everything(database, path)).toEqual(seen);
      expect((await database.prove()).filter(({ ok }) => !ok)).toEqual([]);
      expect(database.load().goneCalls).toBe(gone);
      if (random.below(2) === 0) {
        const kept = rowsOf(path, "SELECT * FROM v_usage");
        await database.compact();
        expect(rowsOf(path, "SELECT * FROM v_usage")).toEqual(kept);
        expect(rowsOf(path, unnamedCallers)).toEqual([]);
        expect(await everything(database, path)).toEqual(seen);
        expect((await database.prove()).filter(({ ok }) => !ok)).toEqual([]);
      }
    }
    const left = rowsOf(path, unnamedCallers);
    await database.close();
    const deleter = await purger(path);
    gone += await deleter.removeBefore(firstDay + 5 * dayMs, 64);
    deleter.close();
    expect(rowsOf(path, unnamedCallers).length).toBeGreaterThan(left.length);
    database = await open();
    const sums = await everything(database, path);
    await database.compact();
    expect(await everything(database, path)).toEqual(sums);
    await database.close();
    expect(rowsOf(path, "SELECT text FROM labels WHERE text LIKE 'caller %'")).toEqual([]);
    expect(
      rowsOf(
        path,
        "SELECT (SELECT count(*) FROM calls) AS calls, (SELECT count(*) FROM attempts) AS attempts, (SELECT count(*) FROM call_blocks) AS blocks",
      ),
    ).toEqual([{ calls: 0, attempts: 0, blocks: 0 }]);
    expect(gone).toBe(200);
    // No number is given twice, though no call is left.
    database = await open();
    await call(database, callers, random, clock.nowMs);
    expect(rowsOf<{ seq: number }>(path, "SELECT max(seq) AS seq FROM calls")).toEqual([{ seq: 201 }]);
    expect((await database.prove()).filter(({ ok }) => !ok)).toEqual([]);
    await database.close();
  }
}, 120_000);

test("killed at any point of a deletion, nothing of it has happened, and it is made up for", async () => {
  const random = seeded("killed deletions");
  const path = folder.file();
  const database = await openAt(path, () => firstDay);
  const callers = await settled(database);
  for (let at = 0; at < 60; at += 1) await call(database, callers, random, firstDay + at);
  const seen = await everything(database, path);
  await database.close();
  const folding = await purger(path);
  await folding.foldAll();
  folding.close();
  let points = 0;
  for (let gone = 0; gone === 0; points += 1) {
    const dying = await purger(path, (client) => killedAt(client, points));
    gone = await dying.removeBefore(firstDay + dayMs, 60, 1).catch(() => 0);
    dying.close();
    const left = rowsOf<{ n: number }>(path, "SELECT count(*) AS n FROM calls")[0]?.n;
    expect(left).toBe(60 - gone);
    const after = await openAt(path, () => firstDay);
    expect(await everything(after, path)).toEqual(seen);
    expect((await after.prove()).filter(({ ok }) => !ok)).toEqual([]);
    await after.close();
  }
  // Each write of it was one of the points.
  expect(points).toBeGreaterThan(10);
}, 120_000);

test("a plan that something overtook is not carried out", async () => {
  const path = folder.file();
  const database = await openAt(path, () => firstDay);
  for (let at = 0; at < 6; at += 1) await one(database, firstDay + at);
  await database.close();
  const deleter = await purger(path);
  await deleter.foldAll();
  const [early, late] = [
    deleter.plan({ beforeMs: firstDay + dayMs, calls: 3 }),
    deleter.plan({ beforeMs: firstDay + dayMs, calls: 2 }),
  ];
  if (!early || !late) throw new Error("there is something to delete");
  expect(await deleter.remove(late)).toBe(true);
  expect(await deleter.remove(early)).toBe(false);
  expect(await deleter.remove(late)).toBe(false);

  const adjusted = deleter.plan({ beforeMs: firstDay + dayMs, calls: 3 });
  const grown = deleter.plan({ beforeMs: firstDay + dayMs, calls: 3 });
  deleter.close();
  const between = await openAt(path, () => firstDay);
  await reprice(between, 50);
  await between.close();
  const second = await purger(path);
  if (!adjusted || !grown) throw new Error("there is something to delete");
  expect(await second.remove(adjusted)).toBe(false);
  // Only a call more: what the blocks note of it must not be deleted.
  const more = await openAt(path, () => firstDay);
  await one(more, firstDay + 2 * dayMs);
  await more.close();
  expect(await second.remove(grown)).toBe(false);
  expect(await second.removeBefore(firstDay + dayMs, 2)).toBe(4);
  second.close();
  expect(rowsOf(path, "SELECT created_ms FROM calls")).toEqual([{ created_ms: firstDay + 2 * dayMs }]);
});

test("a call that is not folded yet stays, and so does each that ended after one too young", async () => {
  const path = folder.file();
  const database = await openAt(path, () => firstDay);
  await one(database, firstDay);
  await one(database, firstDay + dayMs);
  await one(database, firstDay + 1);
  await database.close();
  const deleter = await purger(path);
  expect(deleter.plan({ beforeMs: firstDay + dayMs, calls: 9 })).toBeNull();
  await deleter.foldAll();
  expect(await deleter.removeBefore(firstDay + dayMs, 9)).toBe(1);
  deleter.close();
});

test("in a time whose calls are gone, an hour is in a range if its first moment is", async () => {
  const path = folder.file();
  let database = await openAt(path, () => firstDay);
  const hourMs = 3_600_000;
  for (const atMs of [hourMs / 2, hourMs, hourMs * 1.5, dayMs + 10]) await one(database, firstDay + atMs);
  await database.close();
  const deleter = await purger(path);
  await deleter.foldAll();
  await deleter.removeBefore(firstDay + dayMs, 64);
  deleter.close();
  database = await openAt(path, () => firstDay);
  const calls = async (from: number, to: number) =>
    (await database.calls.usage({ from: firstDay + from, to: firstDay + to, groupBy: [] })).total.calls;
  expect(await calls(0, 1)).toBe(1);
  expect(await calls(1, hourMs)).toBe(0);
  expect(await calls(1, hourMs + 1)).toBe(2);
  expect(await calls(0, dayMs)).toBe(3);
  expect(await calls(hourMs + 1, dayMs + 11)).toBe(1);
  expect(await calls(hourMs + 1, dayMs + 10)).toBe(0);
  expect(await database.retention()).toEqual({
    keepMs: null,
    oldestMs: firstDay + dayMs + 10,
    goneBeforeMs: firstDay + dayMs,
    goneCalls: 3,
    lastMs: startMs,
  });
  await database.close();
});

test("a serving process deletes what is older than it keeps, gives the space back, and says what it did", async () => {
  const path = folder.file();
  let nowMs = firstDay;
  const serve = () =>
    openSqliteDatabase({
      path,
      synchronous: "normal",
      now: () => nowMs,
      onBackup: () => {},
      keepMs: 30 * dayMs,
      threads: { onDeath: (error) => console.error(error), afterMs: 0, foldEveryMs: 5, purgeEveryMs: 5 },
    });
  let database = await serve();
  const notes = { error: "long ".repeat(400) };
  await Promise.all(Array.from({ length: 3_000 }, (_, at) => one(database, firstDay + at, notes)));
  await one(database, firstDay + dayMs);
  nowMs = firstDay + 2;
  await database.close();
  const full = statSync(path).size;
  nowMs = firstDay + 31 * dayMs + 1;
  database = await serve();
  await until("the old calls are gone", async () => (await database.retention()).goneCalls === 3_000, {
    deadlineMs: 50_000,
  });
  await until(
    "the file has shrunk",
    () => rowsOf<{ n: number }>(path, "SELECT page_count AS n FROM pragma_page_count")[0]!.n * 4_096 < full / 3,
    { deadlineMs: 50_000 },
  );
  expect((await database.prove()).filter(({ ok }) => !ok)).toEqual([]);
  expect(await database.retention()).toMatchObject({ keepMs: 30 * dayMs, oldestMs: firstDay + dayMs, lastMs: nowMs });
  await database.close();
  expect(statSync(path).size).toBeLessThan(full / 3);
}, 120_000);

test("a file from before can shrink once it was written anew", async () => {
  const path = folder.file();
  const old = await openSqlite(path);
  migrate(old, sqliteMigrations, () => "never asked for");
  old.close();
  const database = await openAt(path, () => firstDay);
  for (let at = 0; at < 50; at += 1) await one(database, firstDay + at, { error: "long ".repeat(400) });
  expect(rowsOf(path, "PRAGMA auto_vacuum")).toEqual([{ auto_vacuum: 0 }]);
  await database.close();
  const deleter = await purger(path);
  await deleter.foldAll();
  await deleter.removeBefore(firstDay + dayMs, 64);
  deleter.close();
  const anew = await openAt(path, () => firstDay);
  expect(await anew.compact()).toBeGreaterThan(50_000);
  expect(rowsOf(path, "PRAGMA auto_vacuum")).toEqual([{ auto_vacuum: 2 }]);
  expect((await anew.prove()).filter(({ ok }) => !ok)).toEqual([]);
  await anew.close();
});

test("what names a label is known, so that none is deleted that is named", async () => {
  const path = folder.file();
  await (await openAt(path, () => firstDay)).close();
  const columns = rowsOf<{ name: string }>(
    path,
    "SELECT t.name || '.' || c.name AS name FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table' AND c.name LIKE '%\\_ref' ESCAPE '\\'",
  );
  const others = /\.(account|ancestor|parent|key|budget|person)_ref$/;
  const known = labelColumns.map((column) => `${getTableName(column.table)}.${column.name}`);
  expect(new Set(columns.map(({ name }) => name).filter((name) => !others.test(name)))).toEqual(new Set(known));
});

/** Callers that no call has any more. */
const unnamedCallers =
  "SELECT text FROM labels WHERE text LIKE 'caller %' AND ref NOT IN (SELECT principal_ref FROM calls)";

/** All that a deletion must leave as it is, by whole days. */
async function everything(database: Database, path: string) {
  const fields = ["key", "account", "model", "provider", "status", "day", "label:team"] as const;
  const from = firstDay;
  return {
    usage: await Promise.all(
      fields.map((field) => database.calls.usage({ from: 0, to: Number.MAX_SAFE_INTEGER, groupBy: [field] })),
    ),
    days: await Promise.all(
      [0, 1, 2, 3, 4].map((day) =>
        database.calls.usage({ from: from + day * dayMs, to: from + (day + 1) * dayMs, groupBy: ["hour"] }),
      ),
    ),
    latency: await database.calls.latency({ from: 0, to: Number.MAX_SAFE_INTEGER }),
    budgets: (await database.budgets.list({ limit: 200 })).data,
    balances: (await database.credits.balances({})).data,
    ledger: rowsOf(path, "SELECT * FROM ledger ORDER BY seq"),
    used: (await database.keys.list({})).data.map(({ lastUsedMs }) => lastUsedMs),
  };
}

async function one(database: Database, atMs: number, notes: { error: string } | null = null): Promise<void> {
  const admission = anAdmission({ startedMs: atMs });
  await database.ledger.admit(admission);
  await database.ledger.finish(aFinal(admission.callId, { finishedMs: atMs + 5, notes }));
}

/** To so many percent of what it was charged, each call that can be rated. */
async function reprice(database: Database, percent: number): Promise<void> {
  const { calls } = await database.adjustments.ratedCalls({ from: 0, to: Number.MAX_SAFE_INTEGER, limit: 1_000 });
  const nano = (was: number | null) => Math.ceil(((was ?? 30) * percent) / 100);
  await database.adjustments.write(
    calls.slice(0, 30).map(({ seq, costNano, chargeNano }) => ({
      seq,
      costNano: nano(costNano),
      chargeNano: nano(chargeNano),
      priceVersion: "book 2",
    })),
    { reason: "because", author: "somebody" },
  );
}

/** Dies at the statement with this number, of those that run in a transaction. */
function killedAt(client: SqliteClient, point: number): SqliteClient {
  let ran = 0;
  let inside = false;
  const step = (sql: string) => {
    if (sql.startsWith("BEGIN")) inside = true;
    else if (sql === "ROLLBACK") inside = false;
    else if (inside && ran++ === point) throw new Error("killed");
    if (sql === "COMMIT") inside = false;
  };
  return {
    exec: (sql) => (step(sql), client.exec(sql)),
    transaction: (work) => client.transaction(work),
    close: () => client.close(),
    prepare(sql) {
      const statement = client.prepare(sql);
      return {
        run: (...values) => (step(sql), statement.run(...values)),
        get: (...values) => (step(sql), statement.get(...values)),
        all: (...values) => (step(sql), statement.all(...values)),
        values: (...values) => (step(sql), statement.values(...values)),
      };
    },
  };
}

test("a call that a receiver of the config has not had is not deleted, whatever its age", async () => {
  const path = folder.file();
  const database = await openAt(path, () => firstDay);
  const receivers = [{ name: "metering", events: ["usage.call" as const] }];
  await database.outbox.subscribe(receivers);
  const random = seeded("awaited calls");
  const callers = await settled(database);
  for (let at = 0; at < 30; at += 1) await call(database, callers, random, firstDay + at);
  await database.outbox.passed("metering", { callSeq: 12, adjustmentSeq: 0 }, firstDay);
  await database.close();
  const left = () => rowsOf<{ n: number }>(path, "SELECT count(*) AS n FROM calls")[0]?.n;
  const remove = async () => {
    const deleter = await purger(path);
    await deleter.foldAll();
    await deleter.removeBefore(firstDay + dayMs, 64);
    deleter.close();
    return left();
  };
  expect(await remove()).toBe(18);
  // One that was taken out of the config keeps nothing.
  const without = await openAt(path, () => firstDay);
  await without.outbox.subscribe([]);
  await without.close();
  expect(await remove()).toBe(0);
});
