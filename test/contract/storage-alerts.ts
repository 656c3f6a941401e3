import { describe, expect, test } from "bun:test";
import type { Database } from "../../core/storage/database.ts";
import { aBudget, aFinal, anAdmission } from "./storage-samples.ts";

const hourMs = 3_600_000;

/** The part of the storage contract that is about what is told to receivers. A call here costs 50 nano-USD. */
export function testAlerts({
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
  const subscribe = () =>
    database().outbox.subscribe([
      { name: "ops", events: ["budget.threshold", "credit.low", "call.over_hold", "call.anomalous", "usage.call"] },
      { name: "mail", events: ["budget.threshold"] },
    ]);
  const made = (changed: Parameters<typeof aBudget>[0]) =>
    database().budgets.create(
      aBudget({ createdMs: now(), limitNano: 1_000, alertPercents: [50, 80, 100], ...changed }),
    );
  async function calls(count: number, final: Parameters<typeof aFinal>[1] = {}) {
    for (let at = 0; at < count; at++) {
      const admission = anAdmission({ startedMs: now() });
      expect(await database().ledger.admit(admission)).toMatchObject({ admitted: true });
      await database().ledger.finish(aFinal(admission.callId, { finishedMs: now(), ...final }));
    }
  }
  const alerts = async () => (await database().outbox.alerts({ limit: 200 })).data.toReversed();
  /** Percents that were told, in order. */
  const told = async () => (await alerts()).map(({ data }) => data["percent"]);

  describe("storage contract: alerts", () => {
    test("nothing is written while nobody listens", async () => {
      await made({});
      await calls(18, { notes: { overHold: true, anomalous: true } });
      expect(await alerts()).toEqual([]);
      expect(await database().outbox.receivers()).toEqual([]);
    });

    test("each threshold once a window, for every receiver, also over a restart", async () => {
      await subscribe();
      const { id } = await made({ window: "day" });
      await calls(9);
      expect(await told()).toEqual([]);
      await calls(1);
      expect(await told()).toEqual([50]);
      await restart();
      await subscribe();
      await calls(7);
      expect(await told()).toEqual([50, 80]);
      expect((await alerts())[0]).toMatchObject({
        type: "budget.threshold",
        data: { budgetId: id, limitNano: 1_000, spentNano: 500, window: "day" },
        deliveries: [
          { receiver: "ops", state: "waiting" },
          { receiver: "mail", state: "waiting" },
        ],
      });
      advance(24 * hourMs);
      await calls(10);
      expect(await told()).toEqual([50, 80, 50]);
      expect(await database().outbox.due("mail", now(), 10)).toHaveLength(3);
    });

    test("anew after a reset, and after an increase where it is passed again", async () => {
      await subscribe();
      const { id } = await made({});
      await calls(16);
      expect(await told()).toEqual([50, 80]);
      await database().budgets.reset(id);
      advance(1_000);
      await calls(10);
      expect(await told()).toEqual([50, 80, 50]);
      // 500 of 2,000: what is not passed any more is told when it is.
      await database().budgets.change(id, { limitNano: 2_000 });
      await calls(9);
      expect(await told()).toEqual([50, 80, 50]);
      await calls(1);
      expect(await told()).toEqual([50, 80, 50, 50]);
    });

    test("a lower limit is passed at once, and so is a new threshold", async () => {
      await subscribe();
      const { id } = await made({ alertPercents: [90] });
      await calls(8);
      expect(await told()).toEqual([]);
      await database().budgets.change(id, { limitNano: 440 });
      expect(await told()).toEqual([90]);
      await database().budgets.change(id, { alertPercents: [90, 91, 99] });
      await calls(0);
      expect(await told()).toEqual([90]);
    });

    test("rolling hours tell a threshold once in as many hours, however often it is passed", async () => {
      await subscribe();
      await made({ window: "2h", alertPercents: [80] });
      await calls(16);
      for (let at = 0; at < 8; at++) {
        advance(hourMs / 4 - 60_000);
        await calls(at % 4 === 1 ? 1 : 0);
      }
      expect(await told()).toEqual([80]);
      advance(2 * hourMs);
      await calls(16);
      expect(await told()).toEqual([80, 80]);
    });

    test("credit that is nearly used up", async () => {
      await subscribe();
      const credit = (nano: number) =>
        database().credits.add({ accountId: "default", nano, expiresMs: null, note: null });
      await credit(1_000);
      await calls(17);
      expect(await told()).toEqual([]);
      await calls(1);
      expect(await alerts()).toMatchObject([{ type: "credit.low", data: { percent: 90, leftNano: 100 } }]);
      await credit(1_000);
      await calls(19);
      expect(await told()).toEqual([90]);
      await calls(1);
      expect(await told()).toEqual([90, 90]);
    });

    test("odd calls of a target once an hour, with how many there were meanwhile", async () => {
      await subscribe();
      await calls(3, { notes: { overHold: true } });
      await calls(2, { notes: { anomalous: true } });
      await calls(1, { notes: { overHold: true }, upstreamModel: "other" });
      expect((await alerts()).map(({ type, data }) => [type, data["upstreamModel"], data["untoldBefore"]])).toEqual([
        ["call.over_hold", "echo-1", 0],
        ["call.anomalous", "echo-1", 0],
        ["call.over_hold", "other", 0],
      ]);
      advance(hourMs);
      await calls(1, { notes: { overHold: true } });
      expect((await alerts()).at(-1)?.data).toMatchObject({ upstreamModel: "echo-1", untoldBefore: 2 });
    });

    test("usage is what ends from the first start with a receiver on, and goes on where it stopped", async () => {
      await calls(2);
      await subscribe();
      await calls(3);
      const first = await database().outbox.usage("ops", now(), 2);
      expect(first?.events.map(({ event }) => event.type)).toEqual(["usage.call", "usage.call"]);
      await database().outbox.passed("ops", first?.events[0]?.position ?? { callSeq: 0, adjustmentSeq: 0 }, now());
      await restart();
      await subscribe();
      const next = await database().outbox.usage("ops", now(), 10);
      expect(next?.events).toHaveLength(2);
      expect(next?.events[0]).toEqual(first?.events[1]);
      expect(await database().outbox.usage("mail", now(), 10)).toBeNull();
      // One that is not in the file any more keeps what waits for it, and nothing new.
      await database().outbox.subscribe([]);
      await calls(1);
      expect(await database().outbox.usage("ops", now(), 10)).toBeNull();
    });

    test("old alerts go, but not those that wait", async () => {
      await subscribe();
      await made({});
      await calls(16);
      const [first] = await database().outbox.due("ops", now(), 1);
      const [same] = await database().outbox.due("mail", now(), 1);
      if (!first || !same) throw new Error("nothing is due");
      await database().outbox.delivered(first, "ops", now());
      await database().outbox.forget(now() + 1);
      expect(await told()).toEqual([50, 80]);
      await database().outbox.delivered(same, "mail", now());
      await database().outbox.forget(now() + 1);
      expect(await told()).toEqual([80]);
    });
  });
}
