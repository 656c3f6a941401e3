import type { AccountSummary } from "../storage/database.ts";
import { budgetAnswer, type KeyServiceDependencies, missing } from "./keys.ts";
import { balanceAnswer } from "./ledger.ts";
import { type ApiRoute, checked, checkedQuery } from "./route.ts";
import { AccountChangeSchema, AccountsQuerySchema, NewAccountSchema } from "./schemas.ts";

export const accountRoutes = ({ database, now, newId }: KeyServiceDependencies): readonly ApiRoute[] => [
  {
    method: "POST",
    path: "/api/accounts",
    summary: "Create an account, alone or under another one, at most 8 levels deep.",
    query: null,
    body: NewAccountSchema,
    status: 201,
    async answer({ body }) {
      const { name, parentId = null } = checked(NewAccountSchema, body);
      return accountAnswer(await database.accounts.create({ id: newId(), name, parentId, createdMs: now() }));
    },
  },
  {
    method: "GET",
    path: "/api/accounts",
    summary: "List accounts, newest first.",
    query: AccountsQuerySchema,
    body: null,
    status: 200,
    async answer({ query }) {
      const { parentId, ...paging } = checkedQuery(AccountsQuerySchema, query);
      const within = parentId === undefined ? {} : { parentId: parentId === "none" ? null : parentId };
      const page = await database.accounts.list({ ...paging, ...within });
      return { data: page.data.map(accountAnswer), next: page.next };
    },
  },
  {
    method: "GET",
    path: "/api/accounts/:id",
    summary: "One account with its path from the root, the budgets on it, and its balance if it is prepaid.",
    query: null,
    body: null,
    status: 200,
    async answer({ params }) {
      const row = (await database.accounts.get(params.id ?? "")) ?? missing();
      const line = await database.accounts.lineage(row.id, now());
      const budgets = await database.budgets.list({ scope: { kind: "account", id: row.id }, limit: 200 });
      const balance = await database.credits.balance(row.id);
      return {
        ...accountAnswer(row),
        path: line.map(({ id, name }) => ({ id, name })).toReversed(),
        budgets: budgets.data.map(budgetAnswer),
        balance: balance && balanceAnswer(balance),
      };
    },
  },
  {
    method: "PATCH",
    path: "/api/accounts/:id",
    summary: "Rename an account, or move it with all below it. Calls in flight end where they were admitted.",
    query: null,
    body: AccountChangeSchema,
    status: 200,
    async answer({ params, body }) {
      const change = checked(AccountChangeSchema, body);
      return accountAnswer((await database.accounts.change(params.id ?? "", change)) ?? missing());
    },
  },
  {
    method: "DELETE",
    path: "/api/accounts/:id",
    summary:
      "Remove an account that has no keys, accounts or budgets. Its calls and entries stay; `default` stays too.",
    query: null,
    body: null,
    status: 200,
    async answer({ params }) {
      const id = params.id ?? "";
      if (!(await database.accounts.remove(id))) missing();
      return { id, removed: true };
    },
  },
];

const accountAnswer = ({ createdMs, ...row }: AccountSummary) => ({ ...row, createdAt: createdMs });
