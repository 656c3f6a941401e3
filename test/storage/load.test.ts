import { expect, test } from "bun:test";
import { aBudget, aFinal, anAdmission } from "../contract/storage-samples.ts";
import { openAt, temporaryFolder } from "./folder.ts";

const folder = temporaryFolder();

test("the load counts what waits for a commit, and what is held on budgets that exist", async () => {
  const database = await openAt(folder.file());
  try {
    const idle = { commitsWaiting: 0, finalsWaiting: 0, heldNano: 0, goneCalls: 0, sweptCalls: 0, strayCalls: 0 };
    expect(database.load()).toEqual(idle);
    await database.budgets.create(aBudget());
    const other = await database.budgets.create(aBudget());
    const admission = anAdmission();
    const admitted = database.ledger.admit(admission);
    expect(database.load().commitsWaiting).toBe(1);
    await admitted;
    expect(database.load()).toEqual({ ...idle, heldNano: 200 });
    await database.budgets.remove(other.id);
    expect(database.load().heldNano).toBe(100);
    await database.ledger.finish(aFinal(admission.callId));
    expect(database.load()).toEqual(idle);
  } finally {
    await database.close();
  }
});
