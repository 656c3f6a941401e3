import type { AccountRepository } from "../storage/database.ts";
import type { Actor } from "./policy.ts";

/** Whether an account is the actor's own or below it; those that belong to no account reach all. */
export async function reaches(
  { accountId: own }: Pick<Actor, "accountId">,
  accountId: string,
  { lineage }: Pick<AccountRepository, "lineage">,
  nowMs: number,
): Promise<boolean> {
  return own === null || (await lineage(accountId, nowMs)).some(({ id }) => id === own);
}
