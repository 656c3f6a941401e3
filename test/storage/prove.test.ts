import { Database as Client } from "bun:sqlite";
import { expect, test } from "bun:test";
import { copyFileSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { hints } from "../../core/storage/repair-hints.ts";
import { fakeClock } from "../contract/context.ts";
import { aBudget, aFinal, aKey, anAdmission, aRefusal, startMs } from "../contract/storage-samples.ts";
import { dayMs, purger } from "./aged.ts";
import { examined } from "./examined.ts";
import { openAt, rowsOf, temporaryFolder } from "./folder.ts";

const folder = temporaryFolder();
const firstDay = Math.ceil(startMs / dayMs) * dayMs;

interface Damage {
  readonly sql: string;
  /** What must be found; two where one thing shows in two figures. */
  readonly codes: readonly string[];
  /** Whether `--repair` can put it right. */
  readonly mended: boolean;
}

const damages: Readonly<Record<string, Damage>> = {
  nothing: { sql: "SELECT 1", codes: [], mended: true },
  "spent too much": {
    sql: "UPDATE budget_windows SET spent_nano = spent_nano + 1",
    codes: ["spent-sum"],
    mended: true,
  },
  "spent too little": {
    sql: "UPDATE budget_windows SET spent_nano = spent_nano - 1",
    codes: ["spent-sum"],
    mended: true,
  },
  "held without a call": {
    sql: "UPDATE budget_windows SET held_nano = held_nano + 1",
    codes: ["held-sum"],
    mended: true,
  },
  "a call that holds nothing any more": { sql: "DELETE FROM open_calls", codes: ["held-sum"], mended: true },
  "less than nothing held": {
    sql: "UPDATE budget_windows SET held_nano = -1",
    codes: ["held-sum", "window-negative"],
    mended: true,
  },
  "less than nothing spent": {
    sql: "UPDATE budget_windows SET spent_nano = -1",
    codes: ["spent-sum", "window-negative"],
    mended: true,
  },
  "a lost entry": {
    sql: "DELETE FROM ledger WHERE call_seq = 2",
    codes: ["ledger-entry", "ledger-sum"],
    mended: false,
  },
  "a doubled entry": {
    sql: "INSERT INTO ledger SELECT 99, account_ref, call_seq, kind, delta_nano, created_ms FROM ledger WHERE call_seq = 2",
    codes: ["ledger-entry", "ledger-sum"],
    mended: false,
  },
  "an entry of another call": {
    sql: "UPDATE ledger SET call_seq = 3 WHERE call_seq = 2",
    codes: ["ledger-entry"],
    mended: false,
  },
  "an entry of another account": {
    sql: "UPDATE ledger SET account_ref = 2 WHERE call_seq = 1",
    codes: ["deleted-sum"],
    mended: false,
  },
  "a changed entry of a call that is gone": {
    sql: "UPDATE ledger SET delta_nano = delta_nano - 1 WHERE call_seq = 1",
    codes: ["deleted-sum", "ledger-sum"],
    mended: false,
  },
  "a changed sum of calls that are gone": {
    sql: "UPDATE purged_calls SET charge_nano = charge_nano + 1, input_tokens = input_tokens + 1",
    codes: ["deleted-sum", "ledger-sum", "rollup-sum"],
    mended: false,
  },
  "what calls that are gone had spent": {
    sql: "UPDATE purged_spent SET spent_nano = spent_nano + 1",
    codes: ["spent-sum"],
    // Of two figures it cannot know which one is right; they agree again.
    mended: true,
  },
  "a lost record": {
    sql: "DELETE FROM calls WHERE seq = 2",
    codes: ["call-missing", "ledger-sum", "rollup-sum", "spent-sum"],
    mended: false,
  },
  "a changed charge": {
    sql: "UPDATE calls SET charge_nano = charge_nano + 1 WHERE seq = 2",
    codes: ["ledger-entry", "ledger-sum", "rollup-sum", "spent-sum"],
    mended: false,
  },
  "a call that is open and finished": {
    sql: "UPDATE open_calls SET id = (SELECT id FROM calls WHERE seq = 2)",
    codes: ["call-twice"],
    mended: true,
  },
  "a window of no budget": {
    sql: "PRAGMA foreign_keys = OFF; INSERT INTO budget_windows VALUES (77, 0, 0, 0)",
    codes: ["reference-lost"],
    mended: false,
  },
  "a balance that nobody credited": {
    sql: "UPDATE budgets SET limit_nano = limit_nano + 1 WHERE prepaid = 1",
    codes: ["balance-sum"],
    mended: false,
  },
  "more used of a credit than there was": {
    sql: "UPDATE credits SET used_nano = amount_nano + 1",
    codes: ["balance-sum"],
    mended: false,
  },
  "a kept answer that is cut": {
    sql: "INSERT INTO kept_answers (place, account_id, call_id, fingerprint, state, created_ms, expires_ms, bytes, answer) VALUES ('a', 'default', 'b', 'c', 'kept', 1, 2, 4, x'010203')",
    codes: ["answer-broken"],
    mended: true,
  },
  "a changed entry of the audit log": {
    sql: "DROP TRIGGER audit_entries_stay; UPDATE audit_entries SET actor_name = 'nobody' WHERE seq = 1",
    codes: ["audit-broken"],
    mended: false,
  },
  "an audit log without its end": {
    sql: "DROP TRIGGER audit_entries_remain; DELETE FROM audit_entries WHERE seq = (SELECT seq FROM audit_head)",
    codes: ["audit-broken"],
    mended: false,
  },
  "a call that is in no block": {
    sql: "DELETE FROM call_blocks WHERE field = 'model'",
    codes: ["call-unindexed"],
    mended: true,
  },
  ...Object.fromEntries(
    ["totals_hourly", "totals_daily", "usage_hourly", "usage_daily"].map((table) => [
      `a sum in ${table}`,
      {
        sql: `UPDATE ${table} SET output_tokens = output_tokens + 1 WHERE start_ms >= ${firstDay}`,
        codes: ["rollup-sum"],
        mended: true,
      },
    ]),
  ),
  "a sum of a day whose calls are gone": {
    sql: `UPDATE usage_daily SET calls = calls + 1 WHERE start_ms < ${firstDay}`,
    codes: ["rollup-sum"],
    mended: false,
  },
};

test.each(Object.entries(damages))("%s is found, and repaired where the records say how", async (_, damage) => {
  const path = await used();
  const client = new Client(path);
  client.exec(damage.sql);
  client.close();
  const records = () => ["calls", "ledger", "credits"].map((table) => rowsOf(path, `SELECT * FROM ${table}`));
  const kept = records();
  const found = await examined(path);
  expect(found.code).toBe(damage.codes.length === 0 ? 0 : 1);
  expect(found.wrong.map(({ code }) => code).toSorted()).toEqual([...damage.codes]);
  for (const { detail, means, action, command } of found.wrong)
    for (const text of [detail, means, action, command]) expect(text).toMatch(/\w/);
  expect(await examined(path, { repair: true })).toMatchObject({ code: damage.mended ? 0 : 1 });
  expect(await examined(path)).toMatchObject({ code: damage.mended ? 0 : 1 });
  expect(records()).toEqual(kept);
});

test("budgets made at a clock that was then set back hold at once, for good, and count what they held", async () => {
  const path = folder.file();
  const clock = fakeClock(startMs + dayMs);
  let database = await openAt(path, clock.now);
  const { id } = await database.budgets.create(aBudget({ limitNano: 120, createdMs: clock.now() }));
  const daily = { timeZone: "Asia/Kathmandu", window: "day", limitNano: 1_000 } as const;
  await database.budgets.create(aBudget({ ...daily, createdMs: clock.now() }));
  await database.accounts.create({ id: "team", parentId: "default", name: "", createdMs: startMs });
  await database.credits.add({ accountId: "default", nano: 1_000, expiresMs: null, note: null });
  clock.advance(1);
  await database.credits.add({ accountId: "team", nano: 125, expiresMs: null, note: null });
  clock.advance(-dayMs);

  const scopes = ["team", "default"].map((account) => ({ kind: "account", id: account }) as const);
  const admission = () =>
    anAdmission({ accountId: "team", startedMs: clock.now(), scopes: [...scopes, { kind: "global", id: "global" }] });
  const first = admission();
  expect(await database.ledger.admit(first)).toMatchObject({ admitted: true, heldNano: 100 });
  const balances = async () =>
    Promise.all(["team", "default"].map(async (account) => (await database.credits.balance(account))?.balanceNano));
  const agrees = async (spentNano: number) => {
    expect(await database.budgets.get(id)).toMatchObject({ spentNano });
    expect(await balances()).toEqual([125 - spentNano, 1_000]);
    expect((await database.prove()).filter(({ ok }) => !ok)).toEqual([]);
  };
  const reopened = async () => {
    await database.close();
    database = await openAt(path, clock.now);
  };
  await agrees(0);
  await database.ledger.finish(aFinal(first.callId, { chargeNano: 50, costNano: 50, finishedMs: clock.now() }));
  await agrees(50);
  await reopened();
  await agrees(50);
  expect(await database.ledger.admit(admission())).toMatchObject({ admitted: false, budget: { id }, neededNano: 100 });
  const reprice = { seq: 1, costNano: 60, chargeNano: 60, priceVersion: "corrected" };
  await database.adjustments.write([reprice], { reason: "a correction", author: "somebody" });
  await agrees(60);
  // Nor does it count anew when the clock has caught up.
  clock.advance(2 * dayMs);
  await agrees(60);

  await database.close();
  const client = new Client(path);
  client.exec("UPDATE budget_windows SET spent_nano = 1");
  client.close();
  expect(await examined(path, { repair: true })).toMatchObject({ code: 0 });
  const deleter = await purger(path);
  await deleter.foldAll();
  expect(await deleter.removeBefore(firstDay + dayMs, 64)).toBe(1);
  deleter.close();
  database = await openAt(path, clock.now);
  await agrees(60);
  await database.close();
});

test("a page or a header that is damaged is found, and so is a file that is none", async () => {
  const path = await used();
  const pages = statSync(path).size / 4_096;
  const damaged = (at: number, bytes: number) => {
    const copy = folder.file();
    copyFileSync(path, copy);
    const content = readFileSync(copy);
    content.fill(0xa5, at, at + bytes);
    writeFileSync(copy, content);
    return copy;
  };
  const leaf = Number(
    rowsOf<{ page: number }>(path, "SELECT rootpage AS page FROM sqlite_master WHERE name = 'ledger'")[0]?.page,
  );
  expect(pages).toBeGreaterThan(leaf);
  for (const copy of [damaged(0, 100), damaged((leaf - 1) * 4_096, 600), damaged((leaf - 1) * 4_096 + 3_000, 1_096)]) {
    const { code, wrong } = await examined(copy);
    expect([code, ...wrong.map((proof) => proof.code)]).toEqual([1, "file-damaged"]);
  }
});

test("every fault that doctor knows is made here, and each has a hint of its own", () => {
  const made = new Set([...Object.values(damages).flatMap(({ codes }) => codes), "file-damaged"]);
  expect([...made].toSorted()).toEqual(Object.keys(hints).toSorted());
  expect(new Set(Object.values(hints).map(({ means }) => means)).size).toBe(made.size);
});

test("in words: what holds, what does not, what it means and what to run", async () => {
  const path = await used();
  const client = new Client(path);
  client.exec("UPDATE budget_windows SET held_nano = held_nano + 1");
  client.close();
  const { text } = await examined(path, { json: false });
  expect(text).toContain("ok     the file is intact");
  expect(text).toMatch(
    /WRONG {2}money held .*\n {7}held-sum: Budgets hold .*\n {7}What to do: .*\n {7}bun core\/main\.ts backup/,
  );
});

/** A call that is gone for its age, three that ended, one refused, one in flight; a budget and a balance. */
async function used(): Promise<string> {
  const path = folder.file();
  const database = await openAt(path);
  await database.budgets.create(aBudget({ limitNano: 10_000, createdMs: startMs - 1 }));
  await database.accounts.create({ id: "other", parentId: null, name: "", createdMs: startMs });
  await database.credits.add({ accountId: "default", nano: 10_000, expiresMs: null, note: null });
  const key = await database.keys.create(aKey(), null);
  for (const [at, startedMs] of [startMs + 10, firstDay, firstDay + 1, firstDay + dayMs, firstDay + dayMs].entries()) {
    const admission = anAdmission({ startedMs, keyId: key.id });
    await database.ledger.admit(admission);
    if (at < 4) await database.ledger.finish(aFinal(admission.callId, { chargeNano: 50 + at }));
  }
  await database.ledger.refuse(aRefusal({ startedMs: firstDay + dayMs }));
  await database.close();
  const deleter = await purger(path);
  await deleter.foldAll();
  await deleter.removeBefore(firstDay, 64);
  deleter.close();
  return path;
}
