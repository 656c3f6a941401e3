import { expect, test } from "bun:test";
import { aFinal, anAdmission, startMs } from "../contract/storage-samples.ts";
import { openAt, rowsOf, temporaryFolder } from "./folder.ts";

const folder = temporaryFolder();

test("every charge of a transaction has its entry, in the order of the calls, however many there are", async () => {
  const path = folder.file();
  const database = await openAt(path);
  let charged = 0;
  const wanted: object[] = [];
  // One, as many as the statements take together, and around that.
  for (const calls of [1, 3, 4, 15, 16, 21, 22, 37]) {
    const admissions = Array.from({ length: calls }, () => anAdmission());
    await Promise.all(admissions.map((admission) => database.ledger.admit(admission)));
    const finals = admissions.map(({ callId }) => aFinal(callId, { chargeNano: (charged += 1) }));
    // In the middle of them one that is free, and work that fails, which all the others are then done without.
    const free = anAdmission();
    await database.ledger.admit(free);
    const orphan = { id: "orphan", parentId: "nobody", name: "Orphan", createdMs: startMs };
    const half = Math.ceil(calls / 2);
    const outcomes = await Promise.allSettled([
      ...finals.slice(0, half).map((final) => database.ledger.finish(final)),
      database.ledger.finish(aFinal(free.callId, { chargeNano: 0 })),
      ...(calls % 2 === 0 ? [database.accounts.create(orphan)] : []),
      ...finals.slice(half).map((final) => database.ledger.finish(final)),
    ]);
    expect(outcomes.filter(({ status }) => status === "rejected")).toHaveLength(calls % 2 === 0 ? 1 : 0);
    for (const { callId, chargeNano, finishedMs } of finals)
      wanted.push({ call_id: callId, kind: "charge", delta_nano: -(chargeNano ?? 0), created_ms: finishedMs });
  }
  expect(rowsOf(path, "SELECT call_id, kind, delta_nano, created_ms FROM v_ledger ORDER BY seq")).toEqual(wanted);
  expect((await database.prove()).filter(({ ok }) => !ok)).toEqual([]);
  await database.close();
});
