import { and, eq, gte, lt, type SQL, type SQLWrapper, sql } from "drizzle-orm";
import type { CallRepository, GroupField, UsageGroup, UsageSum } from "../database.ts";
import { accounts, calls, keys } from "../schema/sqlite.ts";
import type { SqliteDatabase } from "../sqlite-database.ts";
import { labelAliases } from "./label-joins.ts";

type Range = Parameters<CallRepository["usage"]>[0];

const sums = {
  calls: sql<number>`count(*)`,
  errors: sql<number>`sum(${calls.status} <> 'ok')`,
  inputTokens: sum(calls.inputTokens),
  outputTokens: sum(calls.outputTokens),
  cacheReadTokens: sum(calls.cacheReadTokens),
  cacheWriteTokens: sum(calls.cacheWriteTokens),
  reasoningTokens: sum(calls.reasoningTokens),
  costNano: sum(calls.costNano),
  chargeNano: sum(calls.chargeNano),
};

/** Sums of finished and refused calls admitted in `[from, to)`. The total is the sum of the groups, so they always agree. */
export function usageReport(
  database: SqliteDatabase,
  { from, to, groupBy }: Range,
): { readonly data: readonly UsageGroup[]; readonly total: UsageSum } {
  const name = labelAliases();
  const expressions: Record<GroupField, SQL<string | number | null>> = {
    key: sql`${keys.id}`,
    account: sql`${accounts.id}`,
    model: sql`${name.model.text}`,
    provider: sql`${name.provider.text}`,
    status: sql`${calls.status}`,
    day: sql`${calls.createdMs} / 86400000 * 86400000`,
    hour: sql`${calls.createdMs} / 3600000 * 3600000`,
  };
  const chosen = groupBy.map((field) => expressions[field]);
  const query = database
    .select({ ...sums, group: sql<string>`json_array(${sql.join(chosen, sql`, `)})` })
    .from(calls)
    .innerJoin(accounts, eq(accounts.ref, calls.accountRef))
    .leftJoin(keys, eq(keys.ref, calls.keyRef))
    .innerJoin(name.model, eq(name.model.ref, calls.modelRef))
    .leftJoin(name.provider, eq(name.provider.ref, calls.providerRef))
    .where(and(gte(calls.createdMs, from), lt(calls.createdMs, to)));
  const rows = (chosen.length > 0 ? query.groupBy(...chosen).orderBy(...chosen) : query).all();

  const data = rows
    .filter((row) => row.calls > 0)
    .map(({ group, ...figures }): UsageGroup => {
      // Written two lines above as an array with one value a field, in this order.
      const values = JSON.parse(group) as (string | number | null)[];
      return { ...figures, group: Object.fromEntries(groupBy.map((field, at) => [field, values[at] ?? null])) };
    });
  return { data, total: data.reduce<UsageSum>(add, nothing) };
}

const nothing: UsageSum = {
  calls: 0,
  errors: 0,
  inputTokens: 0,
  outputTokens: 0,
  cacheReadTokens: 0,
  cacheWriteTokens: 0,
  reasoningTokens: 0,
  costNano: 0,
  chargeNano: 0,
};

const add = (total: UsageSum, row: UsageSum): UsageSum => ({
  calls: total.calls + row.calls,
  errors: total.errors + row.errors,
  inputTokens: total.inputTokens + row.inputTokens,
  outputTokens: total.outputTokens + row.outputTokens,
  cacheReadTokens: total.cacheReadTokens + row.cacheReadTokens,
  cacheWriteTokens: total.cacheWriteTokens + row.cacheWriteTokens,
  reasoningTokens: total.reasoningTokens + row.reasoningTokens,
  costNano: total.costNano + row.costNano,
  chargeNano: total.chargeNano + row.chargeNano,
});

function sum(column: SQLWrapper) {
  return sql<number>`coalesce(sum(${column}), 0)`;
}
