import type {
  AccountRow,
  CallDetail,
  CallRepository,
  GroupField,
  UsageGroup,
  UsageRange,
} from "../../core/storage/database.ts";
import { groupOf, isLabel } from "../../core/storage/repositories/usage-names.ts";
import { rankedUsage } from "../../core/storage/usage-ranking.ts";
import type { WholeSum } from "../../core/storage/usage-sums.ts";

/** The reports of the calls and accounts that there are when they are asked for. */
export function fakeUsage(
  calls: readonly CallDetail[],
  accounts: readonly AccountRow[],
): Pick<CallRepository, "usage" | "ranking"> {
  function countedIn({ from, to, under }: Pick<UsageRange, "from" | "to" | "under">): readonly CallDetail[] {
    const below = (id: string): boolean =>
      id === under || accounts.some((row) => row.id === id && row.parentId !== null && below(row.parentId));
    return calls.filter(
      (call) =>
        call.status !== "open" &&
        call.createdMs >= from &&
        call.createdMs < to &&
        (under === undefined || below(call.accountId)),
    );
  }
  return {
    usage(range) {
      const counted = countedIn(range);
      const groups = Map.groupBy(counted, (call) => JSON.stringify(valuesOf(call, range.groupBy)));
      const data = [...groups.values()].map((rows): UsageGroup => ({
        ...sum(rows),
        group: groupOf(range.groupBy, rows[0] ? valuesOf(rows[0], range.groupBy) : []),
      }));
      return { data, total: sum(counted) };
    },
    ranking({ before, groupBy, ...range }) {
      const sumsOf = (rows: readonly CallDetail[], laterMs: number) =>
        [...Map.groupBy(rows, (call) => JSON.stringify(valuesOf(call, groupBy, laterMs)))].map(([group, of]) => ({
          ...sum(of),
          group,
        }));
      const earlier = before && sumsOf(countedIn({ ...range, ...before }), range.from - before.from);
      const { rows, ...sums } = rankedUsage(sumsOf(countedIn(range), 0), earlier ?? null, range);
      return { ...sums, rows: rows.map((row) => ({ ...row, group: groupOf(groupBy, JSON.parse(row.group)) })) };
    },
  };
}

/** Days and hours are said as so much later. */
const valuesOf = (call: CallDetail, groupBy: readonly GroupField[], laterMs = 0): readonly (string | number | null)[] =>
  groupBy.map((field) => {
    const value = groupValue(call, field);
    return field === "day" || field === "hour" ? Number(value) + laterMs : value;
  });

function groupValue(call: CallDetail, field: GroupField): string | number | null {
  if (field === "hour") return call.createdMs - (call.createdMs % 3_600_000);
  if (field === "day") return call.createdMs - (call.createdMs % 86_400_000);
  if (isLabel(field)) return call.labels?.[field.slice("label:".length)] ?? null;
  return { key: call.keyId, account: call.accountId, model: call.model, provider: call.provider, status: call.status }[
    field
  ];
}

function sum(calls: readonly CallDetail[]): WholeSum {
  const total = (pick: (call: CallDetail) => number | null): number =>
    calls.reduce((so, call) => so + (pick(call) ?? 0), 0);
  return {
    calls: calls.length,
    errors: calls.filter((call) => call.status !== "ok").length,
    inputTokens: total((call) => call.inputTokens),
    outputTokens: total((call) => call.outputTokens),
    cacheReadTokens: total((call) => call.cacheReadTokens),
    cacheWriteTokens: total((call) => call.cacheWriteTokens),
    reasoningTokens: total((call) => call.reasoningTokens),
    costNano: total((call) => call.costNano),
    chargeNano: total((call) => call.chargeNano),
  };
}
