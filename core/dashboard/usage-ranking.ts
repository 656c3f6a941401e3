import { spentNano } from "../../views/format.ts";
import type { GroupField, UsageGroup, UsageSum } from "../storage/database.ts";
import { added, noSums } from "../storage/usage-sums.ts";

/** Sums of a period and its groups. */
export interface UsageReport {
  readonly data: readonly UsageGroup[];
  readonly total: UsageSum;
}
/** The sums of two periods; `before` is `null` where nothing is compared. */
export interface SumPair {
  readonly now: UsageSum;
  readonly before: UsageSum | null;
}
export interface RankedGroup extends SumPair {
  readonly group: UsageGroup["group"];
}
export interface UsageRanking {
  /** The dearest groups of the period, then those that only the period before had. */
  readonly rows: readonly RankedGroup[];
  /** All groups that are not among the rows; `null`: there is none. */
  readonly others: (SumPair & { readonly groups: number }) | null;
  readonly total: SumPair;
}

/**
 * The groups by what they cost, those of the period before beside the same of this one: its days and hours lie `shiftMs`
 * earlier. Rows and others are the total of each period, whatever is cut off.
 */
export function rankedUsage(
  now: UsageReport,
  earlier: { readonly report: UsageReport; readonly shiftMs: number } | null,
  most: number,
): UsageRanking {
  const nothing: UsageSum = { ...noSums, costNano: now.total.costNano === null ? null : 0 };
  const pairs = new Map<string, RankedGroup>();
  for (const { group, ...sums } of now.data) pairs.set(keyOf(group), { group, now: sums, before: earlier && nothing });
  for (const { group: own, ...before } of earlier?.report.data ?? []) {
    const group = shifted(own, earlier?.shiftMs ?? 0);
    const key = keyOf(group);
    pairs.set(key, { group, now: pairs.get(key)?.now ?? nothing, before });
  }
  const ranked = [...pairs.values()].sort(byWeight);
  const rest = ranked.slice(most);
  const sum = (sums: readonly UsageSum[]): UsageSum => sums.reduce(plus, nothing);
  return {
    rows: ranked.slice(0, most),
    others:
      rest.length === 0
        ? null
        : {
            groups: rest.length,
            now: sum(rest.map((row) => row.now)),
            before: earlier && sum(rest.map(({ before }) => before ?? nothing)),
          },
    total: { now: now.total, before: earlier && earlier.report.total },
  };
}

const keyOf = (group: UsageGroup["group"]): string => JSON.stringify(Object.values(group));

function shifted(group: UsageGroup["group"], shiftMs: number): UsageGroup["group"] {
  const later = (["day", "hour"] as const satisfies readonly GroupField[]).flatMap((field) =>
    group[field] === undefined ? [] : [[field, Number(group[field]) + shiftMs] as const],
  );
  return { ...group, ...Object.fromEntries(later) };
}

/** Calls decide among equals, and then the period before. */
const byWeight = (left: RankedGroup, right: RankedGroup): number =>
  spentNano(right.now) - spentNano(left.now) ||
  right.now.calls - left.now.calls ||
  (right.before === null || left.before === null
    ? 0
    : spentNano(right.before) - spentNano(left.before) || right.before.calls - left.before.calls);

/** A cost that is not told of one is not told of both. */
function plus(left: UsageSum, right: UsageSum): UsageSum {
  const sums = added({ ...left, costNano: left.costNano ?? 0 }, { ...right, costNano: right.costNano ?? 0 });
  return left.costNano === null || right.costNano === null ? { ...sums, costNano: null } : sums;
}
