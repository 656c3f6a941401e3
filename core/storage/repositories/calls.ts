import { and, asc, count, desc, eq, gte, inArray, isNull, lt, or } from "drizzle-orm";
import type { Adjustment } from "../adjustment.ts";
import type { CallWhy } from "../call-why.ts";
import type { AttemptRow } from "../attempt-row.ts";
import type { CallDetail, CallFilter, CallNotes, CallRepository, CallRow, PageQuery } from "../database.ts";
import { keptAnswers } from "../schema/sqlite-answers.ts";
import { adjustments } from "../schema/sqlite-book.ts";
import { attemptsView, usageView } from "../schema/sqlite-views.ts";
import { accounts, calls, keys, openCalls } from "../schema/sqlite.ts";
import type { SqliteDatabase } from "../sqlite-database.ts";
import { adjustmentRows } from "./adjustments.ts";
import { finishedRows, kinds, namesOf } from "./ended-calls.ts";
import { labelAliases, labelsIn } from "./label-joins.ts";
import { latencyReport } from "./latency-report.ts";
import { cursorOf, pageOf, pageSize } from "./page.ts";
import { refsUnder } from "./under.ts";
import { usageRankings } from "./usage-ranking.ts";
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
    ranking: usageRankings(database),
    latency: (range) => latencyReport(database, range),
    openCount({ under } = {}) {
      const within = under === undefined ? undefined : inArray(openCalls.accountRef, refsUnder(database, under));
      return database.select({ open: count() }).from(openCalls).where(within).all()[0]?.open ?? 0;
    },
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
    filter.under === undefined ? undefined : inArray(openCalls.accountRef, refsUnder(database, filter.under)),
    filter.model === undefined ? undefined : eq(name.model.text, filter.model),
    filter.provider === undefined ? undefined : eq(name.provider.text, filter.provider),
    filter.caller === undefined
      ? undefined
      : and(
          eq(accounts.id, filter.caller.accountId),
          eq(name.principal.text, filter.caller.name),
          isNull(openCalls.keyRef),
        ),
    filter.from === undefined ? undefined : gte(openCalls.createdMs, filter.from),
    filter.to === undefined ? undefined : lt(openCalls.createdMs, filter.to),
  );
  return database
    .select({
      callId: openCalls.id,
      accountId: accounts.id,
      keyId: keys.id,
      ...namesOf(name),
      labels: name.labels.text,
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
    .leftJoin(name.labels, eq(name.labels.ref, openCalls.labelsRef))
    .where(where)
    .orderBy(desc(openCalls.createdMs), desc(openCalls.id))
    .limit(limit)
    .all()
    .map((row) => ({ ...row, labels: labelsIn(row.labels), ...notYetKnown }));
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
  const name = labelAliases();
  const flying = database
    .select({ held: openCalls.heldNano, labels: name.labels.text })
    .from(openCalls)
    .leftJoin(name.labels, eq(name.labels.ref, openCalls.labelsRef))
    .where(eq(openCalls.id, callId))
    .all()[0];
  const more = database
    .select({
      seq: calls.seq,
      heldNano: calls.heldNano,
      httpStatus: calls.httpStatus,
      errorKind: calls.errorKind,
      notes: calls.notes,
      labels: name.labels.text,
    })
    .from(calls)
    .leftJoin(name.labels, eq(name.labels.ref, calls.labelsRef))
    .where(eq(calls.id, callId))
    .all()[0];
  // The column is written from a CallNotes only.
  const { why = null, ...notes } = more?.notes ? (JSON.parse(more.notes) as CallNotes) : {};
  return {
    ...viewRow(row),
    labels: labelsIn(more?.labels ?? flying?.labels ?? null),
    httpStatus: more?.httpStatus ?? null,
    errorKind: more?.errorKind ?? null,
    heldNano: more?.heldNano ?? flying?.held ?? 0,
    attempts: timed(attemptRows(database, callId), why),
    notes: Object.keys(notes).length > 0 ? notes : null,
    why,
    adjustments: more ? adjustmentsOf(database, more.seq) : [],
    replays: replaysOf(database, callId),
  };
}

const replaysOf = (database: SqliteDatabase, callId: string): number =>
  database.select({ replays: keptAnswers.replays }).from(keptAnswers).where(eq(keptAnswers.callId, callId)).all()[0]
    ?.replays ?? 0;

const adjustmentsOf = (database: SqliteDatabase, callSeq: number): Adjustment[] =>
  adjustmentRows(database, {}).where(eq(adjustments.callSeq, callSeq)).orderBy(asc(adjustments.seq)).all();

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

const timed = (attempts: readonly AttemptRow[], why: CallWhy | null): AttemptRow[] =>
  attempts.map((attempt, at) => {
    const [sentMs, tookMs, fault] = why?.tries?.[at] ?? [];
    return {
      ...attempt,
      ...(sentMs !== undefined && { sentMs, tookMs: tookMs ?? null }),
      ...(fault !== undefined && { fault }),
    };
  });

type ViewRow = typeof usageView.$inferSelect;

const viewRow = (row: ViewRow): Omit<CallRow, "labels"> => ({
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
