import type { Budget, BudgetBook } from "./budget-book.ts";
import type { Need } from "./database.ts";

/** What to hold on each budget, or the budget that is short. */
export type Fit = Fitted | Short;
export interface Fitted {
  /** On budgets that hold the most a call may cost. */
  readonly nano: number;
  /** On those that hold what it will probably cost. */
  readonly expectedNano: number;
  readonly outputTokens: number;
}
export interface Short {
  readonly short: Budget;
  /** What would have to be free for this call: with its output's cap as low as it may be. */
  readonly leastNano: number;
  /** The cap on the output that would fit now, all candidates together; below what the call accepts. */
  readonly fittingOutputTokens: number;
}

/**
 * Fits `need` into every budget: whole, else with the output's cap lowered to what the tightest of those that allow it has
 * room for, else not at all.
 */
export function fit(budgets: readonly Budget[], need: Need, book: Pick<BudgetBook, "freeNano">, atMs: number): Fit {
  const nano = need.inputNano + need.outputNano;
  const expectedNano = Math.min(need.expectedNano ?? nano, nano);
  const whole = { nano, expectedNano, outputTokens: need.outputTokens };
  let tightest: { readonly budget: Budget; readonly freeNano: number } | null = null;
  for (const budget of budgets) {
    const freeNano = book.freeNano(budget, atMs);
    const asked = budget.admission === "expected" ? expectedNano : nano;
    if (freeNano >= asked) continue;
    if (budget.onShortfall === "refuse" || budget.admission === "expected")
      return { short: budget, leastNano: asked, fittingOutputTokens: outputThatFits(need, freeNano) };
    if (!tightest || freeNano < tightest.freeNano) tightest = { budget, freeNano };
  }
  if (!tightest) return whole;

  const outputTokens = outputThatFits(need, tightest.freeNano);
  const mayLower = need.leastOutputTokens < need.outputTokens && need.outputNano > 0;
  if (!mayLower || outputTokens < need.leastOutputTokens) {
    const leastNano = mayLower ? need.inputNano + outputPrice(need, need.leastOutputTokens) : nano;
    return { short: tightest.budget, leastNano, fittingOutputTokens: outputTokens };
  }
  const lowered = need.inputNano + outputPrice(need, outputTokens);
  return { nano: lowered, expectedNano: Math.min(expectedNano, lowered), outputTokens };
}

/** The price of the output is linear in its tokens; one nano-USD covers the rounding of the two parts of a need. */
const outputPrice = (need: Need, tokens: number): number =>
  Number((BigInt(need.outputNano) * BigInt(tokens)) / BigInt(need.outputTokens)) + 1;

function outputThatFits(need: Need, freeNano: number): number {
  if (need.outputNano === 0) return 0;
  const roomNano = Math.max(freeNano - need.inputNano - 1, 0);
  return Math.min(Number((BigInt(roomNano) * BigInt(need.outputTokens)) / BigInt(need.outputNano)), need.outputTokens);
}
