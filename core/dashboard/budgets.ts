import { budgetsPage } from "../../views/budgets.ts";
import type { BudgetRow } from "../storage/budget.ts";
import { guard } from "./guard.ts";
import type { DashboardDatabase, DashboardDependencies, DashboardRoute } from "./route.ts";
import type { Sessions } from "./session.ts";

export function budgetRoutes(dependencies: DashboardDependencies, sessions: Sessions): readonly DashboardRoute[] {
  const { database } = dependencies;
  return [
    {
      method: "GET",
      path: "/dashboard/budgets",
      access: "session",
      handle: guard(dependencies, sessions, async ({ query, page }) => {
        const { data, next } = await database.budgets.list({ after: query.get("after") || null, limit: 50 });
        const budgets = await Promise.all(
          data.map(async (budget) => ({
            ...budget,
            scopeKind: budget.scope.kind,
            scopeName: await scopeName(database, budget),
          })),
        );
        return page("Budgets", "budgets", budgetsPage({ budgets, next }));
      }),
    },
  ];
}

async function scopeName(database: DashboardDatabase, { scope }: BudgetRow): Promise<string> {
  if (scope.kind === "key") return (await database.keys.get(scope.id))?.name ?? scope.id;
  if (scope.kind === "account") return (await database.accounts.get(scope.id))?.name ?? scope.id;
  return scope.id;
}
