import type { Principal } from "../plugin/plugin.ts";
import type { AccountTerms } from "../storage/account-terms.ts";
import type { AccountRow, Database } from "../storage/database.ts";

/** What the accounts of a caller say, nearest first; those that say nothing are not among them. */
export type TreeTerms = readonly AccountTerms[];

export const noTerms: TreeTerms = [];

/** Asked only where any account has terms at all: else a call does not even look. */
export async function treeTerms(
  { accountId }: Principal,
  { accounts, accountTerms }: Pick<Database, "accounts" | "accountTerms">,
  atMs: number,
): Promise<TreeTerms> {
  return accountTerms.isAnySet() ? lineTerms(await accounts.lineage(accountId, atMs), accountTerms) : noTerms;
}

export const lineTerms = (
  line: readonly Pick<AccountRow, "id">[],
  accountTerms: Pick<Database["accountTerms"], "of">,
): TreeTerms => line.flatMap(({ id }) => accountTerms.of(id) ?? []);

/** The least that one of the accounts says; `Infinity`: none says anything. */
export function uncappedOutput(
  accountIds: readonly string[],
  { accountTerms }: Pick<Database, "accountTerms">,
): number {
  let least = Number.POSITIVE_INFINITY;
  if (!accountTerms.isAnySet()) return least;
  for (const id of accountIds) least = Math.min(least, accountTerms.of(id)?.uncappedOutputTokens ?? least);
  return least;
}
