import { and, asc, gt, lte, type SQL, type SQLWrapper, sql } from "drizzle-orm";
import { type BlockRow, blockReader } from "./call-blocks.ts";
import { type AttemptSumRow, attemptReader, type TimedAttempt } from "./attempt-fold.ts";
import { hourMs } from "./range-parts.ts";
import { calls, type latencyHourly, type usageHourly } from "./schema/sqlite.ts";
import type { SqliteDatabase } from "./sqlite-database.ts";
import { watermarkOf } from "./watermarks.ts";

export type UsageSumRow = typeof usageHourly.$inferSelect;
export type LatencyRow = typeof latencyHourly.$inferSelect;

/** What the calls with a `seq` in `(from, through]` add to the rollups. Calls never change, so it can be worked out anywhere. */
export interface Fold {
  readonly from: number;
  readonly through: number;
  /** By hour; the days and the totals are sums of these. */
  readonly usage: readonly UsageSumRow[];
  readonly latency: readonly LatencyRow[];
  readonly attempts: readonly AttemptSumRow[];
  readonly blocks: readonly BlockRow[];
  /** There were calls beyond `through`. */
  readonly more: boolean;
}

/** How much the writer gets to do at once: it holds up the process meanwhile. */
export interface FoldSize {
  readonly calls: number;
  /**
   * More groups than this halve the number of calls, until one call is left; so do twice as many blocks, as many targets,
   * or a sum of money that no number holds.
   */
  readonly groups: number;
}

/** Works out the next fold; `null`: the rollups hold every call. */
export function foldReader(database: SqliteDatabase): (size: FoldSize) => Fold | null {
  const nextSeqs = database
    .select({ seq: calls.seq })
    .from(calls)
    .where(gt(calls.seq, sql.placeholder("from")))
    .orderBy(asc(calls.seq))
    .limit(sql.placeholder("limit"))
    .prepare();
  const usage = usageQuery(database);
  const timed = timedQuery(database);
  const blocksOf = blockReader(database);
  const attemptsOf = attemptReader(database, hourMs);

  return ({ calls: most, groups }) => {
    const from = watermarkOf(database, "rollups");
    const seqs = nextSeqs.values({ from, limit: most + 1 }).map(([seq]) => Number(seq));
    for (let count = Math.min(most, seqs.length); ; count = Math.floor(count / 2)) {
      const through = seqs[count - 1];
      if (through === undefined) return null;
      const span = { from, through };
      const rows = usage.all(span);
      if ((rows.length > groups || !rows.every(isExact)) && count > 1) continue;
      const blocks = blocksOf(span);
      if (blocks.length > 2 * groups && count > 1) continue;
      // As selected: numbers, of which only the time to the first byte may be NULL.
      const timings = timed.values(span) as unknown as TimedCall[];
      const attempts = attemptsOf(span, timings.flatMap(timedAttempt));
      if (attempts.length > groups && count > 1) continue;
      const latency = counted(timings);
      return { from, through, usage: rows, latency, attempts, blocks, more: seqs.length > count };
    }
  };
}

const isExact = ({ costNano, chargeNano }: UsageSumRow): boolean =>
  Number.isSafeInteger(costNano) && Number.isSafeInteger(chargeNano);

const inFold = () => and(gt(calls.seq, sql.placeholder("from")), lte(calls.seq, sql.placeholder("through")));

function usageQuery(database: SqliteDatabase) {
  const keys = {
    startMs: startOf(calls.createdMs, hourMs),
    accountRef: calls.accountRef,
    keyRef: keyOrLabels,
    modelRef: calls.modelRef,
    providerRef: orZero(calls.providerRef),
    status: calls.status,
  };
  return database
    .select({
      ...keys,
      calls: sql<number>`count(*)`,
      inputTokens: sum(calls.inputTokens),
      outputTokens: sum(calls.outputTokens),
      cacheReadTokens: sum(calls.cacheReadTokens),
      cacheWriteTokens: sum(calls.cacheWriteTokens),
      reasoningTokens: sum(calls.reasoningTokens),
      costNano: sum(calls.costNano),
      chargeNano: sum(calls.chargeNano),
    })
    .from(calls)
    .where(inFold())
    .groupBy(...Object.values(keys))
    .prepare();
}

type TimedCall = readonly [
  startMs: number,
  providerRef: number,
  tookMs: number,
  ttftMs: number | null,
  upstreamModelRef: number,
  attempts: number,
];

/** The calls themselves: finding their bucket in SQL costs more than all sums of the fold. */
const timedQuery = (database: SqliteDatabase) =>
  database
    .select({
      startMs: startOf(calls.createdMs, hourMs),
      providerRef: orZero(calls.providerRef),
      tookMs: took.duration,
      ttftMs: took.ttft,
      upstreamModelRef: orZero(calls.upstreamModelRef),
      attempts: calls.attemptCount,
    })
    .from(calls)
    .where(and(inFold(), isTimed("duration")))
    .prepare();

/** A call that was answered at the first try, as its target's. */
const timedAttempt = ([startMs, provider, , ttftMs, model, attempts]: TimedCall): TimedAttempt[] =>
  attempts === 1 && provider !== 0 && model !== 0 ? [[startMs, provider, model, ttftMs]] : [];

interface Histogram {
  readonly startMs: number;
  readonly providerRef: number;
  /** Calls by the place of their bucket. */
  readonly duration: number[];
  readonly ttft: number[];
}

function counted(timed: readonly TimedCall[]): LatencyRow[] {
  const found = new Map<string, Histogram>();
  const histogramOf = (startMs: number, providerRef: number): Histogram => {
    const key = `${startMs} ${providerRef}`;
    const known = found.get(key) ?? { startMs, providerRef, duration: noCalls(), ttft: noCalls() };
    found.set(key, known);
    return known;
  };
  let last: Histogram | undefined;
  for (const [startMs, providerRef, tookMs, ttftMs] of timed) {
    // Most calls are of the hour and the provider of the one before.
    if (last === undefined || last.startMs !== startMs || last.providerRef !== providerRef)
      last = histogramOf(startMs, providerRef);
    countIn(last.duration, tookMs);
    if (ttftMs !== null) countIn(last.ttft, ttftMs);
  }
  return [...found.values()].flatMap((histogram) =>
    (["duration", "ttft"] as const).flatMap((measure) =>
      histogram[measure].flatMap((count, at): LatencyRow[] => {
        const { startMs, providerRef } = histogram;
        return count === 0 ? [] : [{ startMs, providerRef, measure, upToMs: buckets[at] ?? endlessMs, calls: count }];
      }),
    ),
  );
}

const noCalls = (): number[] => Array.from({ length: buckets.length + 1 }, () => 0);

function countIn(counts: number[], ms: number): void {
  let at = 0;
  while (at < buckets.length && ms > (buckets[at] ?? 0)) at += 1;
  counts[at] = (counts[at] ?? 0) + 1;
}

// ── expressions that the reports share ────────────────────────────────────────────────────────────────────────────────

export const startOf = (column: SQLWrapper, unitMs: number): SQL<number> =>
  sql<number>`${column} / ${sql.raw(String(unitMs))} * ${sql.raw(String(unitMs))}`;
/** The key, or negated the labels that its caller came with; 0: neither. */
export const keyOrLabels = sql<number>`coalesce(${calls.keyRef}, -${calls.labelsRef}, 0)`;
export const orZero = (column: SQLWrapper): SQL<number> => sql<number>`coalesce(${column}, 0)`;
export const sum = (value: SQLWrapper): SQL<number> => sql<number>`coalesce(sum(${value}), 0)`;

export type Measure = LatencyRow["measure"];

export const took: Readonly<Record<Measure, SQL<number>>> = {
  duration: sql<number>`(${calls.finishedMs} - ${calls.createdMs})`,
  ttft: sql<number>`${calls.ttftMs}`,
};
/** How long a call took says something of the provider only if the call went well. */
export const isTimed = (measure: Measure): SQL =>
  measure === "duration" ? sql`${calls.status} = 'ok'` : sql`${calls.status} = 'ok' and ${calls.ttftMs} is not null`;

/** Upper bounds in ms. Changing them needs a new table: what is folded stays as it is. */
const buckets = [
  5, 10, 20, 30, 50, 75, 100, 150, 200, 300, 400, 500, 750, 1_000, 1_500, 2_000, 3_000, 4_000, 5_000, 7_500, 10_000,
  15_000, 20_000, 30_000, 45_000, 60_000, 90_000, 120_000, 180_000, 300_000, 600_000, 3_600_000,
];
/** The bucket beyond the last bound. */
export const endlessMs = Number.MAX_SAFE_INTEGER;

export const bucketOf = (value: SQLWrapper): SQL<number> => {
  const when = buckets.map((bound) => sql`when ${value} <= ${sql.raw(String(bound))} then ${sql.raw(String(bound))}`);
  return sql<number>`case ${sql.join(when, sql` `)} else ${sql.raw(String(endlessMs))} end`;
};
