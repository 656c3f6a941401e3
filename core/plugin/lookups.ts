import type { Awaitable, Principal } from "./plugin.ts";

/** Keys that core keeps, for auth plugins. */
export interface KeyLookup {
  /** `null`: not of the form of our keys. Throws `unauthenticated` for an unknown, expired or revoked one, all alike. */
  find(credential: string, request: Request): Awaitable<Principal | null>;
}

/** Accounts that credentials or options name, for auth and billing plugins. */
export interface AccountLookup {
  /**
   * The id of the account with this id, or else of the only one at the top with this name, or on this path of names from
   * there (`Org/Team`); `null`: none, or several. From memory for one found before: ask on every call, and a change of
   * the tree holds from the next call on.
   */
  find(idOrName: string): Awaitable<string | null>;
  /** Why `find` gave none, to be told: `no account has this id or name`. */
  whyNot(idOrName: string): Awaitable<string>;
}
