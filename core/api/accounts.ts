import type { Static } from "@sinclair/typebox";
import { missing } from "../chat/error.ts";
import { type AccountTerms, type AccountTermsChange, openTerms } from "../storage/account-terms.ts";
import type { AccountSummary, Database } from "../storage/database.ts";
import { budgetAnswer } from "./budgets.ts";
import type { KeyServiceDependencies } from "./key-service.ts";
import { listOrNull } from "./keys.ts";
import { balanceAnswer } from "./ledger.ts";
import { type ApiRoute, checked, checkedQuery } from "./route.ts";
import { AccountChangeSchema, AccountsQuerySchema, NewAccountSchema } from "./schemas.ts";

/** What accounts go through, whoever asks: the API or the dashboard. */
export interface AccountService {
  create(input: unknown): Promise<AccountSummary>;
  /** `null`: no such account. */
  change(id: string, change: unknown): Promise<AccountSummary | null>;
}
export interface AccountServiceDependencies extends Pick<KeyServiceDependencies, "now" | "newId"> {
  readonly database: Pick<Database, "accounts">;
}

type TermsInput = Omit<Static<typeof AccountChangeSchema>, "name" | "parentId" | "content" | "disabled">;

const termsOf = ({ models, providers, operations, ...same }: TermsInput): AccountTermsChange => ({
  ...same,
  ...(models !== undefined && { models: models ?? "all" }),
  ...(providers !== undefined && { providers: providers ?? "all" }),
  ...(operations !== undefined && { operations: operations ?? "all" }),
});

export const accountService = ({ database, now, newId }: AccountServiceDependencies): AccountService => ({
  async create(given) {
    const { name, parentId = null, content, ...terms } = checked(NewAccountSchema, given);
    const said = { ...(content !== undefined && { content }), terms: termsOf(terms) };
    return database.accounts.create({ id: newId(), name, parentId, createdMs: now() }, said);
  },
  async change(id, given) {
    const { content, name, parentId, disabled, ...terms } = checked(AccountChangeSchema, given);
    return database.accounts.change(id, {
      ...(name !== undefined && { name }),
      ...(parentId !== undefined && { parentId }),
      ...(disabled !== undefined && { disabled }),
      ...(content !== undefined && { content }),
      terms: termsOf(terms),
    });
  },
});

export const accountRoutes = (
  service: AccountService,
  { database }: Pick<KeyServiceDependencies, "database">,
): readonly ApiRoute[] => [
  {
    method: "POST",
    path: "/api/accounts",
    permission: "accounts.write",
    summary: "Create an account, alone or under another one, at most 8 levels deep.",
    body: NewAccountSchema,
    status: 201,
    answer: async ({ body }) => accountAnswer(await service.create(body), database),
  },
  {
    method: "GET",
    path: "/api/accounts",
    permission: "accounts.read",
    summary: "List accounts, newest first.",
    query: AccountsQuerySchema,
    async answer({ query }) {
      const { parentId, ...paging } = checkedQuery(AccountsQuerySchema, query);
      const within = parentId === undefined ? {} : { parentId: parentId === "none" ? null : parentId };
      const page = await database.accounts.list({ ...paging, ...within });
      return { data: page.data.map((row) => accountAnswer(row, database)), next: page.next };
    },
  },
  {
    method: "GET",
    path: "/api/accounts/:id",
    permission: "accounts.read",
    summary: "One account with its path from the root, the budgets on it, and its balance if it is prepaid.",
    async answer({ params }) {
      const row = (await database.accounts.get(params.id ?? "")) ?? missing();
      const line = await database.accounts.lineage(row.id);
      const budgets = await database.budgets.list({ scope: { kind: "account", id: row.id }, limit: 200 });
      const balance = await database.credits.balance(row.id);
      return {
        ...accountAnswer(row, database),
        path: line.map(({ id, name }) => ({ id, name })).toReversed(),
        budgets: budgets.data.map(budgetAnswer),
        balance: balance && balanceAnswer(balance),
      };
    },
  },
  {
    method: "PATCH",
    path: "/api/accounts/:id",
    permission: "accounts.write",
    summary:
      "Rename an account, move it with all below it, say whether content is kept, or disable it: then it and all below it take no calls. Those in flight end where they were admitted.",
    body: AccountChangeSchema,
    answer: async ({ params, body }) =>
      accountAnswer((await service.change(params.id ?? "", body)) ?? missing(), database),
  },
  {
    method: "DELETE",
    path: "/api/accounts/:id",
    permission: "accounts.write",
    summary:
      "Remove an account that has no keys, accounts or budgets. Its calls and entries stay; `default` stays too.",
    async answer({ params }) {
      const id = params.id ?? "";
      if (!(await database.accounts.remove(id))) missing();
      return { id, removed: true };
    },
  },
];

const accountAnswer = (
  { createdMs, ...row }: AccountSummary,
  { content, accountTerms }: Pick<Database, "content" | "accountTerms">,
) => ({
  ...row,
  ...termsAnswer(accountTerms.of(row.id) ?? openTerms),
  content: content.setting({ kind: "account", id: row.id }),
  createdAt: createdMs,
});

/** As it was written, with `null` for what it leaves open. */
const termsAnswer = ({ models, providers, operations, ...same }: AccountTerms) => ({
  ...same,
  models: listOrNull(models),
  providers: listOrNull(providers),
  operations: listOrNull(operations),
});
