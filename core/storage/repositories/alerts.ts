import { and, asc, desc, eq, inArray, lt, sql } from "drizzle-orm";
import type { ToldEvent } from "../../plugin/events.ts";
import type { AlertRow, DeliveryRow, OutboxRepository } from "../outbox.ts";
import { alerts, deliveries } from "../schema/sqlite-outbox.ts";
import type { SqliteDatabase } from "../sqlite-database.ts";
import { cursorOf, pageOf, pageSize } from "./page.ts";

/** What makes an event of a row of `deliveries` joined with its alert. */
export const eventColumns = {
  event: deliveries.event,
  id: deliveries.eventId,
  type: alerts.type,
  line: alerts.line,
  data: alerts.data,
  atMs: alerts.createdMs,
};

interface Stored {
  readonly event: string | null;
  readonly id: string;
  readonly type: string | null;
  readonly line: string | null;
  readonly data: string | null;
  readonly atMs: number | null;
}

export function eventOf({ event, id, type, line, data, atMs }: Stored): ToldEvent {
  // Both columns are written from a ToldEvent, or from an alert's parts.
  if (event !== null) return JSON.parse(event) as ToldEvent;
  return {
    id,
    type: type as ToldEvent["type"],
    atMs: atMs ?? 0,
    text: line ?? "",
    data: JSON.parse(data ?? "{}"),
  };
}

export function alertReads(database: SqliteDatabase): Pick<OutboxRepository, "alerts" | "deadLetters"> {
  return {
    alerts(query) {
      const limit = pageSize(query);
      const rows = database
        .select()
        .from(alerts)
        .where(lt(alerts.seq, cursorOf(query)))
        .orderBy(desc(alerts.seq))
        .limit(limit + 1)
        .all();
      const found = database
        .select()
        .from(deliveries)
        .where(
          inArray(
            deliveries.alertSeq,
            rows.map(({ seq }) => seq),
          ),
        )
        .orderBy(asc(deliveries.seq))
        .all();
      return pageOf(
        rows,
        limit,
        (row) => row.seq,
        ({ seq, id, type, line, data, createdMs }): AlertRow => ({
          id,
          type,
          text: line,
          data: JSON.parse(data),
          createdMs,
          deliveries: found.filter(({ alertSeq }) => alertSeq === seq).map(deliveryOf),
        }),
      );
    },
    deadLetters(receiver, query) {
      const limit = pageSize(query);
      const rows = database
        .select({
          seq: deliveries.seq,
          attempts: deliveries.attempts,
          lastError: deliveries.lastError,
          sinceMs: deliveries.sinceMs,
          endedMs: deliveries.endedMs,
          ...eventColumns,
        })
        .from(deliveries)
        .leftJoin(alerts, eq(alerts.seq, deliveries.alertSeq))
        .where(
          and(
            eq(deliveries.receiver, receiver),
            sql`${deliveries.state} = 'dead'`,
            lt(deliveries.seq, cursorOf(query)),
          ),
        )
        .orderBy(desc(deliveries.seq))
        .limit(limit + 1)
        .all();
      return pageOf(
        rows,
        limit,
        (row) => row.seq,
        ({ attempts, lastError, sinceMs, endedMs, ...stored }) => {
          const { id, type, text } = eventOf(stored);
          return { id, type, text, attempts, lastError, sinceMs, endedMs };
        },
      );
    },
  };
}

const deliveryOf = ({
  receiver,
  state,
  attempts,
  nextMs,
  endedMs,
  lastError,
}: typeof deliveries.$inferSelect): DeliveryRow => ({
  receiver,
  state,
  attempts,
  nextMs: state === "waiting" ? nextMs : null,
  endedMs,
  lastError,
});
