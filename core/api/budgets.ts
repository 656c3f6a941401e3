import { GatewayError, type Scope } from "../chat/error.ts";
import type { Database } from "../storage/database.ts";
import { budgetAnswer, type KeyServiceDependencies, missing, notEnforced } from "./keys.ts";
import { nanoOf } from "./money.ts";
import { type ApiRoute, checked, checkedQuery } from "./route.ts";
import { BudgetsQuerySchema, NewBudgetSchema } from "./schemas.ts";

export const budgetRoutes = ({ database, now, newId, enforces }: KeyServiceDependencies): readonly ApiRoute[] => [
  {
    method: "POST",
    path: "/api/budgets",
    summary: "Put a budget on a key, account, model, provider or on everything.",
    query: null,
    body: NewBudgetSchema,
    status: 201,
    async answer({ body }) {
      const { scope, usd, window } = checked(NewBudgetSchema, body);
      if (!enforces.budgets) throw notEnforced("budget", "billing");
      const limitNano = nanoOf(usd, "usd");
      const id = newId();
      return budgetAnswer(
        await database.budgets.create({
          id,
          scope: await existing(scope, database),
          window,
          limitNano,
          createdMs: now(),
        }),
      );
    },
  },
  {
    method: "GET",
    path: "/api/budgets",
    summary: "List budgets with the state of their current window, newest first.",
    query: BudgetsQuerySchema,
    body: null,
    status: 200,
    async answer({ query }) {
      const { scopeKind, scopeId, ...paging } = checkedQuery(BudgetsQuerySchema, query);
      const scope = scopeKind === undefined ? {} : { scope: scopeOf(scopeKind, scopeId) };
      const page = await database.budgets.list({ ...paging, ...scope });
      return { data: page.data.map(budgetAnswer), next: page.next };
    },
  },
  {
    method: "GET",
    path: "/api/budgets/:id",
    summary: "One budget.",
    query: null,
    body: null,
    status: 200,
    answer: async ({ params }) => budgetAnswer((await database.budgets.get(params.id ?? "")) ?? missing()),
  },
  {
    method: "DELETE",
    path: "/api/budgets/:id",
    summary: "Remove a budget. What it counted stays in the ledger.",
    query: null,
    body: null,
    status: 200,
    async answer({ params }) {
      const id = params.id ?? "";
      if (!(await database.budgets.remove(id))) missing();
      return { id, removed: true };
    },
  },
];

/** A budget on a key or account that does not exist would count nothing, which nobody wants. */
async function existing(
  scope: { readonly kind: Scope["kind"]; readonly id?: string },
  database: Database,
): Promise<Scope> {
  const found = scopeOf(scope.kind, scope.id);
  if (found.kind === "key" && !(await database.keys.get(found.id))) missing();
  if (found.kind === "account" && !(await database.accounts.get(found.id))) missing();
  return found;
}

function scopeOf(kind: string, id: string | undefined): Scope {
  if (kind === "global") return { kind, id: "global" };
  const param = "scope.id";
  if (id === undefined) throw new GatewayError("invalid-request", `${param}: missing`, { param });
  if (kind === "key" || kind === "account" || kind === "model" || kind === "provider") return { kind, id };
  throw new GatewayError("invalid-request", "scopeKind: expected key, account, model, provider or global", {
    param: "scopeKind",
  });
}
