import { and, asc, count, desc, eq, gt, gte, inArray, lt, or, type SQL, sql } from "drizzle-orm";
import { adjustedCharge, adjustedCost } from "../adjusted.ts";
import type { Adjustment } from "../adjustment.ts";
import { admittedIn, callsInBlocks, fits, type Sought } from "../call-blocks.ts";
import type { AttemptRow, CallDetail, CallFilter, CallNotes, CallRepository, CallRow, PageQuery } from "../database.ts";
import { adjustments } from "../schema/sqlite-book.ts";
import { attemptsView, usageView } from "../schema/sqlite-views.ts";
import { accounts, calls, keys, openCalls } from "../schema/sqlite.ts";
import type { SqliteDatabase } from "../sqlite-database.ts";
import { watermarkOf } from "../watermarks.ts";
import { labelAliases } from "./label-joins.ts";
import { latencyReport } from "./latency-report.ts";
import { cursorOf, pageOf, pageSize } from "./page.ts";
import { usageReports } from "./usage-report.ts";

export function callRepository(database: SqliteDatabase): CallRepository {
  return {
    list(filter, query) {
      const limit = pageSize(query);
      const cursor = callCursor(query);
      // Calls in flight come before all others: they have no number in the order yet.
      const flying = cursor.flying === null ? [] : openRows(database, filter, cursor.flying, limit + 1);
      const lastFlying = flying[limit - 1];
      if (flying.length > limit && lastFlying) return { data: flying.slice(0, limit), next: openCursor(lastFlying) };
      if (filter.status === "open") return { data: flying, next: null };

      const room = limit - flying.length;
      const rows = finishedRows(database, filter, cursor.seq, room + 1);
      if (room === 0) return { data: flying, next: rows.length > 0 ? String(Number.MAX_SAFE_INTEGER) : null };
      const { data, next } = pageOf(
        rows,
        room,
        (row) => row.seq,
        ({ seq: _, ...row }) => row,
      );
      return { data: [...flying, ...data], next };
    },
    get: (callId) => detail(database, callId),
    usage: usageReports(database),
    latency: (range) => latencyReport(database, range),
    openCount: () => database.select({ open: count() }).from(openCalls).all()[0]?.open ?? 0,
  };
}

interface CallCursor {
  /** Open calls below this come next; `null`: the open ones have been listed. */
  readonly flying: { readonly createdMs: number; readonly id: string } | null;
  readonly seq: number;
}

const firstPage: CallCursor = {
  flying: { createdMs: Number.MAX_SAFE_INTEGER, id: "" },
  seq: Number.MAX_SAFE_INTEGER,
};

const openCursor = ({ createdMs, callId }: CallRow): string => `open-${createdMs}-${callId}`;

function callCursor(query: PageQuery): CallCursor {
  if (query.after === undefined || query.after === null || query.after === "") return firstPage;
  const open = /^open-(\d{1,16})-([0-9a-z-]{1,64})$/i.exec(query.after);
  if (open) return { ...firstPage, flying: { createdMs: Number(open[1]), id: open[2] ?? "" } };
  return { flying: null, seq: cursorOf(query) };
}

/** The columns that a finished call and one in flight both take from the labels. */
const namesOf = (name: ReturnType<typeof labelAliases>) => ({
  principal: name.principal.text,
  dialect: name.dialect.text,
  operation: name.operation.text,
  model: name.model.text,
  provider: name.provider.text,
  upstreamModel: name.upstreamModel.text,
});

/**
 * Newest first. Without a filter that `call_blocks` notes, an index of the table leads to the rows; with one, the blocks
 * do, after the calls that are in none yet.
 */
function finishedRows(database: SqliteDatabase, filter: CallFilter, before: number, limit: number): FinishedRow[] {
  const status = filter.status === undefined ? undefined : eq(calls.status, filter.status);
  const [first, ...others] = soughtIn(database, filter);
  if (first === undefined)
    return selected(
      database,
      and(
        lt(calls.seq, before),
        status,
        // In words that SQLite can match with those of the index of failed calls.
        filter.status === undefined || filter.status === "ok" ? undefined : sql`${calls.status} <> 'ok'`,
        filter.from === undefined ? undefined : gte(calls.createdMs, filter.from),
        filter.to === undefined ? undefined : lt(calls.createdMs, filter.to),
      ),
      limit,
    );
  const through = watermarkOf(database, "blocks");
  const sought = [first, ...others] as const;
  const [fromMs, toMs] = [filter.from ?? null, filter.to ?? null];
  const tail = selected(
    database,
    and(lt(calls.seq, before), gt(calls.seq, through), status, ...fits(sought), ...admittedIn(fromMs, toMs)),
    limit,
  );
  if (tail.length === limit) return tail;
  const last = Math.min(before - 1, through);
  const search = { sought, status: filter.status ?? null, fromMs, toMs, last, limit: limit - tail.length };
  const seqs = callsInBlocks(database, search);
  return seqs.length === 0 ? tail : [...tail, ...selected(database, inArray(calls.seq, seqs), seqs.length)];
}

/** What of the filter is noted in blocks. −1 is no row's reference: an unknown id filters to nothing. */
function soughtIn(database: SqliteDatabase, { key, account, model, provider }: CallFilter): Sought[] {
  const name = labelAliases();
  return [
    ...(key === undefined ? [] : [{ field: "key" as const, ref: refOf(database, keys, key) }]),
    ...(model === undefined ? [] : [{ field: "model" as const, ref: name.refOf(database, model) }]),
    ...(provider === undefined ? [] : [{ field: "provider" as const, ref: name.refOf(database, provider) }]),
    ...(account === undefined ? [] : [{ field: "account" as const, ref: refOf(database, accounts, account) }]),
  ];
}

type FinishedRow = CallRow & { readonly seq: number };

function selected(database: SqliteDatabase, where: SQL | undefined, limit: number): FinishedRow[] {
  const name = labelAliases();
  return database
    .select({
      seq: calls.seq,
      callId: calls.id,
      accountId: accounts.id,
      keyId: keys.id,
      ...namesOf(name),
      status: calls.status,
      source: calls.source,
      inputTokens: calls.inputTokens,
      cacheReadTokens: calls.cacheReadTokens,
      cacheWriteTokens: calls.cacheWriteTokens,
      cacheWrite1hTokens: calls.cacheWrite1hTokens,
      outputTokens: calls.outputTokens,
      reasoningTokens: calls.reasoningTokens,
      costNano: adjustedCost,
      chargeNano: adjustedCharge,
      priceVersion: name.priceVersion.text,
      finishReason: name.finish.text,
      stream: calls.stream,
      ttftMs: calls.ttftMs,
      createdMs: calls.createdMs,
      finishedMs: calls.finishedMs,
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
    .where(where)
    .orderBy(desc(calls.seq))
    .limit(limit)
    .all()
    .map((row) => ({ ...row, ...kinds(row), durationMs: row.finishedMs - row.createdMs }));
}

/** The few calls in flight, newest first. Not through the view, which would read every finished call as well. */
function openRows(
  database: SqliteDatabase,
  filter: CallFilter,
  before: { readonly createdMs: number; readonly id: string },
  limit: number,
): CallRow[] {
  if (filter.status !== undefined && filter.status !== "open") return [];
  const name = labelAliases();
  const where = and(
    or(
      lt(openCalls.createdMs, before.createdMs),
      and(eq(openCalls.createdMs, before.createdMs), lt(openCalls.id, before.id)),
    ),
    filter.key === undefined ? undefined : eq(keys.id, filter.key),
    filter.account === undefined ? undefined : eq(accounts.id, filter.account),
    filter.model === undefined ? undefined : eq(name.model.text, filter.model),
    filter.provider === undefined ? undefined : eq(name.provider.text, filter.provider),
    filter.from === undefined ? undefined : gte(openCalls.createdMs, filter.from),
    filter.to === undefined ? undefined : lt(openCalls.createdMs, filter.to),
  );
  return database
    .select({
      callId: openCalls.id,
      accountId: accounts.id,
      keyId: keys.id,
      ...namesOf(name),
      stream: openCalls.stream,
      createdMs: openCalls.createdMs,
    })
    .from(openCalls)
    .innerJoin(accounts, eq(accounts.ref, openCalls.accountRef))
    .leftJoin(keys, eq(keys.ref, openCalls.keyRef))
    .innerJoin(name.principal, eq(name.principal.ref, openCalls.principalRef))
    .innerJoin(name.dialect, eq(name.dialect.ref, openCalls.dialectRef))
    .innerJoin(name.operation, eq(name.operation.ref, openCalls.operationRef))
    .innerJoin(name.model, eq(name.model.ref, openCalls.modelRef))
    .innerJoin(name.provider, eq(name.provider.ref, openCalls.providerRef))
    .innerJoin(name.upstreamModel, eq(name.upstreamModel.ref, openCalls.upstreamModelRef))
    .where(where)
    .orderBy(desc(openCalls.createdMs), desc(openCalls.id))
    .limit(limit)
    .all()
    .map((row) => ({ ...row, ...notYetKnown }));
}

const notYetKnown = {
  status: "open",
  source: null,
  inputTokens: null,
  cacheReadTokens: null,
  cacheWriteTokens: null,
  cacheWrite1hTokens: null,
  outputTokens: null,
  reasoningTokens: null,
  costNano: null,
  chargeNano: null,
  priceVersion: null,
  finishReason: null,
  ttftMs: null,
  durationMs: null,
  finishedMs: null,
} as const;

function detail(database: SqliteDatabase, callId: string): CallDetail | null {
  const row = database.select().from(usageView).where(eq(usageView.call_id, callId)).all()[0];
  if (!row) return null;
  const flying = database.select({ held: openCalls.heldNano }).from(openCalls).where(eq(openCalls.id, callId)).all()[0];
  const more = database
    .select({
      seq: calls.seq,
      heldNano: calls.heldNano,
      httpStatus: calls.httpStatus,
      errorKind: calls.errorKind,
      notes: calls.notes,
    })
    .from(calls)
    .where(eq(calls.id, callId))
    .all()[0];
  return {
    ...viewRow(row),
    httpStatus: more?.httpStatus ?? null,
    errorKind: more?.errorKind ?? null,
    heldNano: more?.heldNano ?? flying?.held ?? 0,
    attempts: attemptRows(database, callId),
    // The column is written from a CallNotes only.
    notes: more?.notes ? (JSON.parse(more.notes) as CallNotes) : null,
    adjustments: more ? adjustmentsOf(database, more.seq) : [],
  };
}

function adjustmentsOf(database: SqliteDatabase, callSeq: number): Adjustment[] {
  const { priceVersion } = labelAliases();
  return database
    .select({
      costDeltaNano: adjustments.costDeltaNano,
      chargeDeltaNano: adjustments.chargeDeltaNano,
      priceVersion: priceVersion.text,
      reason: adjustments.reason,
      author: adjustments.author,
      createdMs: adjustments.createdMs,
    })
    .from(adjustments)
    .innerJoin(priceVersion, eq(priceVersion.ref, adjustments.priceVersionRef))
    .where(eq(adjustments.callSeq, callSeq))
    .orderBy(asc(adjustments.seq))
    .all();
}

const attemptRows = (database: SqliteDatabase, callId: string): AttemptRow[] =>
  database
    .select()
    .from(attemptsView)
    .where(eq(attemptsView.call_id, callId))
    .orderBy(attemptsView.n)
    .all()
    .map((row) => ({
      provider: row.provider ?? "",
      upstreamModel: row.upstream_model ?? "",
      upstreamId: row.upstream_id,
      status: row.status,
      billed: row.billed === 1,
    }));

type ViewRow = typeof usageView.$inferSelect;

const viewRow = (row: ViewRow): CallRow => ({
  callId: row.call_id ?? "",
  accountId: row.account_id ?? "",
  keyId: row.key_id,
  principal: row.principal ?? "",
  dialect: row.dialect ?? "",
  operation: row.operation ?? "",
  model: row.model ?? "",
  provider: row.provider,
  upstreamModel: row.upstream_model,
  ...kinds(row),
  inputTokens: row.input_tokens,
  cacheReadTokens: row.cache_read_tokens,
  cacheWriteTokens: row.cache_write_tokens,
  cacheWrite1hTokens: row.cache_write_1h_tokens,
  outputTokens: row.output_tokens,
  reasoningTokens: row.reasoning_tokens,
  costNano: row.cost_nano,
  chargeNano: row.charge_nano,
  priceVersion: row.price_version,
  finishReason: row.finish_reason,
  stream: row.stream === 1,
  ttftMs: row.ttft_ms,
  durationMs: row.duration_ms,
  createdMs: row.created_ms ?? 0,
  finishedMs: row.finished_ms,
});

/** Both columns are written from these types only; SQL forgets that. */
const kinds = ({ status, source }: { status: string | null; source: string | null }) =>
  ({ status, source }) as Pick<CallRow, "status" | "source">;

function refOf(database: SqliteDatabase, table: typeof keys | typeof accounts, id: string): number {
  return database.select({ ref: table.ref }).from(table).where(eq(table.id, id)).all()[0]?.ref ?? -1;
}
