import { and, between, desc, eq, gt, gte, inArray, lt, type SQL, sql } from "drizzle-orm";
import type { SelectedFields } from "drizzle-orm/sqlite-core";
import { adjustedMoney, type Money } from "../adjusted.ts";
import { admittedIn, blocksOfHours, callsInBlocks, callsPerBlock, fits, type Sought } from "../call-blocks.ts";
import type { CallFilter, CallRow } from "../database.ts";
import { accounts, calls, keys } from "../schema/sqlite.ts";
import type { SqliteDatabase } from "../sqlite-database.ts";
import { watermarkOf } from "../watermarks.ts";
import { labelAliases, labelsIn } from "./label-joins.ts";
import { fewAccounts, idsUnder, refsUnder } from "./under.ts";

/**
 * Newest first. Without a filter that `call_blocks` notes, an index of the table leads to the rows; with one, the blocks
 * do, after the calls that are in none yet.
 */
export function finishedRows(
  database: SqliteDatabase,
  { under, ...filter }: CallFilter,
  before: number,
  limit: number,
  money: Money = adjustedMoney,
): FinishedRow[] {
  if (under === undefined) return foundRows(database, filter, before, limit, money);
  const few = idsUnder(database, under, fewAccounts);
  if (filter.account !== undefined && few?.includes(filter.account) === true)
    return foundRows(database, filter, before, limit, money);
  if (few === null) return foundRows(database, filter, before, limit, money, refsUnder(database, under));
  return filter.account !== undefined
    ? []
    : few
        .flatMap((account) => foundRows(database, { ...filter, account }, before, limit, money))
        .toSorted((left, right) => right.seq - left.seq)
        .slice(0, limit);
}

function foundRows(
  database: SqliteDatabase,
  filter: CallFilter,
  before: number,
  limit: number,
  money: Money,
  within?: ReturnType<typeof refsUnder>,
): FinishedRow[] {
  const inside = and(
    within && inArray(sql`+${calls.accountRef}`, within),
    filter.caller &&
      sql`+${calls.principalRef} = ${labelAliases().refOf(database, filter.caller.name)} and +${calls.keyRef} is null`,
  );
  const status = filter.status === undefined ? undefined : eq(calls.status, filter.status);
  const [first, ...others] = soughtIn(database, filter);
  if (first === undefined)
    return selected(
      database,
      and(
        lt(calls.seq, before),
        status,
        inside,
        // In words that SQLite can match with those of the index of failed calls.
        filter.status === undefined || filter.status === "ok" ? undefined : sql`${calls.status} <> 'ok'`,
        filter.from === undefined ? undefined : gte(calls.createdMs, filter.from),
        filter.to === undefined ? undefined : lt(calls.createdMs, filter.to),
      ),
      limit,
      money,
    );
  const through = watermarkOf(database, "blocks");
  const sought = [first, ...others] as const;
  const [fromMs, toMs] = [filter.from ?? null, filter.to ?? null];
  const tail = selected(
    database,
    and(lt(calls.seq, before), gt(calls.seq, through), status, inside, ...fits(sought), ...admittedIn(fromMs, toMs)),
    limit,
    money,
  );
  if (tail.length === limit) return tail;
  const last = Math.min(before - 1, through);
  const search = { sought, status: filter.status ?? null, fromMs, toMs, last, limit: limit - tail.length, inside };
  const seqs = callsInBlocks(database, search);
  return seqs.length === 0 ? tail : [...tail, ...selected(database, inArray(calls.seq, seqs), seqs.length, money)];
}

/**
 * The same for whoever wants them all, page after page. A range of time alone would be sorted anew for each page by its
 * index; here the hours say between which numbers its calls are, and the table is in their order already.
 */
export function walkedRows(
  database: SqliteDatabase,
  filter: CallFilter,
  before: number,
  limit: number,
  money: Money,
): FinishedRow[] {
  const { from, to, status } = filter;
  const isRange = from !== undefined || to !== undefined;
  if (!isRange || filter.under !== undefined || soughtIn(database, filter).length > 0)
    return finishedRows(database, filter, before, limit, money);
  const [fromMs, toMs] = [from ?? null, to ?? null];
  const through = watermarkOf(database, "blocks");
  const where = [
    lt(calls.seq, before),
    status === undefined ? undefined : eq(calls.status, status),
    status === undefined || status === "ok" ? undefined : sql`${calls.status} <> 'ok'`,
    ...admittedIn(fromMs, toMs),
  ];
  const tail = selected(database, and(gt(calls.seq, through), ...where), limit, money);
  const hours = blocksOfHours(database, fromMs ?? 0, toMs);
  if (tail.length === limit || hours === null) return tail;
  const newest = Math.min((hours.newest + 1) * callsPerBlock - 1, through);
  const folded = between(calls.seq, hours.oldest * callsPerBlock, newest);
  return [...tail, ...selected(database, and(folded, ...where), limit - tail.length, money)];
}

/** What of the filter is noted in blocks. −1 is no row's reference: an unknown id filters to nothing. */
function soughtIn(database: SqliteDatabase, { key, account, model, provider, caller }: CallFilter): Sought[] {
  const name = labelAliases();
  return [
    ...(key === undefined ? [] : [{ field: "key" as const, ref: refOf(database, keys, key) }]),
    ...(model === undefined ? [] : [{ field: "model" as const, ref: name.refOf(database, model) }]),
    ...(provider === undefined ? [] : [{ field: "provider" as const, ref: name.refOf(database, provider) }]),
    ...[account, caller?.accountId].flatMap((id) =>
      id === undefined ? [] : [{ field: "account" as const, ref: refOf(database, accounts, id) }],
    ),
  ];
}

export type FinishedRow = CallRow & { readonly seq: number };

function selected(database: SqliteDatabase, where: SQL | undefined, limit: number, money: Money): FinishedRow[] {
  return endedCalls(database, { ttftMs: calls.ttftMs, ...money })
    .where(where)
    .orderBy(desc(calls.seq))
    .limit(limit)
    .all()
    .map((row) => ({
      ...row,
      ...kinds(row),
      labels: labelsIn(row.labels),
      durationMs: row.finishedMs - row.createdMs,
    }));
}

/** Ended calls with the names that they refer to, and `more` of their columns. */
export function endedCalls<More extends SelectedFields>(database: SqliteDatabase, more: More) {
  const name = labelAliases();
  return database
    .select({
      seq: calls.seq,
      callId: calls.id,
      accountId: accounts.id,
      keyId: keys.id,
      ...namesOf(name),
      labels: name.labels.text,
      status: calls.status,
      source: calls.source,
      inputTokens: calls.inputTokens,
      cacheReadTokens: calls.cacheReadTokens,
      cacheWriteTokens: calls.cacheWriteTokens,
      cacheWrite1hTokens: calls.cacheWrite1hTokens,
      outputTokens: calls.outputTokens,
      reasoningTokens: calls.reasoningTokens,
      priceVersion: name.priceVersion.text,
      finishReason: name.finish.text,
      stream: calls.stream,
      createdMs: calls.createdMs,
      finishedMs: calls.finishedMs,
      ...more,
    })
    .from(calls)
    .innerJoin(accounts, eq(accounts.ref, calls.accountRef))
    .leftJoin(keys, eq(keys.ref, calls.keyRef))
    .innerJoin(name.principal, eq(name.principal.ref, calls.principalRef))
    .innerJoin(name.dialect, eq(name.dialect.ref, calls.dialectRef))
    .innerJoin(name.operation, eq(name.operation.ref, calls.operationRef))
    .innerJoin(name.model, eq(name.model.ref, calls.modelRef))
    .leftJoin(name.provider, eq(name.provider.ref, calls.providerRef))
    .leftJoin(name.upstreamModel, eq(name.upstreamModel.ref, calls.upstreamModelRef))
    .leftJoin(name.priceVersion, eq(name.priceVersion.ref, calls.priceVersionRef))
    .leftJoin(name.finish, eq(name.finish.ref, calls.finishRef))
    .leftJoin(name.labels, eq(name.labels.ref, calls.labelsRef));
}

/** The columns that a finished call and one in flight both take from the labels. */
export const namesOf = (name: ReturnType<typeof labelAliases>) => ({
  principal: name.principal.text,
  dialect: name.dialect.text,
  operation: name.operation.text,
  model: name.model.text,
  provider: name.provider.text,
  upstreamModel: name.upstreamModel.text,
});

/** Both columns are written from these types only; SQL forgets that. */
export const kinds = ({ status, source }: { status: string | null; source: string | null }) =>
  ({ status, source }) as Pick<CallRow, "status" | "source">;

function refOf(database: SqliteDatabase, table: typeof keys | typeof accounts, id: string): number {
  return database.select({ ref: table.ref }).from(table).where(eq(table.id, id)).all()[0]?.ref ?? -1;
}
