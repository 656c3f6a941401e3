import { expect, test } from "bun:test";
import fc from "fast-check";
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

test("rolling hours count on behind what a clock that ran ahead has left", async () => {
  const site = await atOddClock();
  const { clock } = site;
  const scopes = [
    { kind: "account", id: "default" },
    { kind: "global", id: "global" },
  ] as const;
  const { id } = await site.database().budgets.create(aBudget({ window: "1h", createdMs: clock.now() }));
  clock.advance(40 * dayMs);
  for (let minute = 0; minute < 6; minute++) {
    await site.call(scopes);
    clock.advance(60_000);
  }
  clock.advance(-40 * dayMs);
  const spent = async () => (await site.database().budgets.get(id))?.spentNano;
  await site.call(scopes);
  await site.call(scopes);
  expect(await spent()).toBe(100);
  await site.agrees();
  await site.reopen();
  await site.call(scopes);
  expect(await spent()).toBe(150);
  await site.unchangedByRepair();
  await site.database().close();
});

test("whatever begins or ends in the minute of calls that are ahead of the clock, each stays counted where it was", async () => {
  const moment = fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 1, max: 15_000 }) },
    { weight: 2, arbitrary: fc.integer({ min: -60_000, max: -1 }) },
    { weight: 1, arbitrary: fc.constantFrom(-halfHourMs, halfHourMs, -dayMs, dayMs) },
  );
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant("call"), pick: fc.nat() }) },
    { weight: 6, arbitrary: fc.record({ kind: fc.constant("clock"), pick: moment }) },
    {
      weight: 5,
      arbitrary: fc.record({ kind: fc.constantFrom("budget", "reset", "reset", "move", "credit"), pick: fc.nat() }),
    },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 40, maxLength: 40 }), async (steps) => {
      const site = await atOddClock();
      const { clock } = site;
      const { accounts, budgets, credits } = site.database();
      const made = async (parentId: string | null) =>
        (await accounts.create({ id: anId(), parentId, name: "", createdMs: 0 })).id;
      const [one, other] = [await made(null), await made(null)];
      const team = await made(one);
      const scopesOf = async (): Promise<readonly Scope[]> => [
        ...(await accounts.lineage(team, clock.now())).map(({ id }) => ({ kind: "account", id }) as const),
        { kind: "global", id: "global" },
      ];
      const does: Readonly<Record<string, (pick: number) => Promise<unknown>>> = {
        call: async () => site.call(await scopesOf(), team),
        async clock(pick) {
          clock.advance(pick);
        },
        async budget(pick) {
          const scope = ([team, one, other] as const)[pick % 4];
          const terms = [{}, { window: "1h" }, { window: "day", timeZone: "Asia/Kathmandu" }] as const;
          return budgets.create(
            aBudget({
              ...(scope !== undefined && { scope: { kind: "account", id: scope } }),
              limitNano: 1_000_000,
              createdMs: clock.now(),
              ...terms[pick % terms.length],
            }),
          );
        },
        async reset(pick) {
          const { data } = await budgets.list({});
          const budget = data[pick % Math.max(data.length, 1)];
          if (budget) await budgets.reset(budget.id);
        },
        move: (pick) => Promise.resolve(accounts.change(team, { parentId: [null, one, other][pick % 3] ?? null })),
        credit: (pick) =>
          Promise.resolve(
            credits.add({ accountId: [team, one, other][pick % 3] ?? team, nano: 1e6, expiresMs: null, note: null }),
          ),
      };
      for (const { kind, pick } of steps) {
        await does[kind]?.(pick);
        await site.agrees();
      }
      await site.database().close();
    }),
    { numRuns: 12, endOnFailure: true },
  );
}, 60_000);

test("of calls it reads those after the change alone, by their index, and those that count alike as one", async () => {
  const site = await atOddClock();
  for (let calls = 0; calls < 20; calls++) await site.call([{ kind: "account", id: "default" }]);
  await site.database().close();
  const own = await openSqlite(site.path);
  const { client, statements } = recording(own);
  const rows: number[] = [];
  const prepare = client.prepare.bind(client);
  client.prepare = (text) => {
    const statement = prepare(text);
    const values = statement.values.bind(statement);
    statement.values = (...bound) => {
      const found = values(...bound);
      if (text.includes('from "calls"')) rows.push(found.length);
      return found;
    };
    return statement;
  };
  const database = sqliteDatabase(client);
  const later = laterCalls({
    database,
    book: budgetBook(client, database),
    tree: accountTree(database, () => startMs),
    addBesides: () => {},
  });
  later.stay(1, () => {});
  // Whether there is any, and those there are.
  expect(rows).toEqual([1, 1]);
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
