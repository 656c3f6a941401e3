import type { UsagePair, UsageRankingQuery } from "./ranking.ts";
import { added, noSums, type WholeSum } from "./usage-sums.ts";

/** A group of a report, with its sums. */
interface Summed extends WholeSum {
  readonly group: string;
}
interface Pair extends UsagePair {
  readonly now: WholeSum;
  readonly before: WholeSum | null;
}

/**
 * The groups by what they cost, those of the period before beside the same of this one. `rows` and `others` are the total
 * of each period, whatever is cut off.
 */
export function rankedUsage(
  now: readonly Summed[],
  earlier: readonly Summed[] | null,
  { most, by = "costNano" }: Pick<UsageRankingQuery, "most" | "by">,
) {
  const pairs = new Map<string, Pair & { readonly group: string }>();
  for (const { group, ...sums } of now) pairs.set(group, { group, now: sums, before: earlier && noSums });
  for (const { group, ...before } of earlier ?? [])
    pairs.set(group, { group, now: pairs.get(group)?.now ?? noSums, before });
  const ranked = [...pairs.values()].sort(
    (left, right) => compared(left.now, right.now, by) || compared(left.before ?? noSums, right.before ?? noSums, by),
  );
  const rest = ranked.slice(most);
  return {
    rows: ranked.slice(0, most),
    others: rest.length === 0 ? null : { groups: rest.length, ...sumOf(rest, earlier !== null) },
    total: sumOf(ranked, earlier !== null),
  };
}

/** Calls decide among equals. */
const compared = (left: WholeSum, right: WholeSum, by: "costNano" | "chargeNano"): number =>
  left[by] === right[by] ? right.calls - left.calls : right[by] > left[by] ? 1 : -1;

const sumOf = (pairs: readonly Pair[], isCompared: boolean): Pair => ({
  now: pairs.reduce((so, { now }) => added(so, now), noSums),
  before: isCompared ? pairs.reduce((so, { before }) => added(so, before ?? noSums), noSums) : null,
});
