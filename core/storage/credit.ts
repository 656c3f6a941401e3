import type { Awaitable } from "../plugin/plugin.ts";
import type { Page, PageQuery, Under } from "./database.ts";

export interface NewCredit {
  readonly accountId: string;
  readonly nano: number;
  /** What is not used by then expires; `null`: never. */
  readonly expiresMs: number | null;
  readonly note: string | null;
}

/** What is left of what was paid in advance. The nearest account up the tree that has a balance pays for a call, and only that one. */
export interface Balance {
  readonly accountId: string;
  /** Credited, less what has expired and what calls were charged since the first credit. Below 0: a call cost more than it held. */
  readonly balanceNano: number;
  /** Part of the balance that calls in flight hold. */
  readonly heldNano: number;
  readonly sinceMs: number;
}
/** A row of `v_ledger`. */
export interface LedgerEntry {
  readonly seq: number;
  readonly accountId: string;
  readonly callId: string | null;
  readonly kind: "charge" | "adjustment" | "credit" | "expiry";
  /** Charges are negative, credits positive. */
  readonly deltaNano: number;
  readonly createdMs: number;
  /** Of a credit. */
  readonly expiresMs: number | null;
  /** Of a credit what was said of it, of an adjustment why and by whom. */
  readonly note: string | null;
}
export interface EntryFilter extends Under {
  readonly account?: string;
  readonly kind?: LedgerEntry["kind"];
}

export interface CreditRepository {
  /** The first one makes the account prepaid: from then on its calls, and those below it, stop when the balance is used. */
  add(credit: NewCredit): Awaitable<{ readonly entry: LedgerEntry; readonly balance: Balance }>;
  /** `null`: the account is not prepaid, or there is none. */
  balance(accountId: string): Awaitable<Balance | null>;
  /** Newest first. */
  balances(query: PageQuery & Under): Awaitable<Page<Balance>>;
  /** Takes out what has expired by now and no call in flight holds. Returns how many balances it looked at. */
  expire(): Awaitable<number>;
  entries(filter: EntryFilter, query: PageQuery): Awaitable<Page<LedgerEntry>>;
}
