import type { BudgetLine } from "../../views/budget-table.ts";
import type { BudgetRow } from "../storage/budget.ts";
import { nameOfScope } from "./names.ts";
import type { DashboardDatabase } from "./route.ts";

/** Budgets as rows of a table, with the names of what they are on. */
export const budgetLines = (database: DashboardDatabase, budgets: readonly BudgetRow[]): Promise<BudgetLine[]> =>
  Promise.all(
    budgets.map(async (budget) => ({
      ...budget,
      scopeKind: budget.scope.kind,
      scopeName: await nameOfScope(database, budget.scope),
    })),
  );
