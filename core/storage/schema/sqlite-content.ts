import { blob, index, integer, primaryKey, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";

/** Keys and accounts that say whether prompts and answers of their calls are kept; all others inherit. */
export const contentSettings = sqliteTable(
  "content_settings",
  {
    kind: text("kind", { enum: ["key", "account"] }).notNull(),
    id: text("id").notNull(),
    setting: text("setting", { enum: ["on", "off", "forbid"] }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.kind, table.id] })],
);

/** What was said in calls, redacted, capped and encrypted. Apart from the calls: it lives days, and they live for years. */
export const callContents = sqliteTable(
  "call_contents",
  {
    ref: integer("ref").primaryKey(),
    callId: text("call_id").notNull(),
    keyId: text("key_id"),
    accountId: text("account_id").notNull(),
    createdMs: integer("created_ms").notNull(),
    /** Of `sealed`: their sum is bounded, and must not be found by reading them all. */
    bytes: integer("bytes").notNull(),
    sealed: blob("sealed", { mode: "buffer" }).notNull(),
  },
  (table) => [
    uniqueIndex("call_contents_call").on(table.callId),
    index("call_contents_created").on(table.createdMs, table.bytes),
    index("call_contents_key").on(table.keyId),
    index("call_contents_account").on(table.accountId),
  ],
);
