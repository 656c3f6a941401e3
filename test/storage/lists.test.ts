import { describe, expect, test } from "bun:test";
import type { CallFilter, Database } from "../../core/storage/database.ts";
import { aBudget, aFinal, aKey, anAdmission, aRefusal, startMs } from "../contract/storage-samples.ts";
import { openAt, temporaryFolder } from "./folder.ts";

const folder = temporaryFolder();
const opened = () => openAt(folder.file());

describe("the list of calls", () => {
  test.each([1, 2, 3, 4, 5, 8, 50])(
    "in pages of %d: those in flight first, then all others, each once",
    async (limit) => {
      const database = await opened();
      const finished: string[] = [];
      for (let at = 0; at < 4; at++) finished.unshift(await finishedCall(database, startMs + at));
      const flying: string[] = [];
      for (let at = 0; at < 3; at++) flying.unshift(await openCall(database, startMs - at));
      flying.reverse();
      const seen = await walk(database, {}, limit);
      // Those in flight have no place in the order: as many as a page holds are shown, on the first.
      expect(seen).toEqual([...flying, ...finished]);
      await database.close();
    },
  );

  test("pages stay whole while calls begin and end", async () => {
    const database = await opened();
    const before: string[] = [];
    for (let at = 0; at < 6; at++) before.unshift(await finishedCall(database, startMs + at));
    const slow = await openCall(database, startMs);
    const seen = await walk(database, {}, 2, async () => {
      await finishedCall(database, startMs + 100);
      await database.ledger.finish(aFinal(slow));
    });
    expect(seen.filter((id) => before.includes(id))).toEqual(before);
    expect(new Set(seen).size).toBe(seen.length);
    await database.close();
  });

  test("every filter finds what fits it and nothing else, in flight and finished alike", async () => {
    const database = await opened();
    const key = await database.keys.create(aKey(), null);
    const odd = { keyId: key.id, model: "odd", provider: "other", startedMs: startMs + 10 };
    await finishedCall(database, startMs);
    const [done, flying] = [anAdmission(odd), anAdmission(odd)];
    for (const admission of [done, flying]) await database.ledger.admit(admission);
    await database.ledger.finish(aFinal(done.callId, { provider: "other", status: "upstream_error" }));
    const wanted = [flying.callId, done.callId];
    const filters: CallFilter[] = [
      { key: key.id },
      { model: "odd" },
      { provider: "other" },
      { from: startMs + 10 },
      { from: startMs + 10, to: startMs + 11 },
      { key: key.id, model: "odd", provider: "other", account: "default" },
    ];
    for (const filter of filters) expect([filter, await walk(database, filter, 50)]).toEqual([filter, wanted]);
    expect(await walk(database, { status: "upstream_error" }, 50)).toEqual([done.callId]);
    expect(await walk(database, { status: "open" }, 50)).toEqual([flying.callId]);
    expect(await walk(database, { to: startMs }, 50)).toEqual([]);
    for (const nobody of [{ key: "x" }, { account: "x" }, { model: "x" }, { provider: "x" }])
      expect(await walk(database, nobody, 50)).toEqual([]);
    await database.close();
  });

  test("one in flight looks alike in the list and alone", async () => {
    const database = await opened();
    const id = await openCall(database, startMs);
    const [listed] = (await database.calls.list({}, {})).data;
    const alone = await database.calls.get(id);
    expect(alone).toMatchObject({ ...listed });
    expect(listed).toMatchObject({
      callId: id,
      status: "open",
      source: null,
      stream: true,
      durationMs: null,
      finishedMs: null,
    });
    await database.close();
  });

  test.each(["x", "-1", "1.5", "1e3", "9".repeat(17), "open-", "open-1", " 1"])("%p is no cursor", async (after) => {
    const database = await opened();
    expect(() => database.calls.list({}, { after })).toThrow(/not a cursor/);
    await database.close();
  });
});

describe("keys and budgets", () => {
  test("a key's last use is that of its newest call", async () => {
    const database = await opened();
    const key = await database.keys.create(aKey(), null);
    expect(await database.keys.get(key.id)).toMatchObject({ lastUsedMs: null });
    for (const startedMs of [startMs + 5, startMs + 9])
      await database.ledger.refuse(aRefusal({ keyId: key.id, startedMs }));
    expect(await database.keys.get(key.id)).toMatchObject({ lastUsedMs: startMs + 9 });
    expect((await database.keys.list({})).data).toMatchObject([{ lastUsedMs: startMs + 9 }]);
    await database.close();
  });

  test("a removed budget holds no more, is in no list, and its open calls end well", async () => {
    const database = await opened();
    const budget = await database.budgets.create(aBudget({ limitNano: 100 }));
    const id = await openCall(database, startMs);
    expect(await database.budgets.remove(budget.id)).toBe(true);
    expect(await database.budgets.remove(budget.id)).toBe(false);
    expect(await database.budgets.get(budget.id)).toBeNull();
    expect((await database.budgets.list({})).data).toEqual([]);
    expect(await database.budgets.inScope([budget.scope])).toBe("none");
    expect(await database.ledger.admit(anAdmission())).toMatchObject({ admitted: true, holds: [] });
    await database.ledger.finish(aFinal(id));
    expect((await database.prove()).filter(({ ok }) => !ok)).toEqual([]);
    await database.close();
  });

  test("a budget made in the very millisecond of a call that it did not hold does not count that call", async () => {
    const database = await opened();
    const id = await openCall(database, startMs);
    const budget = await database.budgets.create(aBudget({ createdMs: startMs }));
    await database.ledger.finish(aFinal(id));
    expect(await database.budgets.get(budget.id)).toMatchObject({ spentNano: 0, heldNano: 0 });
    expect((await database.prove()).filter(({ ok }) => !ok)).toEqual([]);
    await database.close();
  });
});

async function openCall(database: Database, startedMs: number): Promise<string> {
  const admission = anAdmission({ startedMs });
  await database.ledger.admit(admission);
  return admission.callId;
}

async function finishedCall(database: Database, startedMs: number): Promise<string> {
  const id = await openCall(database, startedMs);
  await database.ledger.finish(aFinal(id));
  return id;
}

async function walk(
  database: Database,
  filter: CallFilter,
  limit: number,
  between: () => Promise<void> = async () => {},
): Promise<string[]> {
  const seen: string[] = [];
  for (let after: string | null = null; ;) {
    const page: Awaited<ReturnType<Database["calls"]["list"]>> = await database.calls.list(filter, { after, limit });
    expect(page.data.length).toBeLessThanOrEqual(limit);
    seen.push(...page.data.map(({ callId }) => callId));
    if (page.next === null) return seen;
    after = page.next;
    await between();
  }
}
