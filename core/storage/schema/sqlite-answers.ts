import { sql } from "drizzle-orm";
import { blob, index, integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

/** A row for each `Idempotency-Key` that is remembered, and the sealed answer of its first call. */
export const keptAnswers = sqliteTable(
  "kept_answers",
  {
    /** HMAC of whose key it is and of the key itself. */
    place: text("place").primaryKey(),
    accountId: text("account_id").notNull(),
    callId: text("call_id").notNull(),
    /** HMAC of what was asked. */
    fingerprint: text("fingerprint").notNull(),
    state: text("state", { enum: ["open", "kept", "unkept", "broken"] }).notNull(),
    createdMs: integer("created_ms").notNull(),
    expiresMs: integer("expires_ms").notNull(),
    replays: integer("replays").notNull().default(0),
    /** Of `answer`; before it, so that sums do not read what is large. */
    bytes: integer("bytes").notNull().default(0),
    answer: blob("answer", { mode: "buffer" }),
  },
  (table) => [
    index("kept_answers_call").on(table.callId),
    index("kept_answers_expires").on(table.expiresMs, table.bytes),
    index("kept_answers_account").on(table.accountId, table.createdMs, table.bytes),
    index("kept_answers_large")
      .on(table.accountId, table.createdMs)
      .where(sql`bytes > 0`),
  ],
);
