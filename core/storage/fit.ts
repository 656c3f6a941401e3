import type { Budget, BudgetBook } from "./budget-book.ts";
import type { Need } from "./database.ts";
import { windowAt } from "./windows.ts";

/** What to hold on every budget, or the budget that is short. */
export type Fit = { readonly nano: number; readonly outputTokens: number } | { readonly short: Budget };

/** Fits `need` into the budget with the least room: whole, else with the output's cap lowered, else not at all. */
export function fit(budgets: readonly Budget[], need: Need, book: BudgetBook, atMs: number): Fit {
  const whole = need.inputNano + need.outputNano;
  const tightest = leastFree(budgets, book, atMs);
  if (!tightest || tightest.freeNano >= whole) return { nano: whole, outputTokens: need.outputTokens };

  const short = { short: tightest.budget };
  if (need.leastOutputTokens >= need.outputTokens || need.outputNano === 0) return short;
  // The price of the output is linear in its tokens; one nano-USD covers the rounding of its two parts.
  const roomNano = Math.max(tightest.freeNano - need.inputNano - 1, 0);
  const outputTokens = Number((BigInt(roomNano) * BigInt(need.outputTokens)) / BigInt(need.outputNano));
  if (outputTokens < need.leastOutputTokens) return short;
  const outputNano = Number((BigInt(need.outputNano) * BigInt(outputTokens)) / BigInt(need.outputTokens)) + 1;
  return { nano: need.inputNano + outputNano, outputTokens };
}

function leastFree(budgets: readonly Budget[], book: BudgetBook, atMs: number) {
  let tightest: { readonly budget: Budget; readonly freeNano: number } | null = null;
  for (const budget of budgets) {
    const { spentNano, heldNano } = book.counters(budget, windowAt(budget.window, atMs).startMs);
    const freeNano = budget.limitNano - spentNano - heldNano;
    if (!tightest || freeNano < tightest.freeNano) tightest = { budget, freeNano };
  }
  return tightest;
}
