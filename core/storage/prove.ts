import type { SqliteClient } from "../runtime/sqlite.ts";
import type { Proof, ProofCode } from "./condition.ts";
import { verifyChain } from "./audit-chain.ts";
import { intactness, proof } from "./intactness.ts";
import { sqliteDatabase } from "./sqlite-database.ts";

/**
 * The equalities that must hold at any moment between two commits, each by sums over all rows. Reads only, so it can
 * run beside a serving process.
 */
export function prove(client: SqliteClient): readonly Proof[] {
  const value = (sql: string) => client.prepare(sql).values()[0]?.[0];
  const count = (sql: string) => Number(value(sql) ?? 0);
  const intact = intactness(client);
  // Sums over a file that is damaged say nothing, and may not even be read.
  if (!intact.ok) return [intact];
  return [
    intact,
    differing(
      "reference-lost",
      "no reference leads nowhere",
      client.prepare("PRAGMA foreign_key_check").values().length,
      "rows",
    ),
    differing(
      "call-twice",
      "a call has one record",
      count("SELECT count(*) FROM open_calls WHERE id IN (SELECT id FROM calls)"),
      "calls are open and finished at once",
    ),
    equal(
      "call-missing",
      "numbers given to calls, and calls kept or gone for their age",
      count(`SELECT max(coalesce((SELECT max(seq) FROM calls), 0), ${purgedThrough})`),
      count(`SELECT count(*) + ${purgedSum("calls")} FROM calls`),
      "calls",
    ),
    equal(
      "ledger-sum",
      "charges in the records and in the ledger",
      count(`SELECT coalesce(sum(charge_nano), 0) + ${purgedSum("charge_nano")} FROM v_usage`),
      -count("SELECT coalesce(sum(delta_nano), 0) FROM v_ledger WHERE kind IN ('charge', 'adjustment')"),
    ),
    differing(
      "ledger-entry",
      "each charge has its ledger entry",
      count(`SELECT count(*) FROM calls c WHERE coalesce(c.charge_nano, 0) + ${adjusted("charge")} <>
        (SELECT coalesce(-sum(l.delta_nano), 0) FROM ledger l WHERE l.call_seq = c.seq AND l.kind IN ('charge', 'adjustment'))`),
      "calls differ from their ledger entries",
    ),
    differing(
      "deleted-sum",
      "calls that are gone for their age were charged what their ledger entries say",
      count(purgedDiffer),
      "accounts differ",
    ),
    differing(
      "rollup-sum",
      "the rollups, with the calls that are not folded yet, add up to the records",
      count(rolledUpDiffer),
      "of the rollup tables differ",
    ),
    differing(
      "call-unindexed",
      "each folded call is found by its account, key, model, provider and hour",
      count(notInBlocks),
      "calls are in no block of theirs",
    ),
    differing(
      "balance-sum",
      "a balance is what was credited and has not expired",
      count(creditsDiffer),
      "balances differ from their entries",
    ),
    differing(
      "answer-broken",
      "an answer that is kept for its Idempotency-Key is whole",
      count(`SELECT count(*) FROM kept_answers WHERE ${brokenAnswers}`),
      "kept answers",
    ),
    auditProof(client),
    differing(
      "window-negative",
      "no budget window is negative",
      count("SELECT count(*) FROM budget_windows WHERE spent_nano < 0 OR held_nano < 0"),
      "windows",
    ),
    equal(
      "held-sum",
      "money held and money that open calls hold",
      count(
        "SELECT coalesce(sum(w.held_nano), 0) FROM budget_windows w JOIN budgets b ON b.ref = w.budget_ref WHERE b.removed_ms IS NULL",
      ),
      count(`SELECT coalesce(sum(json_extract(h.value, '$[2]')), 0) FROM open_calls o, json_each(o.holds) h
        JOIN budgets b ON b.ref = json_extract(h.value, '$[0]') WHERE b.removed_ms IS NULL`),
    ),
    differing(
      "spent-sum",
      "spent is the sum of its scope and window",
      count(`SELECT count(*) FROM ${liveWindows} AND w.spent_nano <> ${spentOfCalls}`),
      "budget windows differ from the calls they count",
    ),
  ];
}

/** The chain says by itself where it breaks. */
function auditProof(client: SqliteClient): Proof {
  const { through, broken } = verifyChain(sqliteDatabase(client));
  const detail =
    broken === null ? `${through.seq} entries, head ${through.hash}` : `entry ${broken.seq}: ${broken.why}`;
  return proof("audit-broken", "the audit log is one chain from its first entry to its head", broken === null, detail);
}

/** What is kept of calls that are gone for their age. */
const purgedSum = (column: string): string => `(SELECT coalesce(sum(${column}), 0) FROM purged_calls)`;
const purgedThrough = "coalesce((SELECT through_seq FROM purges), 0)";

const purgedDiffer = `
SELECT count(*) FROM (
  SELECT account_ref, sum(nano) AS nano FROM (
    SELECT account_ref, charge_nano AS nano FROM purged_calls UNION ALL
    SELECT account_ref, delta_nano FROM ledger
    WHERE call_seq <= ${purgedThrough} AND kind IN ('charge', 'adjustment'))
  GROUP BY account_ref)
WHERE nano <> 0`;

/** Reads no answer: its length stands before it. */
export const brokenAnswers =
  "bytes <> coalesce(length(answer), 0) OR (state = 'kept') <> (answer IS NOT NULL) OR expires_ms < created_ms";

const creditsDiffer = `
SELECT count(*) FROM accounts a LEFT JOIN budgets b ON b.prepaid = 1 AND b.scope_kind = 'account' AND b.scope_id = a.id
WHERE coalesce(b.limit_nano, 0) <>
    (SELECT coalesce(sum(l.delta_nano), 0) FROM ledger l WHERE l.account_ref = a.ref AND l.kind IN ('credit', 'expiry'))
  OR coalesce(b.limit_nano, 0) <>
    (SELECT coalesce(sum(c.amount_nano - c.expired_nano), 0) FROM credits c WHERE c.account_ref = a.ref)
  OR EXISTS (SELECT 1 FROM credits c WHERE c.account_ref = a.ref AND c.used_nano + c.expired_nano > c.amount_nano)`;

/** What re-rating has added to the call `c`. */
const adjusted = (what: "cost" | "charge"): string =>
  `coalesce((SELECT sum(j.${what}_delta_nano) FROM adjustments j WHERE j.call_seq = c.seq), 0)`;

/** Rows `w` of budgets `b` that are not removed; `n` is the row after. */
export const liveWindows = `budgets b JOIN budget_windows w ON w.budget_ref = b.ref
  LEFT JOIN budget_windows n ON n.budget_ref = b.ref AND n.start_ms =
    (SELECT min(x.start_ms) FROM budget_windows x WHERE x.budget_ref = b.ref AND x.start_ms > w.start_ms)
WHERE b.removed_ms IS NULL`;

/** A row ends with its window, its part of rolling hours, or a reset, which starts the next. */
const rowEnd = `min(coalesce(n.start_ms, 9007199254740991), CASE
      WHEN b."window" GLOB '[0-9]*h' THEN (w.start_ms / 60000 / CAST(b."window" AS INTEGER) + 1) * CAST(b."window" AS INTEGER) * 60000
      WHEN b."window" = 'lifetime' THEN 9007199254740991
      WHEN b.time_zone IS NOT NULL THEN coalesce((SELECT min(s.start_ms) FROM window_starts s
        WHERE s.time_zone = b.time_zone AND s."window" = b."window" AND s.start_ms > w.start_ms), 9007199254740991)
      WHEN b."window" = 'day' THEN (w.start_ms / 86400000 + 1) * 86400000
      WHEN b."window" = 'week' THEN ((w.start_ms - 345600000) / 604800000 + 1) * 604800000 + 345600000
      ELSE unixepoch(w.start_ms / 1000, 'unixepoch', 'start of month', '+1 month') * 1000 END)`;

/** Budgets that counted the call `c` though they were made, by the clock, after it started. */
const aheadOf = "(SELECT value FROM json_each(c.notes, '$.ahead'))";

/**
 * What the calls of such a row were charged. A call counts in the row that it started in, from the budget's creation on:
 * of earlier calls it held those alone that name it. These are looked for once for all rows.
 */
export const spentOfCalls = `(coalesce(
  (SELECT p.spent_nano FROM purged_spent p WHERE p.budget_ref = w.budget_ref AND p.start_ms = w.start_ms), 0) + (
  SELECT coalesce(sum(coalesce(c.charge_nano, 0) + ${adjusted("charge")}), 0) FROM calls c
    LEFT JOIN keys k ON k.ref = c.key_ref
    JOIN labels m ON m.ref = c.model_ref LEFT JOIN labels p ON p.ref = c.provider_ref
    LEFT JOIN labels u ON u.ref = c.upstream_model_ref
  WHERE c.status <> 'refused' AND c.created_ms >= max(w.start_ms, b.created_ms)
    AND c.created_ms < ${rowEnd}
    AND CASE b.scope_kind
      WHEN 'key' THEN k.id = b.scope_id
      WHEN 'model' THEN b.scope_id IN (m.text, p.text || '/' || u.text, u.text)
      WHEN 'provider' THEN p.text = b.scope_id
      WHEN 'account' THEN EXISTS (
        SELECT 1 FROM account_lines l JOIN accounts above ON above.ref = l.ancestor_ref
        WHERE l.account_ref = c.account_ref AND above.id = b.scope_id
          AND l.from_ms <= c.created_ms AND c.created_ms < coalesce(l.until_ms, 9007199254740991)
          AND (b.prepaid = 0 OR NOT EXISTS (
            SELECT 1 FROM account_lines nearer JOIN accounts other ON other.ref = nearer.ancestor_ref
              JOIN budgets p ON p.prepaid = 1 AND p.scope_kind = 'account' AND p.scope_id = other.id
            WHERE nearer.account_ref = c.account_ref AND nearer.distance < l.distance
              AND (p.created_ms <= c.created_ms OR p.ref IN ${aheadOf})
              AND nearer.from_ms <= c.created_ms AND c.created_ms < coalesce(nearer.until_ms, 9007199254740991))))
      ELSE 1 END) + (
  SELECT coalesce(sum(coalesce(c.charge_nano, 0) + ${adjusted("charge")}), 0) FROM calls c
  WHERE c.seq IN (SELECT seq FROM calls WHERE instr(notes, '"ahead":') > 0) AND b.ref IN ${aheadOf}
    AND c.created_ms >= w.start_ms AND c.created_ms < ${rowEnd}))`;

/** What each field of `call_blocks` notes of a call `c`. */
export const notedInBlocks = [
  ["account", "c.account_ref"],
  ["key", "c.key_ref"],
  ["model", "c.model_ref"],
  ["provider", "c.provider_ref"],
  ["hour", "c.created_ms / 3600000"],
] as const;

const notInBlocks = `
SELECT count(*) FROM calls c
WHERE c.seq <= coalesce((SELECT seq FROM watermarks WHERE name = 'blocks'), 0) AND (${notedInBlocks
  .map(
    ([field, ref]) =>
      `(${ref} IS NOT NULL AND NOT EXISTS (SELECT 1 FROM call_blocks b WHERE b.field = '${field}' AND b.ref = ${ref} AND b.block = c.seq / 256))`,
  )
  .join(" OR ")})`;

export const rolledUp = ["totals_hourly", "totals_daily", "usage_hourly", "usage_daily"];
export const rolledSums =
  "calls, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, cost_nano, charge_nano".split(
    ", ",
  );

export const ofCalls = (sum: string): string =>
  sum === "cost_nano" || sum === "charge_nano"
    ? `coalesce(${sum}, 0) + ${adjusted(sum === "cost_nano" ? "cost" : "charge")}`
    : sum;

/** How many rollup tables are not the sum of the calls up to the watermark. */
const rolledUpDiffer = `
WITH records AS MATERIALIZED (
  SELECT ${rolledSums.map((sum) => (sum === "calls" ? `count(*) + ${purgedSum(sum)} AS calls` : `coalesce(sum(${ofCalls(sum)}), 0) + ${purgedSum(sum)} AS ${sum}`)).join(", ")}
  FROM calls c WHERE seq <= coalesce((SELECT seq FROM watermarks WHERE name = 'rollups'), 0))
SELECT ${rolledUp
  .map(
    (table) => `
  (SELECT ${rolledSums.map((sum) => `r.${sum} <> records.${sum}`).join(" OR ")} FROM records,
    (SELECT ${rolledSums.map((sum) => `coalesce(sum(${sum}), 0) AS ${sum}`).join(", ")} FROM ${table}) r)`,
  )
  .join(" + ")}`;

const equal = (code: ProofCode, name: string, left: number, right: number, unit = "nano-USD"): Proof =>
  proof(code, name, left === right, left === right ? `${left} ${unit}` : `${left} and ${right} ${unit}`);

const differing = (code: ProofCode, name: string, found: number, what: string): Proof =>
  proof(code, name, found === 0, found === 0 ? "" : `${found} ${what}`);
