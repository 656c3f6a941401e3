import type { SqliteClient } from "../runtime/sqlite.ts";
import type { ProofCode } from "./condition.ts";
import {
  brokenAnswers,
  liveWindows,
  notedInBlocks,
  ofCalls,
  prove,
  rolledSums,
  rolledUp,
  spentOfCalls,
} from "./prove.ts";

/**
 * Works sums that do not prove out anew from the records, in one transaction, and returns the faults it tried to mend.
 * Records and the ledger are never touched. Only while nobody else has the database open. `tell` is called in the
 * transaction, where there was something to mend.
 */
export function repair(client: SqliteClient, tell: (mended: readonly ProofCode[]) => void): readonly ProofCode[] {
  const mended: ProofCode[] = [];
  const wrong = prove(client).filter(({ ok }) => !ok);
  client
    .transaction(() => {
      for (const { code } of wrong) {
        const statements = repairs[code];
        if (statements === undefined) continue;
        for (const statement of statements) client.exec(statement);
        mended.push(code);
      }
      if (mended.length > 0) tell(mended);
    })
    .immediate();
  return mended;
}

const heldAnew = `UPDATE budget_windows SET held_nano = (
  SELECT coalesce(sum(json_extract(h.value, '$[2]')), 0) FROM open_calls o, json_each(o.holds) h
  WHERE json_extract(h.value, '$[0]') = budget_ref AND json_extract(h.value, '$[1]') = start_ms)
WHERE budget_ref IN (SELECT ref FROM budgets WHERE removed_ms IS NULL)`;

const spentAnew = `UPDATE budget_windows SET spent_nano = (
  SELECT ${spentOfCalls} FROM ${liveWindows} AND w.budget_ref = budget_windows.budget_ref AND w.start_ms = budget_windows.start_ms)
WHERE budget_ref IN (SELECT ref FROM budgets WHERE removed_ms IS NULL)`;

const blocksAnew = notedInBlocks.map(
  ([field, ref]) =>
    `INSERT OR IGNORE INTO call_blocks (field, ref, block) SELECT DISTINCT '${field}', ${ref}, c.seq / 256 FROM calls c WHERE ${ref} IS NOT NULL`,
);

const from = "coalesce((SELECT before_ms FROM purges), 0)";
const sums = rolledSums.join(", ");
const summed = (of: (column: string) => string): string =>
  rolledSums
    .map((column) => (column === "calls" && of === ofCalls ? "count(*)" : `coalesce(sum(${of(column)}), 0)`))
    .join(", ");
const rolledUpTo = (unitMs: number): string => `start_ms / ${unitMs} * ${unitMs}`;

/** From the day on of which every call is kept: what is before can be summed from nothing. */
const rollupsAnew = [
  ...rolledUp.map((table) => `DELETE FROM ${table} WHERE start_ms >= ${from}`),
  `INSERT INTO usage_hourly (start_ms, account_ref, key_ref, model_ref, provider_ref, status, ${sums})
    SELECT c.created_ms / 3600000 * 3600000, c.account_ref, coalesce(c.key_ref, -c.labels_ref, 0), c.model_ref, coalesce(c.provider_ref, 0), c.status,
      ${summed(ofCalls)}
    FROM calls c WHERE c.created_ms >= ${from} AND c.seq <= coalesce((SELECT seq FROM watermarks WHERE name = 'rollups'), 0)
    GROUP BY 1, 2, 3, 4, 5, 6`,
  `INSERT INTO usage_daily (start_ms, account_ref, key_ref, model_ref, provider_ref, status, ${sums})
    SELECT ${rolledUpTo(86_400_000)}, account_ref, key_ref, model_ref, provider_ref, status, ${summed((column) => column)}
    FROM usage_hourly WHERE start_ms >= ${from} GROUP BY 1, 2, 3, 4, 5, 6`,
  ...(
    [
      ["totals_hourly", 3_600_000],
      ["totals_daily", 86_400_000],
    ] as const
  ).map(
    ([table, unitMs]) => `INSERT INTO ${table} (start_ms, model_ref, provider_ref, status, ${sums})
    SELECT ${rolledUpTo(unitMs)}, model_ref, provider_ref, status, ${summed((column) => column)}
    FROM usage_hourly WHERE start_ms >= ${from} GROUP BY 1, 2, 3, 4`,
  ),
];

const repairs: Partial<Record<ProofCode, readonly string[]>> = {
  "call-twice": ["DELETE FROM open_calls WHERE id IN (SELECT id FROM calls)", heldAnew],
  "rollup-sum": rollupsAnew,
  "call-unindexed": blocksAnew,
  "answer-broken": [`DELETE FROM kept_answers WHERE ${brokenAnswers}`],
  "window-negative": [heldAnew, spentAnew],
  "held-sum": [heldAnew],
  "spent-sum": [spentAnew],
};
