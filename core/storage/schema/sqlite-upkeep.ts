import { integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

/** How far calls that are too old have been deleted; one row, or none as long as no call has been. */
export const purges = sqliteTable("purges", {
  id: integer("id").primaryKey(),
  /** Calls with a `seq` up to this one are gone. */
  throughSeq: integer("through_seq").notNull(),
  /** Calls admitted before this may be gone: reports of that time are by whole hours. Start of a day, UTC. */
  beforeMs: integer("before_ms").notNull(),
  calls: integer("calls").notNull(),
  lastMs: integer("last_ms").notNull(),
});

/** What deleted calls added up to, with their adjustments: the proofs need it where the records were. */
export const purgedCalls = sqliteTable(
  "purged_calls",
  {
    /** Start of the day (UTC) that they were admitted in. */
    startMs: integer("start_ms").notNull(),
    accountRef: integer("account_ref").notNull(),
    calls: integer("calls").notNull(),
    inputTokens: integer("input_tokens").notNull(),
    outputTokens: integer("output_tokens").notNull(),
    cacheReadTokens: integer("cache_read_tokens").notNull(),
    cacheWriteTokens: integer("cache_write_tokens").notNull(),
    reasoningTokens: integer("reasoning_tokens").notNull(),
    costNano: integer("cost_nano").notNull(),
    chargeNano: integer("charge_nano").notNull(),
  },
  (table) => [primaryKey({ columns: [table.startMs, table.accountRef] })],
);

/**
 * What a row of `budget_windows` has spent besides the calls that its moments say: that of deleted calls, and that of calls
 * which a change found there although they start after it, because the clock was set back; less than 0 where they went.
 */
export const purgedSpent = sqliteTable(
  "purged_spent",
  {
    budgetRef: integer("budget_ref").notNull(),
    startMs: integer("start_ms").notNull(),
    spentNano: integer("spent_nano").notNull(),
  },
  (table) => [primaryKey({ columns: [table.budgetRef, table.startMs] })],
);

/** When the newest deleted call of a key was admitted: it may have been the key's last. */
export const purgedKeys = sqliteTable("purged_keys", {
  keyRef: integer("key_ref").primaryKey(),
  lastUsedMs: integer("last_used_ms").notNull(),
});

/** Processes that serve; the calls they have open are theirs while their lease lasts. */
export const processes = sqliteTable("processes", {
  id: text("id").primaryKey(),
  startedMs: integer("started_ms").notNull(),
  leaseUntilMs: integer("lease_until_ms").notNull(),
});
