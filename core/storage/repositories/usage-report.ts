import { asc, desc, eq, gte, lt, type Placeholder, type SQL, type SQLWrapper, sql } from "drizzle-orm";
import type { GroupField, LabelField, UsageGroup, UsageRange, UsageSum } from "../database.ts";
import { adjustedMoney } from "../adjusted.ts";
import { nanoSum } from "../nano.ts";
import { purgedBefore } from "../purge-state.ts";
import { dayMs, hourMs, rangeParts, type Span, startOfDay } from "../range-parts.ts";
import { keyOrLabels, orZero, startOf, sum } from "../rollup-fold.ts";
import {
  accountLines,
  accounts,
  calls,
  keys,
  labels,
  totalsDaily,
  totalsHourly,
  usageDaily,
  usageHourly,
} from "../schema/sqlite.ts";
import type { SqliteDatabase } from "../sqlite-database.ts";
import { added, noSums, type WholeSum } from "../usage-sums.ts";
import { watermarkOf } from "../watermarks.ts";
import { type Found, isLabel, named } from "./usage-names.ts";

/** A part of a report, for whoever cannot hold it whole: only of the owners with a reference in `[from, to)`. */
export interface OwnerSpan {
  readonly field: "key" | "account";
  readonly from: number;
  readonly to: number;
}

/**
 * Sums of finished and refused calls admitted in `[from, to)`: the rollups for whole days and hours, and from the calls
 * themselves what no whole hour holds and what is not folded yet. Exact at every moment. The total is the sum of the
 * groups, so they always agree.
 */
export function usageReports(database: SqliteDatabase) {
  const sumsOf = usageSums(database);
  return (range: UsageRange, part?: OwnerSpan): { readonly data: readonly UsageGroup[]; readonly total: UsageSum } => {
    const sums = sumsOf(range, part);
    return { data: named(database, range.groupBy, sums), total: sums.reduce<WholeSum>(added, noSums) };
  };
}

/** The groups of such a report, each once, in no order. */
export function usageSums(database: SqliteDatabase) {
  const queries = queriesOf(database);
  return ({ from, to, groupBy, under, key, caller }: UsageRange, part?: OwnerSpan): readonly Found[] => {
    const owners = key === undefined ? part : spanOf(database, key);
    const narrow = { under: under !== undefined, owners: owners?.field ?? null, caller: caller !== undefined };
    const values = { under, ownersFrom: owners?.from, ownersTo: owners?.to, ...(caller && refsOf(database, caller)) };
    const byOwner =
      under !== undefined ||
      owners !== undefined ||
      groupBy.some((field) => field === "key" || field === "account" || isLabel(field));
    const [hourly, daily] = byOwner
      ? (["usageHourly", "usageDaily"] as const)
      : (["totalsHourly", "totalsDaily"] as const);
    const range = widened(database, { from, to });
    const parts = caller ? { days: [], hours: [], rest: [range] } : rangeParts(range, !groupBy.includes("hour"));
    const watermark = watermarkOf(database, "rollups");
    const found = [
      ...parts.days.flatMap((span) => queries(daily, groupBy, narrow).all({ ...span, ...values })),
      ...parts.hours.flatMap((span) => queries(hourly, groupBy, narrow).all({ ...span, ...values })),
      ...parts.rest.flatMap((span) => queries("rest", groupBy, narrow).all({ ...span, ...values, watermark })),
      ...queries("tail", groupBy, narrow).all({ ...range, ...values, watermark }),
    ];
    return merged(found);
  };
}

const refsOf = (database: SqliteDatabase, { accountId, name }: NonNullable<UsageRange["caller"]>) => ({
  callerAccount:
    database.select({ ref: accounts.ref }).from(accounts).where(eq(accounts.id, accountId)).all()[0]?.ref ?? -1,
  callerName: database.select({ ref: labels.ref }).from(labels).where(eq(labels.text, name)).all()[0]?.ref ?? -1,
});

/** No key has the reference 0: that is of calls without one. */
function spanOf(database: SqliteDatabase, id: string): OwnerSpan {
  const ref = database.select({ ref: keys.ref }).from(keys).where(eq(keys.id, id)).all()[0]?.ref;
  return { field: "key", from: ref ?? -1, to: (ref ?? -1) + 1 };
}

/** Building a query costs more than many a report: they are kept, by what they sum and how they group. */
function queriesOf(database: SqliteDatabase) {
  const kept = new Map<string, SumQuery>();
  return (source: Source, groupBy: readonly GroupField[], narrow: Narrow): SumQuery => {
    const key = `${source} ${groupBy.join()} ${narrow.under} ${narrow.owners} ${narrow.caller}`;
    const known = kept.get(key);
    if (known) return known;
    const query =
      source === "rest" || source === "tail"
        ? callSums(
            database,
            narrowed(unrolled[source], narrow, callOwners),
            groupBy,
            // Only folded calls are ever adjusted.
            source === "rest" ? adjustedMoney : money,
          )
        : rolledSums(database, rolled[source], groupBy, narrow);
    if (kept.size >= maxQueries) kept.clear();
    kept.set(key, query);
    return query;
  };
}

const maxQueries = 200;
const rolled = { usageHourly, usageDaily, totalsHourly, totalsDaily };
type Source = keyof typeof rolled | "rest" | "tail";
interface SumQuery {
  all(values: Readonly<Record<string, number | string | undefined>>): Found[];
}

const asked = { from: sql.placeholder("from"), to: sql.placeholder("to") };
const watermarked = sql.placeholder("watermark");
/** Calls that are folded but in no whole hour of the range, and those that are not folded. */
const unrolled = {
  // The plus keeps SQLite from choosing the index over `seq` here, and that over the time in the next.
  rest: sql`${within(calls.createdMs, asked)} and +${calls.seq} <= ${watermarked}`,
  tail: sql`${within(sql`+${calls.createdMs}`, asked)} and ${calls.seq} > ${watermarked}`,
};

export function within(column: SQLWrapper, { from, to }: Record<keyof Span, number | Placeholder>): SQL {
  return sql`${column} >= ${from} and ${column} < ${to}`;
}

/**
 * The range as far as there are calls. An end beyond the last call becomes a whole day's, so that a range up to now
 * needs no calls of the hour that is running. Where calls are gone for their age, an hour is in the range if its first
 * moment is: two ranges that meet still have each call once.
 */
export function widened(database: SqliteDatabase, { from, to }: Span): Span {
  const exists = (where: SQL, order: SQL) =>
    database.select({ seq: calls.seq }).from(calls).where(where).orderBy(order).limit(1).all().length > 0;
  const goneBeforeMs = purgedBefore(database);
  const wholeHour = (atMs: number): number => Math.ceil(atMs / hourMs) * hourMs;
  // Each from its own bound on, which is a search of the index and not a walk from its end.
  const begin = () => (exists(lt(calls.createdMs, from), desc(calls.createdMs)) ? from : startOfDay(from));
  const end = () => (exists(gte(calls.createdMs, to), asc(calls.createdMs)) ? to : Math.ceil(to / dayMs) * dayMs);
  return {
    from: from < goneBeforeMs ? wholeHour(from) : begin(),
    to: to < goneBeforeMs ? wholeHour(to) : end(),
  };
}

const isUnder = (account: SQLWrapper): SQL =>
  sql`${account} in (select ${accountLines.accountRef} from ${accountLines}
    join ${accounts} on ${accounts.ref} = ${accountLines.ancestorRef}
    where ${accounts.id} = ${sql.placeholder("under")} and ${accountLines.untilMs} is null)`;

/** What a report is narrowed to, beside its range. */
interface Narrow {
  readonly under: boolean;
  readonly owners: OwnerSpan["field"] | null;
  /** Of calls, that is: rollups know no callers. */
  readonly caller: boolean;
}
type OwnerColumns = Readonly<Record<OwnerSpan["field"], SQLWrapper>>;

/** With a plus: the times or the numbers of the calls lead to them. */
const callOwners: OwnerColumns = { key: orZero(calls.keyRef), account: sql`+${calls.accountRef}` };

function narrowed(where: SQL, { under, owners, caller }: Narrow, columns: OwnerColumns): SQL {
  const of = owners && sql` and ${columns[owners]} >= ${ownersFrom} and ${columns[owners]} < ${ownersTo}`;
  return sql`${where}${under ? sql` and ${isUnder(columns.account)}` : sql``}${of ?? sql``}${caller ? isCaller : sql``}`;
}

const isCaller = sql` and +${calls.accountRef} = ${sql.placeholder("callerAccount")}
  and +${calls.principalRef} = ${sql.placeholder("callerName")} and +${calls.keyRef} is null`;
const ownersFrom = sql.placeholder("ownersFrom");
const ownersTo = sql.placeholder("ownersTo");

type Rolled = (typeof rolled)[keyof typeof rolled];

function rolledSums(database: SqliteDatabase, table: Rolled, groupBy: readonly GroupField[], narrow: Narrow): SumQuery {
  const none = sql`0`;
  const fields: Record<ColumnField, SQLWrapper> = {
    key: "keyRef" in table ? keyIn(table.keyRef) : none,
    account: "accountRef" in table ? table.accountRef : none,
    model: table.modelRef,
    provider: table.providerRef,
    status: table.status,
    day: startOf(table.startMs, dayMs),
    hour: table.startMs,
  };
  const owner = "keyRef" in table ? table.keyRef : none;
  const chosen = groupBy.map((field) => sql`${isLabel(field) ? owner : fields[field]}`);
  const query = database
    .select({
      group: listOf(chosen),
      calls: sum(table.calls),
      errors: sum(sql`case when ${table.status} <> 'ok' then ${table.calls} end`),
      inputTokens: sum(table.inputTokens),
      outputTokens: sum(table.outputTokens),
      cacheReadTokens: sum(table.cacheReadTokens),
      cacheWriteTokens: sum(table.cacheWriteTokens),
      reasoningTokens: sum(table.reasoningTokens),
      costNano: nanoSum(table.costNano),
      chargeNano: nanoSum(table.chargeNano),
    })
    .from(table)
    .where(
      "accountRef" in table
        ? narrowed(within(table.startMs, asked), narrow, { key: keyIn(table.keyRef), account: table.accountRef })
        : within(table.startMs, asked),
    );
  return (chosen.length > 0 ? query.groupBy(...chosen) : query).prepare();
}

const money = { costNano: calls.costNano, chargeNano: calls.chargeNano };

function callSums(
  database: SqliteDatabase,
  where: SQL,
  groupBy: readonly GroupField[],
  { costNano, chargeNano }: Readonly<Record<keyof typeof money, SQLWrapper>>,
): SumQuery {
  const fields: Record<ColumnField, SQLWrapper> = {
    key: orZero(calls.keyRef),
    account: calls.accountRef,
    model: calls.modelRef,
    provider: orZero(calls.providerRef),
    // With a plus: the index that has them in order would be read from end to end.
    status: sql`+${calls.status}`,
    day: startOf(calls.createdMs, dayMs),
    hour: startOf(calls.createdMs, hourMs),
  };
  const chosen = groupBy.map((field) => sql`${isLabel(field) ? keyOrLabels : fields[field]}`);
  const query = database
    .select({
      group: listOf(chosen),
      calls: sql<number>`count(*)`,
      errors: sum(sql`${calls.status} <> 'ok'`),
      inputTokens: sum(calls.inputTokens),
      outputTokens: sum(calls.outputTokens),
      cacheReadTokens: sum(calls.cacheReadTokens),
      cacheWriteTokens: sum(calls.cacheWriteTokens),
      reasoningTokens: sum(calls.reasoningTokens),
      costNano: nanoSum(costNano),
      chargeNano: nanoSum(chargeNano),
    })
    .from(calls)
    .where(where);
  return (chosen.length > 0 ? query.groupBy(...chosen) : query).prepare();
}

const listOf = (chosen: readonly SQL[]): SQL<string> => sql<string>`json_array(${sql.join([...chosen], sql`, `)})`;

function merged(found: readonly Found[]): Found[] {
  const groups = new Map<string, Found>();
  for (const row of found) {
    if (row.calls === 0) continue;
    const known = groups.get(row.group);
    groups.set(row.group, known ? { ...added(known, row), group: row.group } : row);
  }
  return [...groups.values()];
}

type ColumnField = Exclude<GroupField, LabelField>;

const keyIn = (keyRef: SQLWrapper): SQL => sql`max(${keyRef}, 0)`;
