import { Database as Client } from "bun:sqlite";
import { expect, test } from "bun:test";
import type { Call } from "../../core/pipeline/call.ts";
import { sweepRegularly } from "../../core/commands/sweep.ts";
import type { Logger } from "../../core/plugin/plugin.ts";
import { aBudget, aFinal, anAdmission, startMs } from "../contract/storage-samples.ts";
import { until } from "../support/poll.ts";
import { openAt, rowsOf, temporaryFolder } from "./folder.ts";

const folder = temporaryFolder();

test("an open call is its process's while the lease lasts, and is ended by another one when it is over", async () => {
  const path = folder.file();
  const database = await openAt(path);
  await database.budgets.create(aBudget({ createdMs: startMs - 1 }));
  await database.ledger.lease(startMs, startMs + 50);
  for (let call = 0; call < 3; call += 1) await database.ledger.admit(anAdmission());
  // As other nodes would have left them.
  const other = new Client(path);
  other.exec(`UPDATE open_calls SET process = 'leased' WHERE id = (SELECT min(id) FROM open_calls);
    UPDATE open_calls SET process = 'unheard of' WHERE id = (SELECT max(id) FROM open_calls);
    INSERT INTO processes VALUES ('leased', ${startMs}, ${startMs + 100})`);
  other.close();
  expect(await database.ledger.sweep("input", startMs + 100)).toBe(1);
  expect(await database.calls.openCount()).toBe(2);
  expect(await database.ledger.sweep("input", startMs + 101)).toBe(1);
  // Its own lease is over too, but it is alive enough to look.
  expect(await database.ledger.sweep("input", startMs + 101)).toBe(0);
  expect(rowsOf(path, "SELECT count(*) AS n FROM processes")).toEqual([{ n: 1 }]);
  expect(database.load()).toMatchObject({ sweptCalls: 2, strayCalls: 0, heldNano: 100 });
  expect((await database.prove()).filter(({ ok }) => !ok)).toEqual([]);
  await database.close();
  expect(rowsOf(path, "SELECT * FROM processes")).toEqual([]);
});

test("a call of its own that nobody works on is ended at the second look, once, and gives its hold back", async () => {
  const path = folder.file();
  const database = await openAt(path);
  const { ledger } = database;
  await database.budgets.create(aBudget({ createdMs: startMs - 1 }));
  const [lost, live, young] = [anAdmission(), anAdmission(), anAdmission({ startedMs: startMs + 10 })];
  for (const admission of [lost, live, young]) await ledger.admit(admission);
  const look = (nowMs = startMs + 20) =>
    ledger.sweepStrays("input", nowMs, { beforeMs: startMs + 5, isLive: (id) => id === live.callId });
  expect(await look()).toEqual([]);
  expect(await look()).toEqual([lost.callId]);
  expect(await look()).toEqual([]);
  // Too late: it has its record.
  await ledger.finish(aFinal(lost.callId, { chargeNano: 7 }));
  await ledger.finish(aFinal(live.callId));
  expect(
    rowsOf(path, "SELECT status, source, charge_nano FROM v_usage WHERE status <> 'open' ORDER BY charge_nano"),
  ).toEqual([
    { status: "interrupted", source: "estimated", charge_nano: 30 },
    { status: "ok", source: "provider", charge_nano: 50 },
  ]);
  expect(database.load()).toMatchObject({ strayCalls: 1, sweptCalls: 0, heldNano: 100 });
  expect((await database.prove()).filter(({ ok }) => !ok)).toEqual([]);
  await database.close();
});

test("what ends while it is a suspect has its own record", async () => {
  const database = await openAt(folder.file());
  const admission = anAdmission();
  await database.ledger.admit(admission);
  const look = () => database.ledger.sweepStrays("input", startMs, { beforeMs: startMs + 5, isLive: () => false });
  expect(await look()).toEqual([]);
  await database.ledger.finish(aFinal(admission.callId));
  expect(await look()).toEqual([]);
  expect((await database.calls.get(admission.callId))?.status).toBe("ok");
  await database.close();
});

test("a process that serves renews its lease, sweeps again and again, and says what it found", async () => {
  const lines: string[] = [];
  const line = (facts: object, message?: string) => void lines.push(`${message} ${JSON.stringify(facts)}`);
  const logger: Logger = { debug: line, info: line, warn: line, error: line };
  const [leases, left] = [[] as number[], [2, 0, 1]];
  let [nowMs, looks] = [1_000_000, 0];
  // Only its id is looked at.
  const open = new Set([{ id: "live" } as Call]);
  const stop = await sweepRegularly({
    open,
    policy: () => "full",
    logger,
    now: () => nowMs++,
    everyMs: 1,
    ledger: {
      lease: (_, untilMs) => void leases.push(untilMs),
      sweep: () => left.shift() ?? 0,
      sweepStrays(policy, _, { beforeMs, isLive }) {
        expect([policy, isLive("live"), isLive("lost"), beforeMs < nowMs - 50_000]).toEqual([
          "full",
          true,
          false,
          true,
        ]);
        looks += 1;
        if (looks === 2) throw new Error("the disk is full");
        return looks === 3 ? ["lost"] : [];
      },
    },
  });
  expect(lines).toEqual(['calls of a process that died were ended as interrupted {"calls":2}']);
  await until("a few looks", () => looks > 3);
  stop();
  expect(lines.join("\n")).toMatch(/\{"calls":1\}[^]*could not be swept[^]*nobody worked on were ended .*\["lost"\]/);
  expect(leases.length).toBeGreaterThan(3);
  expect(leases.toSorted((one, other) => one - other)).toEqual(leases);
});

test("a call takes the place of one that has ended, and none that another one has after work that failed beside it", async () => {
  const path = folder.file();
  let database = await openAt(path);
  const slots = () => rowsOf<{ id: string; slot: number }>(path, "SELECT id, slot FROM open_calls ORDER BY slot");
  const [first, second, third, ...later] = Array.from({ length: 7 }, () => anAdmission());
  if (!first || !second || !third) throw new Error("there are seven");
  for (const admission of [first, second, third]) await database.ledger.admit(admission);
  await database.ledger.finish(aFinal(first.callId));
  const [fourth, fifth, sixth, seventh] = later;
  if (!fourth || !fifth || !sixth || !seventh) throw new Error("there are seven");
  await database.ledger.admit(fourth);
  expect(slots()).toEqual([
    { id: fourth.callId, slot: 1 },
    { id: second.callId, slot: 2 },
    { id: third.callId, slot: 3 },
  ]);
  // One transaction, which fails as a whole: then each works alone.
  const outcomes = await Promise.allSettled([
    database.ledger.finish(aFinal(second.callId)),
    database.accounts.create({ id: "orphan", parentId: "nobody", name: "Orphan", createdMs: startMs }),
    database.ledger.admit(fifth),
    database.ledger.admit(sixth),
    database.ledger.finish(aFinal(third.callId)),
  ]);
  expect(outcomes.map(({ status }) => status)).toEqual([
    "fulfilled",
    "rejected",
    "fulfilled",
    "fulfilled",
    "fulfilled",
  ]);
  const open = [fourth, fifth, sixth].map(({ callId }) => callId);
  expect(
    slots()
      .map(({ id }) => id)
      .toSorted(),
  ).toEqual(open.toSorted());
  // Another process: the rows of the last one keep their places until they are swept.
  await database.close();
  database = await openAt(path);
  await database.ledger.admit(seventh);
  expect(slots().map(({ id }) => id)).toContain(seventh.callId);
  expect(slots()).toHaveLength(4);
  expect(await database.ledger.sweep("input", startMs + 1_000)).toBe(3);
  expect(slots().map(({ id }) => id)).toEqual([seventh.callId]);
  expect((await database.prove()).filter(({ ok }) => !ok)).toEqual([]);
  await database.close();
});
