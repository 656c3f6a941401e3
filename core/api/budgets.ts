import { GatewayError, missing } from "../chat/error.ts";
import type { TenantDatabase } from "../identity/tenancy.ts";
import type { BudgetRow } from "../storage/budget.ts";
import type { BudgetService } from "./budget-service.ts";
import { type ApiRoute, checkedQuery } from "./route.ts";
import { BudgetChangeSchema, BudgetsQuerySchema, NewBudgetSchema } from "./schemas.ts";
import { scopeOf } from "./scope.ts";

export const budgetRoutes = (service: BudgetService, database: TenantDatabase): readonly ApiRoute[] => [
  {
    method: "POST",
    path: "/api/budgets",
    permission: "budgets.write",
    summary: "Put a budget on a key, account, model, provider or on everything.",
    body: NewBudgetSchema,
    status: 201,
    answer: async ({ body }) => budgetAnswer(await service.create(body)),
  },
  {
    method: "GET",
    path: "/api/budgets",
    permission: "budgets.read",
    summary: "List budgets with the state of their current window, newest first.",
    query: BudgetsQuerySchema,
    async answer({ query }) {
      const { scopeKind, scopeId, ...paging } = checkedQuery(BudgetsQuerySchema, query);
      if (scopeKind === undefined && scopeId !== undefined)
        throw new GatewayError("invalid-request", "scopeKind: missing", { param: "scopeKind" });
      const scope = scopeKind === undefined ? {} : { scope: scopeOf(scopeKind, scopeId, "scopeId") };
      const page = await database.budgets.list({ ...paging, ...scope });
      return { data: page.data.map(budgetAnswer), next: page.next };
    },
  },
  {
    method: "GET",
    path: "/api/budgets/:id",
    permission: "budgets.read",
    summary: "One budget.",
    answer: async ({ params }) => budgetAnswer((await database.budgets.get(params.id ?? "")) ?? missing()),
  },
  {
    method: "PATCH",
    path: "/api/budgets/:id",
    permission: "budgets.write",
    summary: "Change a budget, for calls that start from then on. Its scope and window stay as they are.",
    body: BudgetChangeSchema,
    answer: async ({ params, body }) => budgetAnswer((await service.change(params.id ?? "", body)) ?? missing()),
  },
  {
    method: "POST",
    path: "/api/budgets/:id/reset",
    permission: "budgets.write",
    summary: "Start the window anew: calls that have started do not count any more. The ledger keeps them.",
    answer: async ({ params }) => budgetAnswer((await database.budgets.reset(params.id ?? "")) ?? missing()),
  },
  {
    method: "DELETE",
    path: "/api/budgets/:id",
    permission: "budgets.write",
    summary: "Remove a budget. What it counted stays in the ledger.",
    async answer({ params }) {
      const id = params.id ?? "";
      if (!(await database.budgets.remove(id))) missing();
      return { id, removed: true };
    },
  },
];

export const budgetAnswer = ({ createdMs, windowStartMs, resetsAtMs, increase, ...row }: BudgetRow) => ({
  ...row,
  increase: increase && { nano: increase.nano, until: increase.untilMs },
  createdAt: createdMs,
  windowStartsAt: windowStartMs,
  resetsAt: resetsAtMs,
});
