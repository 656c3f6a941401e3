import type { GroupField, LabelField, Under, UsageGroup, UsageSum } from "./database.ts";

/** The dearest groups of a range, beside those of an earlier one. */
export interface UsageRankingQuery extends Under {
  readonly from: number;
  readonly to: number;
  readonly groupBy: readonly Exclude<GroupField, LabelField>[];
  /** As long a range: its days and hours stand beside those that are as far from its start. Absent: none. */
  readonly before?: { readonly from: number; readonly to: number };
  /** How many groups are told apart. */
  readonly most: number;
  /** What they are ranked by. Default `costNano`. */
  readonly by?: "costNano" | "chargeNano";
}
export interface UsagePair {
  readonly now: UsageSum;
  /** `null`: nothing stands beside it. */
  readonly before: UsageSum | null;
}
export interface UsageRanking {
  /** Those that only the earlier range has come last, with sums of zero. */
  readonly rows: readonly (UsagePair & Pick<UsageGroup, "group">)[];
  /** All that are not among the rows, together; `null`: there is none. */
  readonly others: (UsagePair & { readonly groups: number }) | null;
  readonly total: UsagePair;
}
