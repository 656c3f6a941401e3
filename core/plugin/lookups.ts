import type { Awaitable, Principal } from "./plugin.ts";

/** Keys that core keeps, for auth plugins. */
export interface KeyLookup {
  /** `null`: not of the form of our keys. Throws `unauthenticated` for an unknown, expired or revoked one, all alike. */
  find(credential: string, request: Request): Awaitable<Principal | null>;
}

/** Accounts that credentials name, for auth plugins. */
export interface AccountLookup {
  /**
   * The id of the account with this id, or else of the only one with this name; `null`: none, or several of the name.
   * From memory for one found before: ask on every call, and a change of the tree holds from the next call on.
   */
  find(idOrName: string): Awaitable<string | null>;
}
