import type { Bar } from "../../views/chart.ts";
import { change, clock, costIsHidden, day } from "../../views/format.ts";
import { type UsageFields, usagePage, type UsageReportModel } from "../../views/usage.ts";
import { type Cell, inText, type UsageLine } from "../../views/usage-table.ts";
import { GatewayError } from "../chat/error.ts";
import type { UsageGroup } from "../storage/database.ts";
import { dayMs, hourMs, type Span } from "../storage/range-parts.ts";
import type { UsageRanking } from "../storage/ranking.ts";
import { keyNames, nameOfScope } from "./names.ts";
import { refusalOf } from "./refusal.ts";
import type { DashboardDatabase, PageDependencies, PageRoute, Visit } from "./route.ts";
import { usageFields, type UsageQuestion, usageQuestion } from "./usage-question.ts";

/** More groups are one row together; files have them all. */
const mostRows = 200;

/** Who used what in a range of days, beside the days before. All that it shows is in its address. */
export function usageRoutes({ database, now }: PageDependencies): readonly PageRoute[] {
  async function show(visit: Visit, fields: UsageFields, report: UsageReportModel | null, error: string | null) {
    const accounts = await database.accounts.list({ limit: 200 });
    const main = usagePage({
      fields,
      accounts: accounts.data.map(({ id, name }) => ({ id, name })),
      costIsHidden: visit.actor.accountId !== null,
      report,
      error,
    });
    return visit.page("Usage", "usage", main, { status: error === null ? 200 : 400 });
  }

  return [
    {
      method: "GET",
      path: "/dashboard/usage",
      permission: "usage.read",
      answer: async (visit) => {
        const fields = usageFields(visit.query);
        try {
          return await show(visit, fields, await reportOf(database, usageQuestion(fields, now()), now()), null);
        } catch (error) {
          return await show(visit, fields, null, refusalOf(error));
        }
      },
    },
  ];
}

async function reportOf(
  database: DashboardDatabase,
  question: UsageQuestion,
  nowMs: number,
): Promise<UsageReportModel> {
  const { span, before, groupBy, under, unit, measure } = question;
  if (under !== null && (await database.accounts.get(under)) === null)
    throw new GatewayError("invalid-request", "Account: there is none with this id.");
  const narrow = under === null ? {} : { under };
  const byTime = (of: Span) => database.calls.usage({ ...of, ...narrow, groupBy: [unit] });
  const [ranking, times, timesBefore] = await Promise.all([
    database.calls.ranking({ ...span, ...narrow, groupBy, ...(before && { before }), most: mostRows }),
    byTime(span),
    before && byTime(before),
  ]);
  return {
    span,
    before,
    isRunning: span.from <= nowMs && nowMs < span.to,
    under,
    groupBy,
    measure,
    unit,
    bars: barsOf(span, unit, measure, times.data, timesBefore && timesBefore.data),
    rows: await linesOf(database, groupBy, ranking.rows),
    others: ranking.others,
    total: ranking.total,
    costIsHidden: costIsHidden(ranking.total.now),
  };
}

function barsOf(
  { from, to }: Span,
  unit: UsageQuestion["unit"],
  { of, isMoney }: UsageQuestion["measure"],
  now: readonly UsageGroup[],
  before: readonly UsageGroup[] | null,
): readonly Bar[] {
  const sumsAt = (groups: readonly UsageGroup[]) => new Map(groups.map((sums) => [sums.group[unit], of(sums)]));
  const values = sumsAt(now);
  const valuesBefore = before && sumsAt(before);
  const stepMs = unit === "hour" ? hourMs : dayMs;
  const withDay = to - from > dayMs;
  return Array.from({ length: (to - from) / stepMs }, (_, index): Bar => {
    const startMs = from + index * stepMs;
    const value = values.get(startMs) ?? 0;
    const earlier = valuesBefore && (valuesBefore.get(startMs - (to - from)) ?? 0);
    const against = earlier === null ? "" : `, ${inText(earlier, isMoney)} before (${change(value, earlier)})`;
    return {
      label: unit === "day" ? day(startMs) : `${withDay ? `${day(startMs)} ` : ""}${clock(startMs)}`,
      value: Number(value),
      detail: inText(value, isMoney) + against,
    };
  });
}

/** With the names of keys and accounts; one that is not known stands by its id. */
async function linesOf(
  database: DashboardDatabase,
  groupBy: UsageQuestion["groupBy"],
  rows: UsageRanking["rows"],
): Promise<readonly UsageLine[]> {
  const idsOf = (field: "key" | "account") =>
    groupBy.includes(field)
      ? rows.flatMap(({ group }) => (typeof group[field] === "string" ? [group[field]] : []))
      : [];
  const keys = await keyNames(database, idsOf("key"));
  const accounts = await accountNames(database, idsOf("account"));
  const names = { key: keys, account: accounts };
  const cellOf = (field: UsageQuestion["groupBy"][number], value: string | number | null): Cell => {
    if (field === "day" || field === "hour") return { field, startMs: Number(value) };
    const id = value === null ? null : String(value);
    const known = field === "key" || field === "account" ? names[field].get(id ?? "") : undefined;
    return { field, id, name: known ?? id };
  };
  return rows.map(({ group, ...sums }) => ({
    ...sums,
    cells: groupBy.map((field) => cellOf(field, group[field] ?? null)),
  }));
}

async function accountNames(database: DashboardDatabase, ids: Iterable<string>): Promise<ReadonlyMap<string, string>> {
  const known = [...new Set(ids)];
  return new Map(
    await Promise.all(known.map(async (id) => [id, await nameOfScope(database, { kind: "account", id })] as const)),
  );
}
