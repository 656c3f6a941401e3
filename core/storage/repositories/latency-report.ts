import { and, gt, lte, type SQL, sql } from "drizzle-orm";
import type { Latency, Quantiles } from "../latency.ts";
import { rangeParts, type Span } from "../range-parts.ts";
import { bucketOf, endlessMs, isTimed, type Measure, sum, took } from "../rollup-fold.ts";
import { calls, latencyHourly } from "../schema/sqlite.ts";
import type { SqliteDatabase } from "../sqlite-database.ts";
import { watermarkOf } from "../watermarks.ts";
import { widened, within } from "./usage-report.ts";

/** How long the good calls admitted in `[from, to)` took: folded hours, and the rest from the calls themselves. */
export function latencyReport(database: SqliteDatabase, asked: Span): Latency {
  const range = widened(database, asked);
  const { hours, rest } = rangeParts(range, false);
  const watermark = watermarkOf(database, "rollups");
  const quantiles = (measure: Measure) =>
    quantilesOf([
      ...hours.flatMap((span) => rolledCounts(database, measure, span)),
      ...rest.flatMap((span) =>
        callCounts(database, measure, and(within(calls.createdMs, span), lte(sql`+${calls.seq}`, watermark))),
      ),
      ...callCounts(database, measure, and(within(sql`+${calls.createdMs}`, range), gt(calls.seq, watermark))),
    ]);
  return { durationMs: quantiles("duration"), ttftMs: quantiles("ttft") };
}

export interface Bucket {
  readonly upToMs: number;
  readonly calls: number;
}

const rolledCounts = (database: SqliteDatabase, measure: Measure, span: Span): Bucket[] =>
  database
    .select({ upToMs: latencyHourly.upToMs, calls: sum(latencyHourly.calls) })
    .from(latencyHourly)
    .where(and(within(latencyHourly.startMs, span), sql`${latencyHourly.measure} = ${measure}`))
    .groupBy(latencyHourly.upToMs)
    .all();

function callCounts(database: SqliteDatabase, measure: Measure, where: SQL | undefined): Bucket[] {
  const upToMs = bucketOf(took[measure]);
  return database
    .select({ upToMs, calls: sql<number>`count(*)` })
    .from(calls)
    .where(and(where, isTimed(measure)))
    .groupBy(upToMs)
    .all();
}

/** By the buckets' bounds; `null`: there is nothing in them. */
export function quantilesOf(buckets: readonly Bucket[]): Quantiles | null {
  const ordered = buckets.toSorted((left, right) => left.upToMs - right.upToMs);
  const all = ordered.reduce((so, bucket) => so + bucket.calls, 0);
  const boundOf = (part: number): number | null => {
    let seen = 0;
    for (const { upToMs, calls: more } of ordered)
      if ((seen += more) >= all * part) return upToMs === endlessMs ? null : upToMs;
    return null;
  };
  return all === 0 ? null : { p50: boundOf(0.5), p95: boundOf(0.95), p99: boundOf(0.99) };
}
