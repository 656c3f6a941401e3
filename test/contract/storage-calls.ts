import { describe, expect, test } from "bun:test";
import type { Database } from "../../core/storage/database.ts";
import { aBudget, aFinal, aKey, anAdmission, aRefusal, startMs } from "./storage-samples.ts";

/** The part of the storage contract that is about calls and their money. */
export function testCalls({
  database,
  restart,
}: {
  readonly database: () => Database;
  readonly restart: () => Promise<void>;
}): void {
  describe("storage contract: the life of a call", () => {
    test("admit holds, finish settles, and a second finish changes nothing", async () => {
      const budget = await database().budgets.create(aBudget());
      const admission = anAdmission();
      expect(await database().ledger.admit(admission)).toEqual({
        admitted: true,
        heldNano: 100,
        outputTokens: 40,
        holds: [[budget.id, 100, 900]],
      });
      expect(await database().budgets.get(budget.id)).toMatchObject({ spentNano: 0, heldNano: 100 });
      expect(await database().calls.get(admission.callId)).toMatchObject({
        status: "open",
        inputTokens: null,
        chargeNano: null,
        heldNano: 100,
      });
      await Promise.all([
        database().ledger.finish(aFinal(admission.callId)),
        database().ledger.finish(aFinal(admission.callId, { chargeNano: 99, status: "client_aborted" })),
      ]);
      await database().ledger.finish(aFinal(admission.callId, { chargeNano: 98 }));
      expect(await database().budgets.get(budget.id)).toMatchObject({ spentNano: 50, heldNano: 0 });
      const { total } = await database().calls.usage({ from: 0, to: startMs * 2, groupBy: [] });
      expect(total).toMatchObject({ calls: 1, chargeNano: 50, costNano: 45, inputTokens: 10, outputTokens: 20 });
      await proved();
    });

    test("of many calls at the same time as many are admitted as fit, in all budgets or none", async () => {
      const tight = await database().budgets.create(aBudget({ limitNano: 1_050 }));
      const wide = await database().budgets.create(
        aBudget({ limitNano: 1_000_000, scope: { kind: "model", id: "fast" } }),
      );
      const results = await Promise.all(Array.from({ length: 100 }, () => database().ledger.admit(anAdmission())));
      expect(results.filter(({ admitted }) => admitted)).toHaveLength(10);
      expect(results.find(({ admitted }) => !admitted)).toMatchObject({
        neededNano: 100,
        budget: { id: tight.id, heldNano: 1_000 },
      });
      expect(await database().budgets.get(wide.id)).toMatchObject({ heldNano: 1_000 });
      expect(await database().calls.openCount()).toBe(10);
      await proved();
    });

    test("a preview says what admit then says, and holds nothing", async () => {
      const budget = await database().budgets.create(aBudget({ limitNano: 250 }));
      const wide = await database().budgets.create(
        aBudget({ admission: "expected", scope: { kind: "model", id: "fast" } }),
      );
      const before = await Promise.all([budget, wide].map(({ id }) => database().budgets.get(id)));
      for (const admitted of [true, true, false]) {
        const admission = anAdmission({ need: { ...anAdmission().need, expectedNano: 40 } });
        const foreseen = database().ledger.preview(admission);
        expect(database().ledger.preview(admission)).toEqual(foreseen);
        expect(foreseen.admitted).toBe(admitted);
        expect(await database().ledger.admit(admission)).toEqual(foreseen);
      }
      const outdated = anAdmission({ budgeted: false });
      expect(database().ledger.preview(outdated)).toEqual({ admitted: false, outdated: true });
      expect(before).toMatchObject([{ heldNano: 0 }, { heldNano: 0 }]);
      expect(await database().calls.openCount()).toBe(2);
      expect(await database().budgets.get(budget.id)).toMatchObject({ heldNano: 200, spentNano: 0 });
      await proved();
    });

    test("a need that was worked out without the budget that now counts the call is not admitted", async () => {
      const budget = await database().budgets.create(aBudget());
      const admission = anAdmission({ budgeted: false });
      expect(await database().ledger.admit(admission)).toEqual({ admitted: false, outdated: true });
      expect(await database().calls.openCount()).toBe(0);
      expect(await database().budgets.get(budget.id)).toMatchObject({ heldNano: 0 });
    });

    test("no budget in scope: nothing is held", async () => {
      await database().budgets.create(aBudget({ scope: { kind: "model", id: "other" } }));
      expect(await database().ledger.admit(anAdmission())).toMatchObject({ admitted: true, heldNano: 0, holds: [] });
    });

    test.each([
      ["input", 30],
      ["full", 100],
      ["release", 0],
    ] as const)("the next process ends open calls as interrupted, charged by %p", async (policy, chargeNano) => {
      const budget = await database().budgets.create(aBudget());
      const finished = anAdmission();
      const dead = anAdmission();
      await database().ledger.admit(finished);
      await database().ledger.finish(aFinal(finished.callId));
      await database().ledger.admit(dead);
      await restart();
      expect(await database().budgets.get(budget.id)).toMatchObject({ spentNano: 50, heldNano: 100 });
      expect(await database().ledger.sweep(policy, startMs + 9)).toBe(1);
      expect(await database().ledger.sweep(policy, startMs + 9)).toBe(0);
      expect(await database().budgets.get(budget.id)).toMatchObject({ spentNano: 50 + chargeNano, heldNano: 0 });
      const source = policy === "release" ? "none" : "estimated";
      expect(await database().calls.get(dead.callId)).toMatchObject({
        status: "interrupted",
        source,
        chargeNano,
        finishedMs: startMs + 9,
      });
      await proved();
    });

    test("a sweep leaves the calls of this process alone", async () => {
      const admission = anAdmission();
      await database().ledger.admit(admission);
      expect(await database().ledger.sweep("input", startMs)).toBe(0);
      await database().ledger.finish(aFinal(admission.callId));
      expect(await database().calls.get(admission.callId)).toMatchObject({ status: "ok" });
    });

    test("a lease keeps nobody from ending calls of its process that are lost from sight", async () => {
      const budget = await database().budgets.create(aBudget());
      const admission = anAdmission();
      await database().ledger.lease(startMs, startMs + 60_000);
      await database().ledger.admit(admission);
      const look = (isLive: boolean) =>
        database().ledger.sweepStrays("input", startMs + 9, { beforeMs: startMs + 5, isLive: () => isLive });
      expect([await look(true), await look(false), await look(true), await look(false)]).toEqual([[], [], [], []]);
      expect(await look(false)).toEqual([admission.callId]);
      expect(await database().calls.get(admission.callId)).toMatchObject({ status: "interrupted", chargeNano: 30 });
      expect(await database().budgets.get(budget.id)).toMatchObject({ spentNano: 30, heldNano: 0 });
      await proved();
    });

    test("it says how long calls are kept, and that none is gone", async () => {
      const admission = anAdmission();
      await database().ledger.admit(admission);
      await database().ledger.finish(aFinal(admission.callId));
      expect(await database().retention()).toMatchObject({ oldestMs: startMs, goneBeforeMs: null, goneCalls: 0 });
    });

    test("who calls without a key is known by account and name, in lists and sums", async () => {
      const made = async (principal: string, keyId: string | null = null) => {
        const admission = anAdmission({ principal, keyId });
        await database().ledger.admit(admission);
        await database().ledger.finish(aFinal(admission.callId));
        return admission.callId;
      };
      const key = await database().keys.create(aKey(), null);
      const own = [await made("me"), await made("me")].toReversed();
      await made("other");
      await made("me", key.id);
      const flying = anAdmission({ principal: "me" });
      await database().ledger.admit(flying);
      const caller = { accountId: "default", name: "me" };
      const { data } = await database().calls.list({ caller }, {});
      expect(data.map(({ callId }) => callId)).toEqual([flying.callId, ...own]);
      const sums = async (of: typeof caller) => {
        const range = { from: 0, to: startMs * 2, groupBy: ["model"], caller: of } as const;
        return (await database().calls.usage(range)).total;
      };
      expect(await sums(caller)).toMatchObject({ calls: 2, chargeNano: 100 });
      expect(await sums({ ...caller, name: "nobody" })).toMatchObject({ calls: 0 });
      expect(await sums({ ...caller, accountId: "elsewhere" })).toMatchObject({ calls: 0 });
      await database().ledger.finish(aFinal(flying.callId));
    });

    test("labels that callers came with stand with their calls, however they end, and group reports as metadata does", async () => {
      const labels = '{"team":"red"}';
      const ended = anAdmission({ labels });
      await database().ledger.admit(ended);
      await database().ledger.finish(aFinal(ended.callId));
      await database().ledger.refuse(aRefusal({ labels: '{"team":"blue"}' }));
      const flying = anAdmission({ labels });
      await database().ledger.admit(flying);
      const shown = { labels: { team: "red" } };
      expect(await database().calls.get(flying.callId)).toMatchObject({ status: "open", ...shown });
      expect((await database().calls.list({ status: "open" }, {})).data[0]).toMatchObject(shown);
      expect(
        await database().ledger.sweepStrays("input", startMs * 2, { beforeMs: startMs * 2, isLive: () => false }),
      ).toEqual([]);
      await database().ledger.sweepStrays("input", startMs * 2, { beforeMs: startMs * 2, isLive: () => false });
      for (const { callId } of [ended, flying]) expect(await database().calls.get(callId)).toMatchObject(shown);
      expect((await database().calls.list({ status: "interrupted" }, {})).data[0]).toMatchObject(shown);
      const key = await database().keys.create(aKey({ metadata: { team: "red" } }), null);
      const keyed = anAdmission({ keyId: key.id });
      await database().ledger.admit(keyed);
      await database().ledger.finish(aFinal(keyed.callId));
      const other = anAdmission();
      await database().ledger.admit(other);
      await database().ledger.finish(aFinal(other.callId));
      const { data } = await database().calls.usage({ from: 0, to: startMs * 2, groupBy: ["label:team", "status"] });
      expect(data.map(({ group, calls }) => [group["label:team"], group.status, calls])).toEqual([
        [null, "ok", 1],
        ["blue", "refused", 1],
        ["red", "interrupted", 1],
        ["red", "ok", 2],
      ]);
      await proved();
    });

    test("lists are newest first and their pages make the whole, once each", async () => {
      const ids: string[] = [];
      for (let at = 0; at < 7; at++) {
        const refusal = aRefusal({ startedMs: startMs + at });
        await database().ledger.refuse(refusal);
        ids.unshift(refusal.callId);
      }
      const seen: string[] = [];
      let after: string | null = null;
      do {
        const page: Awaited<ReturnType<Database["calls"]["list"]>> = await database().calls.list(
          {},
          { after, limit: 3 },
        );
        seen.push(...page.data.map(({ callId }) => callId));
        after = page.next;
      } while (after !== null);
      expect(seen).toEqual(ids);
    });

    async function proved() {
      const wrong = (await database().prove()).filter(({ ok }) => !ok);
      expect(wrong).toEqual([]);
      expect(await database().trouble()).toBeNull();
    }
  });
}
