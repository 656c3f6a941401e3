import type { CallRow, Page, PageQuery, UsageSum } from "../storage/database.ts";
import { noSums } from "../storage/usage-sums.ts";
import type { Actor } from "./policy.ts";
import type { TenantDatabase } from "./tenancy.ts";

/**
 * The calls of the account that somebody belongs to, without those of accounts below it: the account of a user is the
 * lowest of the tree, and a member belongs to theirs. Who belongs to none has none of their own.
 */
export async function ownCalls(
  { calls }: Pick<TenantDatabase, "calls">,
  { accountId }: Pick<Actor, "accountId">,
  query: PageQuery,
): Promise<Page<CallRow>> {
  return accountId === null ? { data: [], next: null } : calls.list({ account: accountId }, query);
}

/** Their sums, of those admitted in `[from, to)`. */
export async function ownUsage(
  { calls }: Pick<TenantDatabase, "calls">,
  { accountId }: Pick<Actor, "accountId">,
  range: { readonly from: number; readonly to: number },
): Promise<UsageSum> {
  if (accountId === null) return noSums;
  const { data } = await calls.usage({ ...range, groupBy: ["account"], under: accountId });
  const own = data.find(({ group }) => group.account === accountId);
  if (!own) return noSums;
  const { group: _, ...sums } = own;
  return sums;
}
