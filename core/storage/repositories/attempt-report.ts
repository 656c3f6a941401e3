import { and, asc, eq, gt, gte, inArray, isNotNull, lte, sql } from "drizzle-orm";
import {
  attemptCounts,
  attemptReader,
  type AttemptSumRow,
  firstByteBuckets,
  type TimedAttempt,
} from "../attempt-fold.ts";
import { attemptOutcomes, type AttemptReports, type AttemptsOver, type AttemptSums } from "../attempts.ts";
import { blocksOfHours, callsPerBlock } from "../call-blocks.ts";
import { hourMs } from "../range-parts.ts";
import { endlessMs, startOf, sum } from "../rollup-fold.ts";
import { attemptsHourly } from "../schema/sqlite-attempts.ts";
import { calls, labels } from "../schema/sqlite.ts";
import type { SqliteDatabase } from "../sqlite-database.ts";
import { newestOf, watermarkOf } from "../watermarks.ts";
import { quantilesOf } from "./latency-report.ts";

const minuteMs = 60_000;
const shapes: Readonly<Record<AttemptsOver, { readonly stepMs: number; readonly steps: number }>> = {
  hour: { stepMs: minuteMs, steps: 60 },
  day: { stepMs: hourMs, steps: 24 },
  week: { stepMs: 4 * hourMs, steps: 42 },
};
/** So many calls are read one by one: the last hour's, or those that are not folded. */
const mostCalls = 10_000;
const mostModels = 200;

type Ended = Omit<AttemptSumRow, "providerRef">;
type Counted = Pick<AttemptSumRow, (typeof attemptCounts)[number]>;
interface Asked {
  readonly providerRef: number;
  readonly modelRef: number | null;
  readonly fromMs: number;
  readonly stepMs: number;
}
interface Rows {
  /** Of the model that was asked for, or of all. */
  readonly steps: readonly Ended[];
  /** Of all models. */
  readonly models: readonly Ended[];
  readonly sinceMs: number | null;
}

/** How attempts ended: hours as they are folded with the calls that are not, and the last hour from its calls. */
export function attemptReports(database: SqliteDatabase): AttemptReports {
  return {
    report({ provider, model, over, nowMs }) {
      const { stepMs, steps } = shapes[over];
      // The last bar is of the minute or the hour that is running, or ends with it.
      const unitMs = Math.min(stepMs, hourMs);
      const fromMs = (Math.floor(nowMs / unitMs) + 1) * unitMs - steps * stepMs;
      const refs = refsOf(database, model === undefined ? [provider] : [provider, model]);
      const asked: Asked = {
        providerRef: refs.get(provider) ?? unknown,
        modelRef: model === undefined ? null : (refs.get(model) ?? unknown),
        fromMs,
        stepMs,
      };
      const rows = over === "hour" ? lastHour(database, asked) : foldedHours(database, asked);
      const byStep = Map.groupBy(rows.steps, ({ startMs }) => Math.floor((startMs - fromMs) / stepMs));
      const models = [...Map.groupBy(rows.models, ({ upstreamModelRef }) => upstreamModelRef)]
        .map(([ref, own]) => ({ ref, sums: sumsOf(own) }))
        .toSorted((one, other) => timesIn(other.sums) - timesIn(one.sums));
      const shown = models.slice(0, mostModels);
      const names = namesOf(database, shown);
      return {
        stepMs,
        steps: Array.from({ length: steps }, (_, at) => ({
          startMs: fromMs + at * stepMs,
          ...sumsOf(byStep.get(at) ?? []),
        })),
        models: shown.map(({ ref, sums }) => ({ model: names.get(ref) ?? "", ...sums })),
        moreModels: models.length > shown.length,
        total: sumsOf(rows.steps),
        sinceMs: rows.sinceMs,
      };
    },
    lastDay(providers, nowMs) {
      const refs = refsOf(database, providers);
      const fromMs = (Math.floor(nowMs / hourMs) - 23) * hourMs;
      const folded = database
        .select({ providerRef: attemptsHourly.providerRef, ...countSums })
        .from(attemptsHourly)
        .where(and(inArray(attemptsHourly.providerRef, [...refs.values()]), gte(attemptsHourly.startMs, fromMs)))
        .groupBy(attemptsHourly.providerRef)
        .all();
      const rows = Map.groupBy([...folded, ...unfolded(database, fromMs, null).rows], ({ providerRef }) => providerRef);
      return new Map(providers.map((provider) => [provider, sumsOf(rows.get(refs.get(provider) ?? unknown) ?? [])]));
    },
  };
}

/** No name has this reference. */
const unknown = -1;

function foldedHours(database: SqliteDatabase, asked: Asked): Rows {
  const { rows, sinceMs } = unfolded(database, asked.fromMs, asked.providerRef);
  return {
    steps: [...summed(database, asked, "startMs"), ...rows.filter(isOf(asked.modelRef))],
    models: [...summed(database, { ...asked, modelRef: null }, "upstreamModelRef"), ...rows],
    sinceMs,
  };
}

function lastHour(database: SqliteDatabase, { providerRef, modelRef, fromMs, stepMs }: Asked): Rows {
  const blocks = blocksOfHours(database, fromMs, null);
  const after = blocks ? blocks.oldest * callsPerBlock - 1 : watermarkOf(database, "blocks");
  const { rows, sinceMs } = callsAfter(database, after, { fromMs, unitMs: stepMs, providerRef });
  return { steps: rows.filter(isOf(modelRef)), models: rows, sinceMs };
}

/** What the rollup does not have yet: as a rule the calls of the last second. */
const unfolded = (database: SqliteDatabase, fromMs: number, providerRef: number | null) =>
  callsAfter(database, watermarkOf(database, "rollups"), { fromMs, unitMs: hourMs, providerRef });

interface Calls {
  readonly fromMs: number;
  readonly unitMs: number;
  readonly providerRef: number | null;
}

/** Read from the calls themselves, the newest of those after a number. */
function callsAfter(database: SqliteDatabase, after: number, { fromMs, unitMs, providerRef }: Calls) {
  const through = newestOf(database, calls);
  const from = Math.max(after, through - mostCalls);
  const timed = database
    .select({
      startMs: startOf(calls.createdMs, unitMs),
      providerRef: calls.providerRef,
      upstreamModelRef: calls.upstreamModelRef,
      ttftMs: calls.ttftMs,
    })
    .from(calls)
    .where(
      and(
        gt(calls.seq, from),
        lte(calls.seq, through),
        eq(calls.attemptCount, 1),
        sql`+${calls.status} = 'ok'`,
        isNotNull(calls.providerRef),
        isNotNull(calls.upstreamModelRef),
        providerRef === null ? undefined : sql`+${calls.providerRef} = ${providerRef}`,
      ),
    )
    // As selected; many rows, which objects would make slow.
    .values() as unknown as TimedAttempt[];
  const rows = attemptReader(database, unitMs, providerRef)({ from, through }, timed);
  const oldest = from === after ? undefined : createdAfter(database, from);
  return {
    rows: rows.filter(({ startMs }) => startMs >= fromMs),
    sinceMs: oldest !== undefined && oldest > fromMs ? oldest : null,
  };
}

const createdAfter = (database: SqliteDatabase, seq: number): number | undefined =>
  database
    .select({ createdMs: calls.createdMs })
    .from(calls)
    .where(gt(calls.seq, seq))
    .orderBy(asc(calls.seq))
    .limit(1)
    .all()[0]?.createdMs;

const isOf =
  (modelRef: number | null) =>
  ({ upstreamModelRef }: Ended): boolean =>
    modelRef === null || upstreamModelRef === modelRef;

/** Folded hours from `fromMs` on, summed by step or by model. */
function summed(database: SqliteDatabase, { providerRef, modelRef, fromMs, stepMs }: Asked, by: By): Ended[] {
  const step = sql.raw(String(stepMs));
  const startMs =
    by === "startMs"
      ? sql<number>`${fromMs} + (${attemptsHourly.startMs} - ${fromMs}) / ${step} * ${step}`
      : sql<number>`0`;
  const upstreamModelRef = by === "upstreamModelRef" ? sql<number>`${attemptsHourly.upstreamModelRef}` : sql<number>`0`;
  return database
    .select({ startMs, upstreamModelRef, ...countSums })
    .from(attemptsHourly)
    .where(
      and(
        eq(attemptsHourly.providerRef, providerRef),
        gte(attemptsHourly.startMs, fromMs),
        modelRef === null ? undefined : eq(attemptsHourly.upstreamModelRef, modelRef),
      ),
    )
    .groupBy(sql.raw("1"), sql.raw("2"))
    .all();
}
// Each of them, by the list of them all.
const countSums = Object.fromEntries(attemptCounts.map((name) => [name, sum(attemptsHourly[name])])) as Record<
  (typeof attemptCounts)[number],
  ReturnType<typeof sum>
>;
type By = "startMs" | "upstreamModelRef";

const timesIn = (sums: AttemptSums): number => attemptOutcomes.reduce((so, outcome) => so + sums[outcome], 0);

function sumsOf(rows: readonly Counted[]): AttemptSums {
  const added = (name: (typeof attemptCounts)[number]) => rows.reduce((so, row) => so + row[name], 0);
  const buckets = firstByteBuckets.map(([name, bound]) => ({
    upToMs: Number.isFinite(bound) ? bound : endlessMs,
    calls: added(name),
  }));
  return {
    ok: added("ok"),
    failed: added("failed"),
    limited: added("limited"),
    refused: added("refused"),
    left: added("left"),
    firstByteMs: quantilesOf(buckets.filter(({ calls: times }) => times > 0)),
  };
}

const refsOf = (database: SqliteDatabase, texts: readonly string[]): ReadonlyMap<string, number> =>
  new Map(
    database
      .select({ text: labels.text, ref: labels.ref })
      .from(labels)
      .where(inArray(labels.text, [...texts]))
      .all()
      .map(({ text, ref }) => [text, ref]),
  );

const namesOf = (database: SqliteDatabase, wanted: readonly { readonly ref: number }[]): ReadonlyMap<number, string> =>
  new Map(
    database
      .select({ text: labels.text, ref: labels.ref })
      .from(labels)
      .where(
        inArray(
          labels.ref,
          wanted.map(({ ref }) => ref),
        ),
      )
      .all()
      .map(({ text, ref }) => [ref, text]),
  );
