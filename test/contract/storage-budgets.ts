import { describe, expect, test } from "bun:test";
import { maxBudgetsOnScope } from "../../core/storage/budget.ts";
import type { Database } from "../../core/storage/database.ts";
import { aBudget, aFinal, anAdmission } from "./storage-samples.ts";

/** The part of the storage contract that is about the windows of budgets. A call here holds 100 nano-USD and costs 50. */
export function testBudgets({
  database,
  restart,
  advance,
  now,
}: {
  readonly database: () => Database;
  readonly restart: () => Promise<void>;
  readonly advance: (ms: number) => void;
  readonly now: () => number;
}): void {
  const until = (iso: string) => advance(Date.parse(iso) - now());
  const made = (changed: Parameters<typeof aBudget>[0]) =>
    database().budgets.create(aBudget({ createdMs: now(), limitNano: 100, ...changed }));
  async function call() {
    const admission = anAdmission({ startedMs: now() });
    const { admitted } = await database().ledger.admit(admission);
    return { admitted, finish: () => database().ledger.finish(aFinal(admission.callId, { finishedMs: now() })) };
  }
  const used = async (id: string) => {
    const row = await database().budgets.get(id);
    return [row?.spentNano, row?.heldNano];
  };
  const proved = async () => expect((await database().prove()).filter(({ ok }) => !ok)).toEqual([]);

  describe("storage contract: windows of budgets", () => {
    test("a call counts in the day it was admitted in, whenever it ends; a day of 23 hours ends an hour earlier", async () => {
      // The last second of a day in Berlin; the next one has no hour from two to three.
      until("2027-03-27T22:59:59Z");
      const { id } = await made({ window: "day", timeZone: "Europe/Berlin" });
      const late = await call();
      expect([late.admitted, (await call()).admitted]).toEqual([true, false]);
      advance(1_000);
      expect(await used(id)).toEqual([0, 0]);
      const early = await call();
      expect(early.admitted).toBe(true);
      await late.finish();
      expect(await used(id)).toEqual([0, 100]);
      await early.finish();
      expect(await database().budgets.get(id)).toMatchObject({
        spentNano: 50,
        windowStartMs: Date.parse("2027-03-27T23:00:00Z"),
        resetsAtMs: Date.parse("2027-03-28T22:00:00Z"),
      });
      until("2027-03-28T21:59:59Z");
      expect((await call()).admitted).toBe(false);
      await restart();
      advance(1_000);
      expect((await call()).admitted).toBe(true);
      await proved();
    });

    test("rolling hours let go bit by bit of what was spent, not before its time", async () => {
      until("2027-02-01T00:00:00Z");
      const { id } = await made({ window: "5h", limitNano: 150 });
      await (await call()).finish();
      until("2027-02-01T02:30:00Z");
      await (await call()).finish();
      expect([await used(id), (await call()).admitted]).toEqual([[100, 0], false]);
      const row = await database().budgets.get(id);
      expect(row?.resetsAtMs).toBe(Date.parse("2027-02-01T05:05:00Z"));
      until("2027-02-01T05:04:59Z");
      expect((await call()).admitted).toBe(false);
      await restart();
      until("2027-02-01T05:05:00Z");
      expect(await used(id)).toEqual([50, 0]);
      expect((await call()).admitted).toBe(true);
      await proved();
    });

    test("a reset begins anew at its moment; what was in flight ends in the window before", async () => {
      const { id } = await made({ window: "lifetime" });
      const before = await call();
      advance(5);
      expect((await call()).admitted).toBe(false);
      await database().budgets.reset(id);
      const after = await call();
      expect(after.admitted).toBe(true);
      await before.finish();
      expect(await used(id)).toEqual([0, 100]);
      await after.finish();
      await restart();
      expect(await used(id)).toEqual([50, 0]);
      await proved();
    });

    test("an increase holds until its end, and a lower limit refuses what no longer fits", async () => {
      const { id } = await made({ window: "month" });
      await (await call()).finish();
      await database().budgets.change(id, { increase: { nano: 50, untilMs: now() + 1_000 } });
      expect((await database().budgets.get(id))?.limitNano).toBe(150);
      await (await call()).finish();
      advance(999);
      expect(await used(id)).toEqual([100, 0]);
      await database().budgets.change(id, { limitNano: 150 });
      expect((await call()).admitted).toBe(true);
      advance(1);
      expect(await database().budgets.get(id)).toMatchObject({ limitNano: 150, increase: null });
      expect((await call()).admitted).toBe(false);
      await proved();
    });

    test("one scope takes so many of those that come at once, and one more when one is removed", async () => {
      const scope = { kind: "account", id: "default" } as const;
      const create = () => made({ scope });
      await database().credits.add({ accountId: scope.id, nano: 1_000, note: null, expiresMs: null });
      const tries = await Promise.allSettled(Array.from({ length: maxBudgetsOnScope + 5 }, create));
      const ids = tries.flatMap((one) => (one.status === "fulfilled" ? [one.value.id] : []));
      expect(ids).toHaveLength(maxBudgetsOnScope);
      await expect(create()).rejects.toMatchObject({ kind: "conflict" });
      await made({ scope: { kind: "key", id: scope.id } });
      await database().budgets.remove(ids[0] ?? "");
      await create();
      await restart();
      await expect(create()).rejects.toMatchObject({ kind: "conflict" });
      await proved();
    });

    test("of several on one scope the tightest binds, and is named", async () => {
      const wide = await made({ window: "month", limitNano: 1_000 });
      const tight = await made({ window: "1h", limitNano: 120 });
      expect((await call()).admitted).toBe(true);
      expect(await database().ledger.admit(anAdmission({ startedMs: now() }))).toMatchObject({
        admitted: false,
        budget: { id: tight.id, heldNano: 100 },
      });
      expect(await used(wide.id)).toEqual([0, 100]);
    });
  });
}
