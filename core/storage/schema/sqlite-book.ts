import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";

/** Prices, and terms of charging, that were set through the API or the dashboard. One that is in effect never changes. */
export const bookEntries = sqliteTable(
  "book_entries",
  {
    ref: integer("ref").primaryKey(),
    id: text("id").notNull(),
    kind: text("kind", { enum: ["price", "charge"] }).notNull(),
    target: text("target").notNull(),
    /** NULL: a price, or terms for everybody. */
    accountId: text("account_id"),
    /** Epoch milliseconds. */
    effectiveMs: integer("effective_ms").notNull(),
    /** JSON of the prices or terms; NULL: takes the ones before it back. */
    value: text("value"),
    author: text("author").notNull(),
    createdMs: integer("created_ms").notNull(),
  },
  (table) => [uniqueIndex("book_entries_id").on(table.id)],
);

/** Targets that were asked for and had no price. Bounded: models' names come from clients. */
export const unpricedTargets = sqliteTable(
  "unpriced_targets",
  {
    provider: text("provider").notNull(),
    model: text("model").notNull(),
    asked: integer("asked").notNull(),
    lastMs: integer("last_ms").notNull(),
  },
  (table) => [primaryKey({ columns: [table.provider, table.model] })],
);

/**
 * What re-rating found a call to differ by. Append-only; the charge is in the ledger as well, as `adjustment`.
 * @public Read by the view of calls.
 */
export const adjustments = sqliteTable(
  "adjustments",
  {
    seq: integer("seq").primaryKey(),
    callSeq: integer("call_seq").notNull(),
    /** New less old; an unknown cost or charge counts as 0. */
    costDeltaNano: integer("cost_delta_nano").notNull(),
    chargeDeltaNano: integer("charge_delta_nano").notNull(),
    priceVersionRef: integer("price_version_ref").notNull(),
    reason: text("reason").notNull(),
    author: text("author").notNull(),
    createdMs: integer("created_ms").notNull(),
  },
  (table) => [index("adjustments_call").on(table.callSeq)],
);
