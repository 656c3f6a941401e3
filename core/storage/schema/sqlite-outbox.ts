import { sql } from "drizzle-orm";
import { index, integer, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";

/** What there was to tell, written in the transaction of what it tells. */
export const alerts = sqliteTable(
  "alerts",
  {
    seq: integer("seq").primaryKey(),
    id: text("id").notNull(),
    type: text("type").notNull(),
    /** One line for a person. */
    line: text("line").notNull(),
    /** JSON: the same in fields. */
    data: text("data").notNull(),
    createdMs: integer("created_ms").notNull(),
  },
  (table) => [uniqueIndex("alerts_id").on(table.id), index("alerts_created").on(table.createdMs)],
);

/** An event on its way to one receiver: an alert, or an event of usage that was put aside. */
export const deliveries = sqliteTable(
  "deliveries",
  {
    seq: integer("seq").primaryKey(),
    receiver: text("receiver").notNull(),
    eventId: text("event_id").notNull(),
    /** NULL: an event of usage. */
    alertSeq: integer("alert_seq"),
    /** JSON of an event of usage; NULL: the alert's row says it. */
    event: text("event"),
    state: text("state", { enum: ["waiting", "delivered", "dead"] }).notNull(),
    /** Deliveries that failed since it began to wait. */
    attempts: integer("attempts").notNull(),
    /** Since when it waits; asked for again, since then. */
    sinceMs: integer("since_ms").notNull(),
    /** Not before this. */
    nextMs: integer("next_ms").notNull(),
    lastError: text("last_error"),
    /** When it was delivered or given up. */
    endedMs: integer("ended_ms"),
  },
  (table) => [
    uniqueIndex("deliveries_event").on(table.receiver, table.eventId),
    index("deliveries_due")
      .on(table.receiver, table.nextMs)
      .where(sql`state = 'waiting'`),
    index("deliveries_dead")
      .on(table.receiver, table.seq)
      .where(sql`state = 'dead'`),
    index("deliveries_alert").on(table.alertSeq),
  ],
);

/** How far each receiver of usage is: it has had every call and adjustment up to these numbers. */
export const receivers = sqliteTable(
  "receivers",
  {
    name: text("name").primaryKey(),
    callSeq: integer("call_seq").notNull(),
    adjustmentSeq: integer("adjustment_seq").notNull(),
    /** It is in the config and takes usage: what it has not had is not deleted for its age. */
    awaited: integer("awaited", { mode: "boolean" }).notNull(),
    /** Failed deliveries of the events that come next. */
    attempts: integer("attempts").notNull(),
    /** The first of them; NULL: the last delivery went well. */
    failedSinceMs: integer("failed_since_ms"),
    /** The next delivery comes not before this. */
    nextMs: integer("next_ms").notNull(),
    /** Of alerts too. */
    lastError: text("last_error"),
    lastErrorMs: integer("last_error_ms"),
    lastDeliveredMs: integer("last_delivered_ms"),
  },
  (table) => [index("receivers_awaited").on(table.awaited, table.callSeq)],
);

/** The threshold of a budget that was told last, so that each is told once a window. */
export const budgetMarks = sqliteTable("budget_marks", {
  budgetRef: integer("budget_ref").primaryKey(),
  percent: integer("percent").notNull(),
  /** Of a calendar's window its row; of rolling hours when it was told. */
  startMs: integer("start_ms").notNull(),
  /** What the limit was; of a balance, what it came to. */
  limitNano: integer("limit_nano").notNull(),
});

/** What was told of a target's calls last: one alert an hour, however many calls are like it. */
export const callMarks = sqliteTable("call_marks", {
  /** Type of the alert and the target. */
  subject: text("subject").primaryKey(),
  toldMs: integer("told_ms").notNull(),
  /** Calls since then that were not told. */
  untold: integer("untold").notNull(),
});
