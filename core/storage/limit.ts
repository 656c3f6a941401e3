import type { Awaitable, Limits, LimitScope } from "../plugin/plugin.ts";

/** Limits on one scope. */
export interface LimitRow {
  readonly id: string;
  /** `id` `null`: each of the kind for itself. */
  readonly scope: { readonly kind: LimitScope["kind"]; readonly id: string | null };
  /** At least one. */
  readonly limits: Limits;
  /** `false`: refuses nothing, and tells what it would have refused. */
  readonly enforce: boolean;
  readonly createdMs: number;
}
/** Each call looks at all that are on its scopes, and whoever puts them there may be one tenant among many. */
export const maxLimitsOnScope = 50;

export interface LimitQuery {
  readonly scope?: LimitScope;
  /** The id of the one before the first. */
  readonly after: string | null;
  readonly limit: number;
}
export interface LimitRepository {
  /** All, oldest first, from memory: the same array as long as nothing changes. */
  all(): readonly LimitRow[];
  /** Those on the account, on accounts below it and on their keys, as all of them are now; newest first. */
  under(accountId: string, query: LimitQuery): Awaitable<readonly LimitRow[]>;
  /** Throws `conflict` where there are `maxLimitsOnScope` already. */
  create(row: LimitRow): Awaitable<LimitRow>;
  /** Its scope stays. `null`: no such limit. */
  change(id: string, change: Partial<Pick<LimitRow, "limits" | "enforce">>): Awaitable<LimitRow | null>;
  /** `false`: no such limit. */
  remove(id: string): Awaitable<boolean>;
}
