import { GatewayError } from "../chat/error.ts";
import type { Balance, CreditRepository, LedgerEntry } from "../storage/credit.ts";
import type { TenantDatabase } from "../identity/tenancy.ts";
import type { Database } from "../storage/database.ts";
import type { KeyServiceDependencies } from "./key-service.ts";
import { nanoOf } from "./money.ts";
import { type ApiRoute, checked, checkedQuery, notEnforced } from "./route.ts";
import { BalancesQuerySchema, EntriesQuerySchema, NewCreditSchema } from "./schemas.ts";

/** What credits go through, whoever gives them: the API or the dashboard. */
export interface CreditService {
  add(input: unknown): ReturnType<CreditRepository["add"]>;
}

export interface CreditServiceDependencies extends Pick<KeyServiceDependencies, "now" | "enforces"> {
  readonly database: Pick<Database, "credits">;
}

export const creditService = ({ database, now, enforces }: CreditServiceDependencies): CreditService => ({
  async add(given) {
    const { accountId, usd, expiresAt = null, note = null } = checked(NewCreditSchema, given);
    if (!enforces.budgets) throw notEnforced("balance", "billing");
    if (expiresAt !== null && expiresAt <= now())
      throw new GatewayError("invalid-request", "expiresAt: already past", { param: "expiresAt" });
    return database.credits.add({ accountId, nano: nanoOf(usd, "usd"), expiresMs: expiresAt, note });
  },
});

export const ledgerRoutes = (service: CreditService, database: TenantDatabase): readonly ApiRoute[] => [
  {
    method: "POST",
    path: "/api/ledger/credits",
    permission: "credits.write",
    summary: "Credit an account. With its first credit it is prepaid: its calls stop when the balance is used.",
    body: NewCreditSchema,
    status: 201,
    async answer({ body }) {
      const { entry, balance } = await service.add(body);
      return { ...entryAnswer(entry), balance: balanceAnswer(balance) };
    },
  },
  {
    method: "GET",
    path: "/api/ledger",
    permission: "ledger.read",
    summary: "List the entries of the ledger, newest first.",
    query: EntriesQuerySchema,
    async answer({ query }) {
      const { after, limit, ...filter } = checkedQuery(EntriesQuerySchema, query);
      const paging = { ...(after !== undefined && { after }), ...(limit !== undefined && { limit }) };
      const page = await database.credits.entries(filter, paging);
      return { data: page.data.map(entryAnswer), next: page.next };
    },
  },
  {
    method: "GET",
    path: "/api/ledger/balances",
    permission: "ledger.read",
    summary: "List the balances of prepaid accounts, the one that is prepaid most recently first.",
    query: BalancesQuerySchema,
    async answer({ query }) {
      const page = await database.credits.balances(checkedQuery(BalancesQuerySchema, query));
      return { data: page.data.map(balanceAnswer), next: page.next };
    },
  },
];

const entryAnswer = ({ createdMs, expiresMs, ...row }: LedgerEntry) => ({
  ...row,
  createdAt: createdMs,
  expiresAt: expiresMs,
});

export const balanceAnswer = ({ sinceMs, ...row }: Balance) => ({ ...row, since: sinceMs });
