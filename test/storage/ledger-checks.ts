import { expect } from "bun:test";
import { inRow, usedAt } from "./budget-model.ts";
import { budgetViewAt } from "./folder.ts";
import { firstParents } from "./ledger-steps.ts";
import type { Subject } from "./ledger-subject.ts";

/** What must hold after each step, cheaply: what every live budget has spent and holds, in the database. */
export function checkSums({ store, model }: Subject): void {
  for (const row of store.rows<BudgetSums>(everyWindow)) {
    const { spentNano, heldNano } = inRow(model.budgetOf(row.budget_id), row.window_start_ms);
    if (row.spent_nano !== spentNano || row.held_nano !== heldNano)
      throw new Error(`${JSON.stringify(row)} should be ${spentNano} spent and ${heldNano} held`);
  }
  expect(store.rows<{ open: number }>("SELECT count(*) AS open FROM open_calls")).toEqual([
    { open: model.open.length },
  ]);
}

/** All that can be asked: the proofs of `doctor`, and every figure that is shown, against the model. */
export async function checkAll({ store, model, now }: Subject): Promise<void> {
  const { database } = store;
  expect((await database.prove()).filter(({ ok }) => !ok)).toEqual([]);
  for (const budget of model.budgets) {
    const row = await database.budgets.get(budget.row.id);
    expect(row).toMatchObject(usedAt(budget, now()));
  }
  for (const id of Object.keys(firstParents)) {
    const shown = await database.credits.balance(id);
    const balance = model.balances.get(id);
    // It was read as of now.
    balance?.expire(now());
    expect([shown?.balanceNano, shown?.heldNano]).toEqual([
      balance?.balanceNano,
      balance && usedAt(balance, 0).heldNano,
    ]);
  }
  for (const row of store.rows<BudgetSums>(
    budgetViewAt((query) => store.rows(query)),
    now(),
  )) {
    const budget = model.budgetOf(row.budget_id);
    // A reset counts from the next ms on, and is shown at once.
    const atMs = Math.max(now(), budget.resets.at(-1) ?? 0);
    const { spent_nano: spentNano, held_nano: heldNano } = row;
    expect({ spentNano, heldNano }).toEqual(usedAt(budget, atMs));
  }
  const sum = model.charges.reduce((total, { chargeNano }) => total + (chargeNano ?? 0), 0);
  const rows = model.open.length + model.charges.length + model.refused.length;
  expect(store.rows(figures)).toEqual([
    {
      rows,
      ids: rows,
      open: model.open.length,
      refused: model.refused.length,
      charged: sum,
      entries: 0 - sum,
      entered: model.charges.filter(({ endedNano }) => endedNano).length,
    },
  ]);
  expect(store.rows(strayEntries)).toEqual([]);
}

interface BudgetSums {
  readonly budget_id: string;
  readonly window_start_ms: number;
  readonly spent_nano: number;
  readonly held_nano: number;
}

const everyWindow = `SELECT b.id AS budget_id, w.start_ms AS window_start_ms, w.spent_nano, w.held_nano
  FROM budgets b JOIN budget_windows w ON w.budget_ref = b.ref
  WHERE b.removed_ms IS NULL AND b.prepaid = 0`;
const figures = `SELECT count(*) AS rows, count(DISTINCT call_id) AS ids, coalesce(sum(status = 'open'), 0) AS open,
  coalesce(sum(status = 'refused'), 0) AS refused, coalesce(sum(charge_nano), 0) AS charged,
  (SELECT coalesce(sum(delta_nano), 0) FROM v_ledger WHERE kind IN ('charge', 'adjustment')) AS entries,
  (SELECT count(*) FROM v_ledger WHERE kind = 'charge') AS entered FROM v_usage`;
/** Entries that are not, with the adjustments, exactly the charge of their call, on its account. */
const strayEntries = `SELECT * FROM (SELECT call_id, account_id, sum(delta_nano) AS nano FROM v_ledger
  WHERE kind IN ('charge', 'adjustment') GROUP BY call_id, account_id) e
  WHERE NOT EXISTS (SELECT 1 FROM v_usage u
    WHERE u.call_id = e.call_id AND u.account_id = e.account_id AND u.charge_nano = -e.nano)`;
