import { GatewayError } from "../chat/error.ts";
import type { AccountRepository, AccountRow } from "../storage/database.ts";

/**
 * What the config file names has to be found there, or no start and no reload is possible any more, for anybody. So people
 * of an account leave it where it is.
 */
export interface NamedAccounts {
  /** Throws `forbidden` for one that is named. */
  checkRemoval(id: string): Promise<void>;
  /**
   * `before`: where it is now; `null`: nowhere, it is new. Throws `forbidden` for one on the way to what is named, and
   * `conflict` for one that would have the name of such a one beside it.
   */
  checkPlace(account: Pick<AccountRow, "id" | "name" | "parentId">, before: AccountRow | null): Promise<void>;
}

/** `words`: ids, names and paths. */
export function namedAccounts(
  accounts: Pick<AccountRepository, "idOf" | "lineage">,
  words: () => readonly string[],
): NamedAccounts {
  return {
    async checkRemoval(id) {
      for (const word of words())
        if ((await accounts.idOf(word)) === id)
          throw new GatewayError("forbidden", "the config file names this account: it is removed from above yours");
    },
    async checkPlace({ id, name, parentId }, before) {
      if (before?.name === name && before.parentId === parentId) return;
      for (const word of words()) {
        const named = await accounts.idOf(word);
        // By its id it is found wherever it is.
        if (named === null || named === word) continue;
        for (const row of await accounts.lineage(named)) {
          if (row.id === id)
            throw new GatewayError(
              "forbidden",
              "the config file names this account, or one below it, by its path: its name and place are set above yours",
            );
          if (row.name === name && row.parentId === parentId)
            throw new GatewayError("conflict", "name: the config file names the account that has it there", {
              param: "name",
            });
        }
      }
    },
  };
}
