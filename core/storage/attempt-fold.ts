import { and, eq, gt, isNotNull, lte, type SQL, sql } from "drizzle-orm";
import { type AttemptOutcome, attemptOutcomes } from "./attempts.ts";
import { attempts, calls } from "./schema/sqlite.ts";
import type { attemptsHourly } from "./schema/sqlite-attempts.ts";
import type { SqliteDatabase } from "./sqlite-database.ts";

export type AttemptSumRow = typeof attemptsHourly.$inferSelect;

/** The buckets of the time to the first byte, by their bounds in ms. */
export const firstByteBuckets = [
  ["upTo20", 20],
  ["upTo50", 50],
  ["upTo100", 100],
  ["upTo200", 200],
  ["upTo350", 350],
  ["upTo500", 500],
  ["upTo750", 750],
  ["upTo1000", 1_000],
  ["upTo1500", 1_500],
  ["upTo2500", 2_500],
  ["upTo5000", 5_000],
  ["upTo10000", 10_000],
  ["upTo20000", 20_000],
  ["upTo60000", 60_000],
  ["beyond", Infinity],
] as const;
type BucketName = (typeof firstByteBuckets)[number][0];
type AttemptCount = AttemptOutcome | BucketName;
export const attemptCounts: readonly AttemptCount[] = [...attemptOutcomes, ...firstByteBuckets.map(([name]) => name)];

/** A good call that had one attempt only, as a row is read. */
export type TimedAttempt = readonly [
  startMs: number,
  providerRef: number,
  upstreamModelRef: number,
  /** `null`: it is not known. */
  ttftMs: number | null,
];
/** Of calls with a `seq` in `(from, through]`. */
interface SeqSpan {
  readonly from: number;
  readonly through: number;
}

/**
 * How the attempts of calls ended, by target and `unitMs` of admission. `timed`: the good calls with one attempt, which
 * whoever asks has read; the others are read here. `provider`: only of that one.
 */
export function attemptReader(database: SqliteDatabase, unitMs: number, provider: number | null = null) {
  const { single, several } = queriesOf(database, unitMs, provider);
  return (span: SeqSpan, timed: readonly TimedAttempt[]): AttemptSumRow[] => {
    const found = new Map<string, Tally>();
    for (const [startMs, providerRef, upstreamModelRef, ttftMs] of timed) {
      const row = rowOf(found, startMs, providerRef, upstreamModelRef);
      row.ok += 1;
      if (ttftMs !== null) row[bucketOf(ttftMs)] += 1;
    }
    for (const ended of [...single.all({ ...span }), ...several.all({ ...span })]) {
      const outcome = outcomeOf(ended);
      const { startMs, providerRef, upstreamModelRef, times } = ended;
      if (outcome !== null) rowOf(found, startMs, providerRef, upstreamModelRef)[outcome] += times;
    }
    return [...found.values()];
  };
}

function queriesOf(database: SqliteDatabase, unitMs: number, provider: number | null) {
  const unit = sql.raw(String(unitMs));
  const inSpan = and(gt(calls.seq, sql.placeholder("from")), lte(calls.seq, sql.placeholder("through")));
  const fields = {
    startMs: sql<number>`${calls.createdMs} / ${unit} * ${unit}`,
    providerRef: sql<number>`${calls.providerRef}`,
    upstreamModelRef: sql<number>`${calls.upstreamModelRef}`,
    ended: calls.status,
    status: calls.upstreamStatus,
    isLast: sql<number>`1`,
    times: sql<number>`count(*)`,
  };
  const single = database
    .select(fields)
    .from(calls)
    .where(
      and(
        inSpan,
        eq(calls.attemptCount, 1),
        // With a plus: the index of those that did not end well has them all, not those of the span.
        sql`+${calls.status} <> 'ok'`,
        isNotNull(calls.providerRef),
        isNotNull(calls.upstreamModelRef),
        provider === null ? undefined : sql`+${calls.providerRef} = ${provider}`,
      ),
    )
    .groupBy(...places(5))
    .prepare();
  const several = database
    .select({
      ...fields,
      providerRef: attempts.providerRef,
      upstreamModelRef: attempts.upstreamModelRef,
      status: attempts.status,
      isLast: sql<number>`${attempts.n} = ${calls.attemptCount}`,
    })
    .from(calls)
    .crossJoin(attempts)
    .where(
      and(
        inSpan,
        gt(calls.attemptCount, 1),
        eq(attempts.callSeq, calls.seq),
        provider === null ? undefined : eq(attempts.providerRef, provider),
      ),
    )
    .groupBy(...places(6))
    .prepare();
  return { single, several };
}

/** The first columns, by their places. */
const places = (columns: number): SQL[] => Array.from({ length: columns }, (_, at) => sql.raw(String(at + 1)));

type Tally = { -readonly [Field in keyof AttemptSumRow]: AttemptSumRow[Field] };

function rowOf(found: Map<string, Tally>, startMs: number, providerRef: number, upstreamModelRef: number): Tally {
  const key = `${startMs} ${providerRef} ${upstreamModelRef}`;
  let row = found.get(key);
  if (!row) found.set(key, (row = { startMs, providerRef, upstreamModelRef, ...nothing }));
  return row;
}

// Each of them, by the list of them all.
const nothing = Object.fromEntries(attemptCounts.map((name) => [name, 0])) as Record<AttemptCount, number>;

const bucketOf = (ms: number): BucketName => firstByteBuckets.find(([, bound]) => ms <= bound)?.[0] ?? "beyond";

/** Statuses in 400…499 that say something of the provider's side or of our key there, and nothing of what was asked. */
const notTheRequest: ReadonlySet<number> = new Set([401, 402, 403, 408, 421]);

interface Ended {
  /** Status of its call, which counts for the last attempt. */
  readonly ended: string;
  readonly isLast: number;
  /** Of the upstream's answer; `null`: there was none. */
  readonly status: number | null;
}

/** `null`: nothing is known of it, as when the process ended. */
function outcomeOf({ ended, isLast, status }: Ended): AttemptOutcome | null {
  if (isLast === 1 && ended !== "upstream_error")
    return ended === "ok" ? "ok" : ended === "client_aborted" ? "left" : null;
  if (status === 429) return "limited";
  return status !== null && status >= 400 && status < 500 && !notTheRequest.has(status) ? "refused" : "failed";
}
