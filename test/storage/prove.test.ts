import { Database as Client } from "bun:sqlite";
import { expect, test } from "bun:test";
import { openSqlite } from "../../core/runtime/sqlite.ts";
import { prove } from "../../core/storage/prove.ts";
import { aBudget, aFinal, anAdmission, aRefusal, startMs } from "../contract/storage-samples.ts";
import { openAt, temporaryFolder } from "./folder.ts";

const folder = temporaryFolder();

/** What must be found, by the name of its proof; two where one thing shows in two figures. */
const damages: readonly (readonly [string, string, readonly string[]])[] = [
  ["nothing", "SELECT 1", []],
  [
    "spent too much",
    "UPDATE budget_windows SET spent_nano = spent_nano + 1",
    ["spent is the sum of its scope and window"],
  ],
  [
    "spent too little",
    "UPDATE budget_windows SET spent_nano = spent_nano - 1",
    ["spent is the sum of its scope and window"],
  ],
  [
    "held without a call",
    "UPDATE budget_windows SET held_nano = held_nano + 1",
    ["money held and money that open calls hold"],
  ],
  ["a call that holds nothing any more", "DELETE FROM open_calls", ["money held and money that open calls hold"]],
  [
    "less than nothing held",
    "UPDATE budget_windows SET held_nano = -1",
    ["no budget window is negative", "money held and money that open calls hold"],
  ],
  [
    "a lost entry",
    "DELETE FROM ledger WHERE seq = 1",
    ["charges in the records and in the ledger", "each charge has its ledger entry"],
  ],
  [
    "a doubled entry",
    "INSERT INTO ledger SELECT 99, account_ref, call_seq, kind, delta_nano, created_ms FROM ledger WHERE seq = 1",
    ["charges in the records and in the ledger", "each charge has its ledger entry"],
  ],
  ["an entry of another call", "UPDATE ledger SET call_seq = 2 WHERE seq = 1", ["each charge has its ledger entry"]],
  [
    "a lost record",
    "DELETE FROM calls WHERE seq = 1",
    [
      "charges in the records and in the ledger",
      "spent is the sum of its scope and window",
      "numbers given to calls, and calls kept or gone for their age",
    ],
  ],
  [
    "a changed charge",
    "UPDATE calls SET charge_nano = charge_nano + 1 WHERE seq = 1",
    [
      "charges in the records and in the ledger",
      "each charge has its ledger entry",
      "spent is the sum of its scope and window",
    ],
  ],
  [
    "a call that is open and finished",
    "UPDATE open_calls SET id = (SELECT id FROM calls WHERE seq = 1)",
    ["a call has one record"],
  ],
  [
    "a window of no budget",
    "PRAGMA foreign_keys = OFF; INSERT INTO budget_windows VALUES (77, 0, 0, 0)",
    ["no reference leads nowhere"],
  ],
];

test.each(damages)("%s is found", async (_, sql, names) => {
  const path = await used();
  const client = new Client(path);
  client.exec(sql);
  client.close();
  const reader = await openSqlite(path, { readonly: true });
  const wrong = prove(reader).filter(({ ok }) => !ok);
  reader.close();
  expect(wrong.map(({ name }) => name).toSorted()).toEqual([...names].toSorted());
  for (const { detail } of wrong) expect(detail).not.toBe("");
});

/** Two finished calls, one refused, one in flight, one budget. */
async function used(): Promise<string> {
  const path = folder.file();
  const database = await openAt(path);
  await database.budgets.create(aBudget({ createdMs: startMs - 1 }));
  for (let call = 0; call < 3; call++) {
    const admission = anAdmission();
    await database.ledger.admit(admission);
    if (call < 2) await database.ledger.finish(aFinal(admission.callId, { chargeNano: 50 + call }));
  }
  await database.ledger.refuse(aRefusal());
  await database.close();
  return path;
}
