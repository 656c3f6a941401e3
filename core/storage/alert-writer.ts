import type { JsonObject } from "../chat/json.ts";
import type { AlertType, EventType } from "../plugin/events.ts";
import type { Subscription } from "./outbox.ts";
import { alerts, deliveries } from "./schema/sqlite-outbox.ts";
import type { SqliteDatabase } from "./sqlite-database.ts";

export interface NewAlert {
  readonly type: AlertType;
  /** One line for a person. */
  readonly line: string;
  readonly data: JsonObject;
}

/** Writes alerts in the transaction of what they tell. */
export interface AlertWriter {
  /** Whether a receiver takes it: else nothing is written, nor looked at. */
  takes(type: AlertType): boolean;
  /** Inside a transaction. */
  put(alert: NewAlert): void;
  subscribe(receivers: readonly Subscription[]): void;
}

export function alertWriter(database: SqliteDatabase, now: () => number, newId: () => string): AlertWriter {
  let takers = new Map<EventType, readonly string[]>();
  return {
    takes: (type) => takers.has(type),
    put({ type, line, data }) {
      const names = takers.get(type) ?? [];
      if (names.length === 0) return;
      const createdMs = now();
      const id = newId();
      const row = database
        .insert(alerts)
        .values({ id, type, line, data: JSON.stringify(data), createdMs })
        .returning({ seq: alerts.seq })
        .all()[0];
      if (!row) throw new Error("the new alert has no row");
      for (const receiver of names)
        database
          .insert(deliveries)
          .values({
            receiver,
            eventId: id,
            alertSeq: row.seq,
            state: "waiting",
            attempts: 0,
            sinceMs: createdMs,
            nextMs: createdMs,
          })
          .run();
    },
    subscribe(receivers) {
      takers = new Map();
      for (const { name, events } of receivers)
        for (const type of new Set(events)) takers.set(type, [...(takers.get(type) ?? []), name]);
    },
  };
}
