import { type FromFile, type Place, placeOf, type TenantDatabase, within } from "../identity/tenancy.ts";
import { type AccountService, accountService } from "./accounts.ts";
import { type BudgetService, budgetService } from "./budget-service.ts";
import { type KeyService, type KeyServiceDependencies, keyService } from "./key-service.ts";
import { type CreditService, creditService } from "./ledger.ts";

/** The database and what goes through it, for the whole or for the people of one account. */
export interface TenantParts {
  readonly database: TenantDatabase;
  readonly service: KeyService;
  readonly accounts: AccountService;
  readonly budgets: BudgetService;
  readonly credits: CreditService;
  /** What else has to ask which accounts and keys are theirs; `null`: of the whole. */
  readonly place: Place | null;
}

/** `accountId` `null`: of the whole. Cheap: the parts hold nothing, so they are made for each request of an account's people. */
export function tenantParts(dependencies: KeyServiceDependencies, accountId: string | null): TenantParts {
  const { database, fromFile = nothing } = dependencies;
  const parts =
    accountId === null
      ? dependencies
      : { ...dependencies, database: within(database, accountId, fromFile), home: accountId };
  return {
    database: parts.database,
    service: keyService(parts),
    accounts: accountService(parts),
    budgets: budgetService(parts),
    credits: creditService(parts),
    place: accountId === null ? null : placeOf(database, accountId),
  };
}

const nothing: FromFile = { routingTags: () => new Set(), accountsInFile: () => [] };
