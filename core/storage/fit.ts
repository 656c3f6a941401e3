import type { Budget, BudgetBook } from "./budget-book.ts";
import type { Need } from "./database.ts";
import { windowAt } from "./windows.ts";

/** What to hold on every budget, or the budget that is short. */
export type Fit = { readonly nano: number; readonly outputTokens: number } | Short;
export interface Short {
  readonly short: Budget;
  /** What would have to be free for this call: with its output's cap as low as it may be. */
  readonly leastNano: number;
  /** The cap on the output that would fit now, all candidates together; below what the call accepts. */
  readonly fittingOutputTokens: number;
}

/** Fits `need` into the budget with the least room: whole, else with the output's cap lowered, else not at all. */
export function fit(budgets: readonly Budget[], need: Need, book: BudgetBook, atMs: number): Fit {
  const whole = need.inputNano + need.outputNano;
  const tightest = leastFree(budgets, book, atMs);
  if (!tightest || tightest.freeNano >= whole) return { nano: whole, outputTokens: need.outputTokens };

  const outputTokens = outputThatFits(need, tightest.freeNano);
  const mayLower = need.leastOutputTokens < need.outputTokens && need.outputNano > 0;
  if (!mayLower || outputTokens < need.leastOutputTokens) {
    const leastNano = mayLower ? need.inputNano + outputPrice(need, need.leastOutputTokens) : whole;
    return { short: tightest.budget, leastNano, fittingOutputTokens: outputTokens };
  }
  return { nano: need.inputNano + outputPrice(need, outputTokens), outputTokens };
}

/** The price of the output is linear in its tokens; one nano-USD covers the rounding of the two parts of a need. */
const outputPrice = (need: Need, tokens: number): number =>
  Number((BigInt(need.outputNano) * BigInt(tokens)) / BigInt(need.outputTokens)) + 1;

function outputThatFits(need: Need, freeNano: number): number {
  if (need.outputNano === 0) return 0;
  const roomNano = Math.max(freeNano - need.inputNano - 1, 0);
  return Math.min(Number((BigInt(roomNano) * BigInt(need.outputTokens)) / BigInt(need.outputNano)), need.outputTokens);
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
