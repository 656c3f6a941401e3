import { expect, test } from "bun:test";
import type { Scope } from "../../core/chat/error.ts";
import { openSqlite } from "../../core/runtime/sqlite.ts";
import { accountTree } from "../../core/storage/account-tree.ts";
import { budgetBook } from "../../core/storage/budget-book.ts";
import { laterCalls } from "../../core/storage/later-calls.ts";
import { sqliteDatabase } from "../../core/storage/sqlite-database.ts";
import { fakeClock } from "../contract/context.ts";
import { aBudget, aFinal, anAdmission, anId, startMs } from "../contract/storage-samples.ts";
import { dayMs, purger } from "./aged.ts";
import { examined } from "./examined.ts";
import { openAt, rowsOf, temporaryFolder } from "./folder.ts";
import { recording, scannedTables } from "./scans.ts";

/** What is changed after the clock was set back finds calls there that start, by the clock, after the change. */
const folder = temporaryFolder();
const halfHourMs = 1_800_000;

test("a reset starts from nothing, and what was counted or in flight before stays there", async () => {
  const site = await atOddClock();
  const { clock, agrees } = site;
  const terms = [{ window: "lifetime" }, { window: "day" }, { window: "month", timeZone: "Asia/Kathmandu" }] as const;
  const ids: string[] = [];
  for (const term of terms)
    ids.push((await site.database().budgets.create(aBudget({ ...term, createdMs: clock.now() }))).id);
  const rolling = await site.database().budgets.create(aBudget({ window: "5h", createdMs: clock.now() }));
  const spent = () => Promise.all(ids.map(async (id) => (await site.database().budgets.get(id))?.spentNano));
  const all = (nano: number) => ids.map(() => nano);
  const scopes = [
    { kind: "account", id: "default" },
    { kind: "global", id: "global" },
  ] as const;
  await site.call(scopes);
  const flying = await site.admitted(scopes);
  expect(await spent()).toEqual(all(50));
  clock.advance(-halfHourMs);
  for (const id of ids) await site.database().budgets.reset(id);
  expect(await spent()).toEqual(all(0));
  expect(await site.database().budgets.reset(rolling.id)).toMatchObject({ spentNano: 0 });
  await agrees();
  // Of a call that does not count any more there is nothing to give back.
  const free = { seq: 1, costNano: 0, chargeNano: 0, priceVersion: "corrected" };
  await site.database().adjustments.write([free], { reason: "a correction", author: "somebody" });
  expect(await spent()).toEqual(all(0));
  await agrees();
  await site.finish(flying);
  expect(await spent()).toEqual(all(0));
  await site.call(scopes);
  expect(await spent()).toEqual(all(50));
  await site.reopen();
  await agrees();
  // Back beyond that reset, too, and then on over both.
  clock.advance(-halfHourMs);
  for (const id of ids) await site.database().budgets.reset(id);
  await site.call(scopes);
  expect(await spent()).toEqual(all(50));
  clock.advance(3 * halfHourMs);
  await site.call(scopes);
  expect(await spent()).toEqual(all(100));
  await site.unchangedByRepair();
  await site.database().close();
});

test("an account that is moved leaves what it spent, and what is in flight, where it was", async () => {
  const site = await atOddClock();
  const { clock, agrees } = site;
  const account = async (parentId: string | null) =>
    (await site.database().accounts.create({ id: anId(), parentId, name: "", createdMs: 0 })).id;
  const [from, to] = [await account(null), await account(null)];
  const team = await account(from);
  for (const accountId of [from, to])
    await site.database().credits.add({ accountId, nano: 1_000, expiresMs: null, note: null });
  const line = async () => (await site.database().accounts.lineage(team, clock.now())).map(({ id }) => id);
  const scopes = async () => (await line()).map((id) => ({ kind: "account", id }) as const);
  const left = () =>
    Promise.all([from, to].map(async (id) => (await site.database().credits.balance(id))?.balanceNano));
  clock.advance(1);
  await site.call(await scopes(), team);
  await site.admitted(await scopes(), team);
  clock.advance(-halfHourMs);
  await site.database().accounts.change(team, { parentId: to });
  await agrees();
  await site.reopen();
  // Of what was expected of it, as it ended with its process.
  expect(await site.database().ledger.sweep("input", clock.now())).toBe(1);
  await agrees();
  expect(await left()).toEqual([920, 1_000]);
  await site.call(await scopes(), team);
  expect(await left()).toEqual([920, 950]);
  await agrees();

  const later = await site.admitted(await scopes(), team);
  clock.advance(-halfHourMs);
  await site.database().accounts.change(team, { parentId: null });
  expect(await line()).toEqual([team]);
  // Up to where the first move ended a line.
  clock.advance(halfHourMs);
  expect(await line()).toEqual([team]);
  await site.finish(later);
  expect(await left()).toEqual([920, 900]);
  await site.unchangedByRepair();
  await site.database().close();
});

test("the new parent of an account pays for its calls although it was moved, by the clock, after they start", async () => {
  const site = await atOddClock();
  const { clock } = site;
  const account = async (parentId: string | null) =>
    (await site.database().accounts.create({ id: anId(), parentId, name: "", createdMs: 0 })).id;
  const [from, to] = [await account(null), await account(null)];
  const team = await account(from);
  for (const accountId of [from, to])
    await site.database().credits.add({ accountId, nano: 1_000, expiresMs: null, note: null });
  await site.database().accounts.change(team, { parentId: to });
  clock.advance(-halfHourMs);
  const callOnce = async () => {
    const line = await site.database().accounts.lineage(team, clock.now());
    await site.call(
      line.map(({ id }) => ({ kind: "account", id }) as const),
      team,
    );
  };
  const left = () =>
    Promise.all([from, to].map(async (id) => (await site.database().credits.balance(id))?.balanceNano));
  await callOnce();
  expect(await left()).toEqual([1_000, 950]);
  await site.agrees();
  await site.reopen();
  await callOnce();
  expect(await left()).toEqual([1_000, 900]);
  clock.advance(2 * halfHourMs);
  await callOnce();
  expect(await left()).toEqual([1_000, 850]);
  await site.unchangedByRepair();
  await site.database().close();
});

test("a budget is made now, not when the clock catches up, and no call has to name it", async () => {
  const site = await atOddClock();
  const { clock } = site;
  const scopes = [
    { kind: "account", id: "default" },
    { kind: "global", id: "global" },
  ] as const;
  await site.call(scopes);
  clock.advance(-400 * dayMs);
  const made = await site.database().budgets.create(aBudget({ createdMs: clock.now() }));
  expect(made).toMatchObject({ createdMs: clock.now(), spentNano: 0 });
  await site.call(scopes);
  expect(await site.database().budgets.get(made.id)).toMatchObject({ spentNano: 50 });
  await site.unchangedByRepair();
  expect(rowsOf(site.path, "SELECT * FROM calls WHERE notes IS NOT NULL")).toEqual([]);
  await site.database().close();
});

test("what a reset took from a later day stays away when its calls are deleted", async () => {
  const site = await atOddClock();
  const { clock } = site;
  const scopes = [
    { kind: "account", id: "default" },
    { kind: "global", id: "global" },
  ] as const;
  const { id } = await site.database().budgets.create(aBudget({ window: "day", createdMs: clock.now() }));
  await site.call(scopes);
  clock.advance(-dayMs);
  await site.database().budgets.reset(id);
  await site.database().close();
  const deleter = await purger(site.path);
  await deleter.foldAll();
  expect(await deleter.removeBefore(startMs + dayMs, 64)).toBe(1);
  deleter.close();
  await site.open();
  clock.advance(dayMs);
  await site.call(scopes);
  expect(await site.database().budgets.get(id)).toMatchObject({ spentNano: 50 });
  await site.unchangedByRepair();
  await site.database().close();
});

test("of calls it reads those after the change alone, by their index", async () => {
  const site = await atOddClock();
  await site.call([{ kind: "account", id: "default" }]);
  await site.database().close();
  const own = await openSqlite(site.path);
  const { client, statements } = recording(own);
  const database = sqliteDatabase(client);
  const later = laterCalls({
    database,
    book: budgetBook(client, database),
    tree: accountTree(database, () => startMs),
    addBesides: () => {},
  });
  later.stay(1, () => {});
  later.ended("id", []);
  expect([...statements].filter((sql) => scannedTables(own, sql).includes("calls"))).toEqual([]);
  expect([...statements].filter((sql) => sql.includes('from "calls"')).length).toBeGreaterThan(1);
  own.close();
});

async function atOddClock() {
  const path = folder.file();
  const clock = fakeClock(startMs);
  let database = await openAt(path, clock.now);
  async function admitted(scopes: readonly Scope[], accountId = "default"): Promise<string> {
    const admission = anAdmission({ startedMs: clock.now(), accountId, scopes });
    expect(await database.ledger.admit(admission)).toMatchObject({ admitted: true });
    return admission.callId;
  }
  const finish = async (callId: string) => database.ledger.finish(aFinal(callId, { finishedMs: clock.now() }));
  const agrees = async () => expect((await database.prove()).filter(({ ok }) => !ok)).toEqual([]);
  async function open() {
    database = await openAt(path, clock.now);
  }
  async function reopen() {
    await database.close();
    await open();
  }
  return {
    path,
    clock,
    database: () => database,
    admitted,
    finish,
    call: async (...of: Parameters<typeof admitted>) => finish(await admitted(...of)),
    agrees,
    open,
    reopen,
    async unchangedByRepair() {
      await agrees();
      await database.close();
      const sums = () => rowsOf(path, "SELECT * FROM budget_windows");
      const before = sums();
      expect(await examined(path, { repair: true })).toMatchObject({ code: 0 });
      expect(sums()).toEqual(before);
      await open();
    },
  };
}
