import type { Static } from "@sinclair/typebox";
import { GatewayError } from "../chat/error.ts";
import { isCidr } from "../config/network.ts";
import { makeKey } from "../identity/key-format.ts";
import type { Keys } from "../identity/keys.ts";
import type { BudgetRow } from "../storage/budget.ts";
import type { Database, KeyRow } from "../storage/database.ts";
import { nanoOf } from "./money.ts";
import { type ApiRoute, checked, checkedQuery } from "./route.ts";
import { KeyChangeSchema, NewKeySchema, PageQuerySchema } from "./schemas.ts";

export interface KeyServiceDependencies {
  readonly database: Database;
  readonly keys: Keys;
  readonly now: () => number;
  readonly newId: () => string;
  /** Whether something keeps limits and counts money; else setting one is a conflict. */
  readonly enforces: { readonly limits: boolean; readonly budgets: boolean };
}

/** What keys go through, whoever asks: the API, the dashboard, the first start. */
export interface KeyService {
  /** The only moment the secret exists outside the client's hands. */
  create(input: Static<typeof NewKeySchema>): Promise<{ readonly row: KeyRow; readonly secret: string }>;
  /** `null`: no such key. */
  change(id: string, change: unknown): Promise<KeyRow | null>;
  /** `null`: no such key. The next call with it is refused. */
  revoke(id: string): Promise<KeyRow | null>;
}

export const keyService = ({ database, keys, now, newId, enforces }: KeyServiceDependencies): KeyService => ({
  async create(given) {
    // Here, and not only at the API: the dashboard's form goes through the same rules.
    const input = checked(NewKeySchema, given);
    if (input.accountId !== undefined && !(await database.accounts.get(input.accountId))) missing();
    if (input.limits && Object.keys(input.limits).length > 0 && !enforces.limits)
      throw notEnforced("limit", "rate-limit");
    if (input.budget && !enforces.budgets) throw notEnforced("budget", "billing");
    for (const cidr of input.cidrs ?? [])
      if (!isCidr(cidr)) throw new GatewayError("invalid-request", "cidrs: not a network", { param: "cidrs" });
    if (input.expiresAt !== undefined && input.expiresAt <= now())
      throw new GatewayError("invalid-request", "expiresAt: already past", { param: "expiresAt" });
    const made = makeKey();
    const id = newId();
    const createdMs = now();
    // Before there is a key: one that keeps nothing never keeps its first call.
    if (input.content !== undefined) await database.content.set({ kind: "key", id }, input.content);
    const row = await database.keys.create(
      {
        id,
        accountId: input.accountId ?? "default",
        name: input.name,
        prefix: made.prefix,
        last4: made.last4,
        digest: keys.digest(made.key),
        models: input.models ?? "all",
        limits: input.limits ?? {},
        cidrs: input.cidrs ?? [],
        expiresMs: input.expiresAt ?? null,
        createdMs,
      },
      input.budget
        ? {
            id: newId(),
            scope: { kind: "key", id },
            window: input.budget.window,
            limitNano: nanoOf(input.budget.usd, "budget.usd"),
            createdMs,
          }
        : null,
    );
    return { row, secret: made.key };
  },
  async change(id, given) {
    const { content } = checked(KeyChangeSchema, given);
    const row = await database.keys.get(id);
    if (row !== null && content !== undefined) await database.content.set({ kind: "key", id }, content);
    return row;
  },
  async revoke(id) {
    const row = await database.keys.revoke(id, now());
    keys.forget(id);
    return row;
  },
});

export const keyRoutes = (service: KeyService, database: Database): readonly ApiRoute[] => [
  {
    method: "POST",
    path: "/api/keys",
    permission: "keys.write",
    summary: "Create a key. The answer is the only one that holds the key itself.",
    query: null,
    body: NewKeySchema,
    status: 201,
    async answer({ body }) {
      const { row, secret } = await service.create(checked(NewKeySchema, body));
      const budgets = await database.budgets.list({ scope: { kind: "key", id: row.id } });
      return { ...keyAnswer(row, database), budget: budgets.data.map(budgetAnswer)[0] ?? null, key: secret };
    },
  },
  {
    method: "GET",
    path: "/api/keys",
    permission: "keys.read",
    summary: "List keys, newest first.",
    query: PageQuerySchema,
    body: null,
    status: 200,
    async answer({ query }) {
      const page = await database.keys.list(checkedQuery(PageQuerySchema, query));
      return { data: page.data.map((row) => keyAnswer(row, database)), next: page.next };
    },
  },
  {
    method: "GET",
    path: "/api/keys/:id",
    permission: "keys.read",
    summary: "One key.",
    query: null,
    body: null,
    status: 200,
    answer: async ({ params }) => keyAnswer((await database.keys.get(params.id ?? "")) ?? missing(), database),
  },
  {
    method: "PATCH",
    path: "/api/keys/:id",
    permission: "keys.write",
    summary: "Say whether prompts and answers of a key's calls are kept, from its next call on.",
    query: null,
    body: KeyChangeSchema,
    status: 200,
    answer: async ({ params, body }) => keyAnswer((await service.change(params.id ?? "", body)) ?? missing(), database),
  },
  {
    method: "DELETE",
    path: "/api/keys/:id",
    permission: "keys.write",
    summary: "Revoke a key. Its calls and its budget's history stay.",
    query: null,
    body: null,
    status: 200,
    answer: async ({ params }) => keyAnswer((await service.revoke(params.id ?? "")) ?? missing(), database),
  },
];

/** One body for every unknown object, whatever its kind. */
export function missing(): never {
  throw new GatewayError("not-found", "no such object");
}

export const notEnforced = (what: "limit" | "budget" | "balance" | "price", section: string): GatewayError =>
  new GatewayError("conflict", `no ${section} plugin is configured: a ${what} would have no effect`);

export const budgetAnswer = ({ createdMs, windowStartMs, resetsAtMs, increase, ...row }: BudgetRow) => ({
  ...row,
  increase: increase && { nano: increase.nano, until: increase.untilMs },
  createdAt: createdMs,
  windowStartsAt: windowStartMs,
  resetsAt: resetsAtMs,
});

const keyAnswer = (
  { models, expiresMs, revokedMs, createdMs, lastUsedMs, ...row }: KeyRow,
  { content }: Pick<Database, "content">,
) => ({
  ...row,
  content: content.setting({ kind: "key", id: row.id }),
  models: models === "all" ? null : models,
  expiresAt: expiresMs,
  revokedAt: revokedMs,
  createdAt: createdMs,
  lastUsedAt: lastUsedMs,
});
