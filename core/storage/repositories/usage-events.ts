import { asc, gt, inArray, type SQL } from "drizzle-orm";
import type { ToldEvent } from "../../plugin/events.ts";
import { usdText } from "../alert-text.ts";
import type { CallNotes } from "../call-notes.ts";
import type { Position, UsageEvent, UsagePage } from "../outbox.ts";
import { adjustments } from "../schema/sqlite-book.ts";
import { calls } from "../schema/sqlite.ts";
import type { SqliteDatabase } from "../sqlite-database.ts";
import { adjustmentRows } from "./adjustments.ts";
import { endedCalls } from "./ended-calls.ts";
import { labelsIn } from "./label-joins.ts";

/**
 * What comes after a position: records of calls in the order they were written, which never change, and between them
 * what re-rating wrote, each behind its call. Looks at no more than `limit` of either.
 */
export function usageEvents(database: SqliteDatabase) {
  return (after: Position, limit: number): UsagePage => {
    const found = callRows(database, gt(calls.seq, after.callSeq), limit);
    const changes = changedRows(database, after.adjustmentSeq, limit);
    const events: UsageEvent[] = [];
    let { callSeq, adjustmentSeq } = after;
    let at = 0;
    const next = () => changes[at];
    const takeChanges = (untilMs: number) => {
      for (let change = next(); change; change = next()) {
        // Its call comes first; and what was changed later than a call ended comes behind that.
        if (change.callSeq > callSeq || change.createdMs > untilMs) return;
        at += 1;
        adjustmentSeq = change.seq;
        events.push({ event: adjustmentEvent(change), position: { callSeq, adjustmentSeq } });
      }
    };
    for (const row of found) {
      takeChanges(row.finishedMs);
      callSeq = row.seq;
      if (row.status !== "refused") events.push({ event: callEvent(row), position: { callSeq, adjustmentSeq } });
    }
    if (found.length < limit) takeChanges(Number.POSITIVE_INFINITY);
    return { events, position: { callSeq, adjustmentSeq } };
  };
}

type Row = ReturnType<typeof callRows>[number];

const callRows = (database: SqliteDatabase, where: SQL, limit: number) =>
  endedCalls(database, {
    costNano: calls.costNano,
    chargeNano: calls.chargeNano,
    httpStatus: calls.httpStatus,
    errorKind: calls.errorKind,
    notes: calls.notes,
  })
    .where(where)
    .orderBy(asc(calls.seq))
    .limit(limit)
    .all();

function callEvent({ seq: _, createdMs, finishedMs, notes, ...row }: Row): ToldEvent {
  // The column is written from a CallNotes only.
  const { overHold = false, anomalous = false, shadowOf }: CallNotes = notes === null ? {} : JSON.parse(notes);
  const charge = row.chargeNano === null ? "no known price" : usdText(row.chargeNano);
  return {
    id: row.callId,
    type: "usage.call",
    atMs: finishedMs,
    text: `Call ${row.callId} ended as ${row.status}: ${charge}.`,
    data: {
      ...row,
      labels: labelsIn(row.labels),
      overHold,
      anomalous,
      shadowOf: shadowOf ?? null,
      createdAt: createdMs,
      finishedAt: finishedMs,
    },
  };
}

function changedRows(database: SqliteDatabase, after: number, limit: number) {
  const rows = adjustmentRows(database, { seq: adjustments.seq, callSeq: adjustments.callSeq })
    .where(gt(adjustments.seq, after))
    .orderBy(asc(adjustments.seq))
    .limit(limit)
    .all();
  if (rows.length === 0) return [];
  const changed = callRows(
    database,
    inArray(
      calls.seq,
      rows.map(({ callSeq }) => callSeq),
    ),
    rows.length,
  );
  const callOf = new Map(changed.map((call) => [call.seq, call]));
  return rows.map((row) => ({ ...row, call: callOf.get(row.callSeq) }));
}

function adjustmentEvent({ seq, call, createdMs, callSeq: _, ...row }: ReturnType<typeof changedRows>[number]) {
  const callId = call?.callId ?? null;
  const event: ToldEvent = {
    id: `adjustment-${seq}-${createdMs}`,
    type: "usage.adjustment",
    atMs: createdMs,
    text: `Call ${callId ?? "(gone)"} was rated again: ${usdText(row.chargeDeltaNano)}.`,
    data: {
      callId,
      accountId: call?.accountId ?? null,
      keyId: call?.keyId ?? null,
      model: call?.model ?? null,
      provider: call?.provider ?? null,
      upstreamModel: call?.upstreamModel ?? null,
      ...row,
      createdAt: createdMs,
    },
  };
  return event;
}
