import { and, asc, count, eq, gt, inArray, isNull, lt, lte, max, min, notExists, or, sql } from "drizzle-orm";
import type { AuditedWriter } from "../audit-writer.ts";
import type { AlertWriter } from "../alert-writer.ts";
import type { GroupCommit } from "../group-commit.ts";
import { longestPauseMs, type OutboxRepository, type Position, type Subscription, type UsagePage } from "../outbox.ts";
import { adjustments } from "../schema/sqlite-book.ts";
import { alerts, deliveries, receivers } from "../schema/sqlite-outbox.ts";
import { calls } from "../schema/sqlite.ts";
import type { SqliteDatabase } from "../sqlite-database.ts";
import { alertReads, eventColumns, eventOf } from "./alerts.ts";

export interface OutboxDependencies {
  readonly database: SqliteDatabase;
  readonly writer: GroupCommit;
  /** For what somebody asks for. */
  readonly audited: AuditedWriter;
  readonly alertWriter: AlertWriter;
  /** Reads the events of usage after a position. */
  readonly usageAfter: (after: Position, limit: number) => UsagePage | Promise<UsagePage>;
}

export function outboxRepository(dependencies: OutboxDependencies): OutboxRepository {
  const { database, writer, audited, alertWriter, usageAfter } = dependencies;
  let subscriptions: readonly Subscription[] = [];
  const takesUsage = ({ events }: Subscription) => events.includes("usage.call") || events.includes("usage.adjustment");
  const rowOf = (name: string) => database.select().from(receivers).where(eq(receivers.name, name)).all()[0];
  const newest = (): Position => ({
    callSeq:
      database
        .select({ seq: max(calls.seq) })
        .from(calls)
        .all()[0]?.seq ?? 0,
    adjustmentSeq:
      database
        .select({ seq: max(adjustments.seq) })
        .from(adjustments)
        .all()[0]?.seq ?? 0,
  });
  const note = (name: string, columns: Partial<typeof receivers.$inferInsert>) =>
    database.update(receivers).set(columns).where(eq(receivers.name, name)).run();

  return {
    ...alertReads(database),
    subscribe: (wanted) =>
      writer.run(() => {
        subscriptions = wanted;
        alertWriter.subscribe(wanted);
        const start = newest();
        database.update(receivers).set({ awaited: false }).run();
        for (const one of wanted) {
          const awaited = takesUsage(one);
          database
            .insert(receivers)
            .values({ name: one.name, ...start, awaited, attempts: 0, nextMs: 0 })
            // What takes no usage stays at the end of it: should it ever take some, then from there on.
            .onConflictDoUpdate({ target: receivers.name, set: awaited ? { awaited } : { awaited, ...start } })
            .run();
        }
      }),
    due: (receiver, nowMs, limit) =>
      database
        .select({ seq: deliveries.seq, attempts: deliveries.attempts, sinceMs: deliveries.sinceMs, ...eventColumns })
        .from(deliveries)
        .leftJoin(alerts, eq(alerts.seq, deliveries.alertSeq))
        .where(
          and(
            eq(deliveries.receiver, receiver),
            sql`${deliveries.state} = 'waiting'`,
            or(lte(deliveries.nextMs, nowMs), gt(deliveries.nextMs, nowMs + longestPauseMs)),
          ),
        )
        .orderBy(asc(deliveries.nextMs))
        .limit(limit)
        .all()
        .map(({ seq, attempts, sinceMs, ...stored }) => ({ seq, attempts, sinceMs, event: eventOf(stored) })),
    delivered: ({ seq }, receiver, atMs) =>
      writer.run(() => {
        database.update(deliveries).set({ state: "delivered", endedMs: atMs }).where(eq(deliveries.seq, seq)).run();
        note(receiver, { lastDeliveredMs: atMs });
      }),
    failed: ({ seq }, receiver, { atMs, error, nextMs }) =>
      writer.run(() => {
        const next = nextMs === null ? { state: "dead" as const, endedMs: atMs } : { nextMs };
        database
          .update(deliveries)
          .set({ ...next, attempts: sql`${deliveries.attempts} + 1`, lastError: error })
          .where(eq(deliveries.seq, seq))
          .run();
        note(receiver, { lastError: error, lastErrorMs: atMs });
      }),

    async usage(receiver, nowMs, limit) {
      const subscription = subscriptions.find(({ name }) => name === receiver);
      const row = rowOf(receiver);
      if (!subscription || !row || isPutOff(row, nowMs) || !takesUsage(subscription)) return null;
      const end = newest();
      if (row.callSeq >= end.callSeq && row.adjustmentSeq >= end.adjustmentSeq) return null;
      const { events, position } = await usageAfter({ callSeq: row.callSeq, adjustmentSeq: row.adjustmentSeq }, limit);
      const taken = events.filter(({ event }) => subscription.events.includes(event.type));
      return { events: taken, position, attempts: row.attempts, failedSinceMs: row.failedSinceMs };
    },
    passed: (receiver, { callSeq, adjustmentSeq }, atMs) =>
      writer.run(() => {
        const well = { attempts: 0, failedSinceMs: null, nextMs: 0 };
        note(receiver, { callSeq, adjustmentSeq, ...(atMs !== null && { ...well, lastDeliveredMs: atMs }) });
      }),
    stalled: (receiver, events, { atMs, error, nextMs }) =>
      writer.run(() => {
        const row = rowOf(receiver);
        const last = events.at(-1);
        if (!row || !last) return;
        const failure = { lastError: error, lastErrorMs: atMs };
        if (nextMs !== null) {
          const failedSinceMs = row.failedSinceMs ?? atMs;
          note(receiver, { ...failure, attempts: row.attempts + 1, failedSinceMs, nextMs });
          return;
        }
        for (const { event } of events)
          database
            .insert(deliveries)
            .values({
              receiver,
              eventId: event.id,
              event: JSON.stringify(event),
              state: "dead",
              attempts: row.attempts + 1,
              sinceMs: row.failedSinceMs ?? atMs,
              nextMs: atMs,
              lastError: error,
              endedMs: atMs,
            })
            .onConflictDoNothing()
            .run();
        const { callSeq, adjustmentSeq } = last.position;
        note(receiver, { ...failure, callSeq, adjustmentSeq, attempts: 0, failedSinceMs: null, nextMs: 0 });
      }),

    receivers() {
      const end = newest();
      const rows = database.select().from(receivers).orderBy(asc(receivers.name)).all();
      const [allWaiting, allDead] = [countsOf(database, "waiting"), countsOf(database, "dead")];
      return rows.flatMap((row) => {
        const subscription = subscriptions.find(({ name }) => name === row.name);
        const waiting = allWaiting.get(row.name);
        const dead = allDead.get(row.name)?.count ?? 0;
        if (!subscription && !waiting && dead === 0) return [];
        const usage = subscription && takesUsage(subscription);
        const behind = usage
          ? Math.max(0, end.callSeq - row.callSeq) + Math.max(0, end.adjustmentSeq - row.adjustmentSeq)
          : 0;
        const since = [waiting?.sinceMs ?? null, behind > 0 ? oldestUsage(database, row) : null];
        const oldestMs = Math.min(...since.map((ms) => ms ?? Number.POSITIVE_INFINITY));
        return {
          name: row.name,
          events: subscription?.events ?? [],
          waiting: waiting?.count ?? 0,
          behind,
          oldestMs: Number.isFinite(oldestMs) ? oldestMs : null,
          dead,
          attempts: row.attempts,
          nextMs: row.nextMs > 0 ? row.nextMs : null,
          lastError: row.lastError,
          lastErrorMs: row.lastErrorMs,
          lastDeliveredMs: row.lastDeliveredMs,
        };
      });
    },
    retry: (receiver, eventId, nowMs) =>
      audited.run((tell) => {
        const asked = and(
          eq(deliveries.receiver, receiver),
          eq(deliveries.state, "dead"),
          eventId === null ? undefined : eq(deliveries.eventId, eventId),
        );
        const again = { state: "waiting", attempts: 0, sinceMs: nowMs, nextMs: nowMs, endedMs: null } as const;
        const found = database.update(deliveries).set(again).where(asked).returning({ seq: deliveries.seq }).all();
        if (eventId === null) {
          note(receiver, { nextMs: 0 });
          const later = and(eq(deliveries.receiver, receiver), sql`${deliveries.state} = 'waiting'`);
          database.update(deliveries).set({ nextMs: nowMs }).where(later).run();
        }
        if (found.length > 0 || eventId === null)
          tell({
            action: "delivery.retry",
            object: { kind: "receiver", id: receiver },
            accountId: null,
            before: null,
            after: { eventId, deliveries: found.length },
          });
        return found.length;
      }),
    forget: (beforeMs) =>
      writer.run(() => {
        const old = database
          .select({ seq: alerts.seq })
          .from(alerts)
          .where(
            and(
              lt(alerts.createdMs, beforeMs),
              notExists(
                database
                  .select({ seq: deliveries.seq })
                  .from(deliveries)
                  .where(and(eq(deliveries.alertSeq, alerts.seq), inArray(deliveries.state, ["waiting", "dead"]))),
              ),
            ),
          )
          .limit(forgottenAtOnce)
          .all()
          .map(({ seq }) => seq);
        database.delete(deliveries).where(inArray(deliveries.alertSeq, old)).run();
        database.delete(alerts).where(inArray(alerts.seq, old)).run();
        const usage = and(isNull(deliveries.alertSeq), eq(deliveries.state, "delivered"));
        database
          .delete(deliveries)
          .where(and(usage, lt(deliveries.endedMs, beforeMs)))
          .run();
      }),
  };
}

const isPutOff = ({ nextMs }: { readonly nextMs: number }, nowMs: number): boolean =>
  nextMs > nowMs && nextMs <= nowMs + longestPauseMs;

/** Up to which call every receiver of usage that is in the config has them. */
export const deliveredThrough = (database: SqliteDatabase): number =>
  database
    .select({ seq: min(receivers.callSeq) })
    .from(receivers)
    .where(eq(receivers.awaited, true))
    .all()[0]?.seq ?? Number.MAX_SAFE_INTEGER;

/** By receiver. The state stands in the query itself: only so is the index of that state alone of use. */
function countsOf(database: SqliteDatabase, state: "waiting" | "dead") {
  const found = database
    .select({ receiver: deliveries.receiver, count: count(), sinceMs: min(deliveries.sinceMs) })
    .from(deliveries)
    .where(sql.raw(`state = '${state}'`))
    .groupBy(deliveries.receiver)
    .all();
  return new Map(found.map((row) => [row.receiver, row]));
}

/** A transaction holds up everybody. */
const forgottenAtOnce = 1_000;

/** When the first call or adjustment after a position was written; there is one. */
function oldestUsage(database: SqliteDatabase, { callSeq, adjustmentSeq }: Position): number | null {
  const call = database
    .select({ ms: calls.finishedMs })
    .from(calls)
    .where(sql`${calls.seq} > ${callSeq}`)
    .orderBy(asc(calls.seq))
    .limit(1)
    .all()[0];
  const change = database
    .select({ ms: adjustments.createdMs })
    .from(adjustments)
    .where(sql`${adjustments.seq} > ${adjustmentSeq}`)
    .orderBy(asc(adjustments.seq))
    .limit(1)
    .all()[0];
  const oldest = Math.min(call?.ms ?? Number.POSITIVE_INFINITY, change?.ms ?? Number.POSITIVE_INFINITY);
  return Number.isFinite(oldest) ? oldest : null;
}
