import type { LimitUse, Limit, Principal } from "../plugin/plugin.ts";
import type { AccountTerms } from "../storage/account-terms.ts";
import type { Author } from "../storage/audit.ts";
import type { BudgetRow } from "../storage/budget.ts";
import type { Balance } from "../storage/credit.ts";
import type { CallFilter, CallRow, GroupField, Page, PageQuery, UsageGroup, UsageSum } from "../storage/database.ts";
import type { FoundKey, KeyRow, OlderSecret } from "../storage/key.ts";

/** What holders of a credential for calls are told of it, and may do for themselves. Never of another one. */
export interface SelfService {
  /**
   * Throws `forbidden` where the caller's calls are refused too, by its account or its routes, which name `path`, and
   * `rate-limited` for the 61st time in a minute.
   */
  begin(principal: Principal, path: string): Promise<void>;
  /** The secret that was shown, as it is stored; `null`: none of ours. */
  secretOf(credential: string): Promise<FoundKey | null>;
  view(principal: Principal, secret: FoundKey | null): Promise<SelfView>;
  /**
   * Throws `invalid-request` for a caller without a key whose range is longer than 31 days, and `forbidden` for one where
   * several issuers are set up, as `calls` does.
   */
  usage(
    principal: Principal,
    range: SelfRange,
  ): Promise<{ readonly data: readonly UsageGroup[]; readonly total: UsageSum }>;
  /** Of a caller without a key, those of the last 31 days at most. */
  calls(principal: Principal, filter: SelfFilter, query: PageQuery): Promise<Page<CallRow>>;
  /**
   * A new secret for the key, which only this answer holds. Throws `forbidden` where `shown` is not the present
   * secret of a key of ours, or an account up the tree has switched it off, `rate-limited` for the 11th time in an hour,
   * and `conflict` for a key of the config file.
   */
  rotate(
    principal: Principal,
    shown: FoundKey | null,
    input: unknown,
    from: Asking,
  ): Promise<{ readonly row: KeyRow; readonly secret: string }>;
}
/** How it was asked for, for the audit log. */
export type Asking = Pick<Author, "address" | "route">;
export interface SelfRange {
  readonly from?: number;
  readonly to?: number;
  readonly groupBy: readonly Exclude<GroupField, "key" | "account">[];
}
export type SelfFilter = Pick<CallFilter, "model" | "status" | "from" | "to">;

export interface SelfView {
  readonly principal: Principal;
  /** `null`: a caller without a key of ours. */
  readonly key: KeyRow | null;
  readonly account: { readonly id: string; readonly name: string };
  /** What its accounts say, nearest first: each must allow a call. */
  readonly terms: readonly AccountTerms[];
  /** When the secret that was shown ends, though its key goes on; `null`: it is the present one, or none of ours. */
  readonly secretUntilMs: number | null;
  readonly olderSecrets: readonly OlderSecret[];
  /** Of the key, its account, those above it, and of everything: each counts every call of the caller. */
  readonly budgets: readonly Bound<BudgetRow>[];
  /** What was paid in advance, and pays for the caller; `null`: nothing is. */
  readonly balance: Bound<Balance> | null;
  readonly limits: readonly Bound<StandingLimit>[];
  /** It would be given a new secret, if it asked. */
  readonly mayRotate: boolean;
}
/** `binds`: it is what runs out first, of its kind. */
export type Bound<Row> = Row & { readonly binds: boolean };
export interface StandingLimit {
  readonly limit: Limit;
  /** `null`: its plugin does not tell. */
  readonly use: LimitUse | null;
}
