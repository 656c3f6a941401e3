import type { UsageRanking, UsageRankingQuery } from "../ranking.ts";
import type { SqliteDatabase } from "../sqlite-database.ts";
import { rankedUsage } from "../usage-ranking.ts";
import { type Found, groupOf, shownValues } from "./usage-names.ts";
import { usageSums } from "./usage-report.ts";

/**
 * Two reports beside one another, of the same moment. Names are looked up for what is shown alone: there may be a hundred
 * thousand groups.
 */
export function usageRankings(database: SqliteDatabase) {
  const sumsOf = usageSums(database);
  return ({ before, most, by, ...range }: UsageRankingQuery): UsageRanking => {
    const { groupBy } = range;
    const earlier =
      before === undefined ? null : sumsOf({ ...range, ...before }).map(laterBy(range.from - before.from, groupBy));
    const { rows, ...sums } = rankedUsage(sumsOf(range), earlier, { most, ...(by !== undefined && { by }) });
    const values = shownValues(database, groupBy, rows);
    return { ...sums, rows: rows.map((row, at) => ({ ...row, group: groupOf(groupBy, values[at] ?? []) })) };
  };
}

/** The same group where days and hours are so much later. */
function laterBy(shiftMs: number, groupBy: UsageRankingQuery["groupBy"]): (found: Found) => Found {
  const times = groupBy.map((field) => field === "day" || field === "hour");
  if (!times.includes(true)) return (found) => found;
  return (found) => {
    // The report wrote it, with one value a field, in this order.
    const values = JSON.parse(found.group) as (string | number)[];
    return {
      ...found,
      group: JSON.stringify(values.map((value, at) => (times[at] ? Number(value) + shiftMs : value))),
    };
  };
}
