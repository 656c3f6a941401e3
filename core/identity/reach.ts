import type { AccountRepository } from "../storage/database.ts";
import type { Actor } from "./policy.ts";

/** Whether an account is the actor's own or below it; those that belong to no account reach all. */
export async function reaches(
  { accountId: own }: Pick<Actor, "accountId">,
  accountId: string,
  { lineage }: Pick<AccountRepository, "lineage">,
): Promise<boolean> {
  return own === null || (await lineage(accountId)).some(({ id }) => id === own);
}

/** Whether something is on the actor's own account: it is set from above, and so is what is said of that account itself. */
export const isOnOwn = (
  { accountId: own }: Pick<Actor, "accountId">,
  { kind, id }: { readonly kind: string; readonly id: string | null },
): boolean => kind === "account" && id !== null && id === own;
