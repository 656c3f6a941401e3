import type { BudgetLine } from "../../views/budget-table.ts";
import type { BudgetRow } from "../storage/budget.ts";
import type { DashboardDatabase } from "./route.ts";

/** Budgets as rows of a table, with the names of what they are on. */
export const budgetLines = (database: DashboardDatabase, budgets: readonly BudgetRow[]): Promise<BudgetLine[]> =>
  Promise.all(
    budgets.map(async (budget) => ({
      ...budget,
      scopeKind: budget.scope.kind,
      scopeName: await scopeName(database, budget),
    })),
  );

async function scopeName(database: DashboardDatabase, { scope }: BudgetRow): Promise<string> {
  if (scope.kind === "key") return (await database.keys.get(scope.id))?.name ?? scope.id;
  if (scope.kind === "account") return (await database.accounts.find(scope.id))?.name ?? scope.id;
  return scope.id;
}
