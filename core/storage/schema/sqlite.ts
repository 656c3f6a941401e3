import { sql } from "drizzle-orm";
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";

/**
 * The SQLite schema. Hot tables refer to others by small integers (`ref`), because a call's row is written once and kept
 * for ever; the views give BI tools and checks the public ids. Money is integer nano-USD, times epoch milliseconds.
 */

export const settings = sqliteTable("settings", { name: text("name").primaryKey(), value: text("value").notNull() });

export const accounts = sqliteTable(
  "accounts",
  {
    ref: integer("ref").primaryKey(),
    id: text("id").notNull(),
    parentRef: integer("parent_ref"),
    name: text("name").notNull(),
    createdMs: integer("created_ms").notNull(),
    /** The row stays: its calls and entries name it. */
    removedMs: integer("removed_ms"),
  },
  (table) => [
    uniqueIndex("accounts_id").on(table.id),
    index("accounts_parent").on(table.parentRef),
    index("accounts_name").on(table.name),
  ],
);

/**
 * Which accounts an account is under, itself included, and when it was: what a call counts on is decided by the tree at
 * its start, and must be known as long as the call is.
 */
export const accountLines = sqliteTable(
  "account_lines",
  {
    accountRef: integer("account_ref").notNull(),
    ancestorRef: integer("ancestor_ref").notNull(),
    /** 0: the account itself. */
    distance: integer("distance").notNull(),
    /** For calls that start from here on … */
    fromMs: integer("from_ms").notNull(),
    /** … and before this; NULL: until now. */
    untilMs: integer("until_ms"),
  },
  (table) => [
    primaryKey({ columns: [table.accountRef, table.ancestorRef, table.fromMs] }),
    index("account_lines_ancestor").on(table.ancestorRef),
  ],
);

export const keys = sqliteTable(
  "keys",
  {
    ref: integer("ref").primaryKey(),
    id: text("id").notNull(),
    accountRef: integer("account_ref")
      .notNull()
      .references(() => accounts.ref),
    name: text("name").notNull(),
    prefix: text("prefix").notNull(),
    last4: text("last4").notNull(),
    /** HMAC of the whole key; the key itself is nowhere. */
    digest: text("digest").notNull(),
    /** JSON list; NULL: all. */
    models: text("models"),
    limits: text("limits").notNull(),
    cidrs: text("cidrs").notNull(),
    expiresMs: integer("expires_ms"),
    revokedMs: integer("revoked_ms"),
    createdMs: integer("created_ms").notNull(),
    /** JSON list; NULL: all. */
    operations: text("operations"),
    /** JSON list of paths, each perhaps with `*`; NULL: all. */
    routes: text("routes"),
    /** JSON object of texts. */
    metadata: text("metadata").notNull().default("{}"),
    disabledMs: integer("disabled_ms"),
    /** Its name in the config file, which alone may change it; NULL: made by hand. */
    declaredAs: text("declared_as"),
    /** Known by its hash only: `digest` is of the SHA-256 of the key, as other gateways keep theirs. */
    imported: integer("imported", { mode: "boolean" }).notNull().default(false),
  },
  (table) => [
    uniqueIndex("keys_id").on(table.id),
    uniqueIndex("keys_digest").on(table.digest),
    uniqueIndex("keys_declared").on(table.declaredAs),
    index("keys_imported")
      .on(table.imported)
      .where(sql`imported = 1`),
    index("keys_account").on(table.accountRef),
    // Accounts tell how many of these they have. With its condition as a column: else each row is looked at for it.
    index("keys_not_revoked")
      .on(table.accountRef, table.revokedMs)
      .where(sql`revoked_ms is null`),
  ],
);

export const budgets = sqliteTable(
  "budgets",
  {
    ref: integer("ref").primaryKey(),
    id: text("id").notNull(),
    scopeKind: text("scope_kind").notNull(),
    scopeId: text("scope_id").notNull(),
    /** `day`, `week`, `month`, `lifetime`, or hours that roll: `5h`. */
    window: text("window").notNull(),
    limitNano: integer("limit_nano").notNull(),
    createdMs: integer("created_ms").notNull(),
    removedMs: integer("removed_ms"),
    /** Whose days, weeks and months; NULL: UTC's. */
    timeZone: text("time_zone"),
    onShortfall: text("on_shortfall", { enum: ["cap", "refuse"] })
      .notNull()
      .default("cap"),
    admission: text("admission", { enum: ["bound", "expected"] })
      .notNull()
      .default("bound"),
    /** On top of the limit, for calls that start before `extra_until_ms`. */
    extraNano: integer("extra_nano").notNull().default(0),
    extraUntilMs: integer("extra_until_ms").notNull().default(0),
    /** Calls that started before the last reset do not count any more; 0: there was none. */
    resetMs: integer("reset_ms").notNull().default(0),
    /** The balance of its account: `limit_nano` is what was credited and has not expired. */
    prepaid: integer("prepaid", { mode: "boolean" }).notNull().default(false),
    /** JSON list: percents of the limit that are told when spent. */
    alertPercents: text("alert_percents").notNull().default("[80,100]"),
  },
  (table) => [
    uniqueIndex("budgets_id").on(table.id),
    index("budgets_scope").on(table.scopeKind, table.scopeId, table.ref),
  ],
);

export const budgetWindows = sqliteTable(
  "budget_windows",
  {
    budgetRef: integer("budget_ref")
      .notNull()
      .references(() => budgets.ref),
    /** 0 for `lifetime`. Rolling hours have sixty parts with a row each; a reset starts a row of its own. */
    startMs: integer("start_ms").notNull(),
    spentNano: integer("spent_nano").notNull(),
    heldNano: integer("held_nano").notNull(),
  },
  (table) => [primaryKey({ columns: [table.budgetRef, table.startMs] })],
);

/** Where days, weeks and months begin in the time zones that budgets use: SQL cannot work it out. UTC needs none. */
export const windowStarts = sqliteTable(
  "window_starts",
  {
    timeZone: text("time_zone").notNull(),
    window: text("window").notNull(),
    startMs: integer("start_ms").notNull(),
  },
  (table) => [primaryKey({ columns: [table.timeZone, table.window, table.startMs] })],
);

/** Names that repeat over millions of rows: models, providers, principals, finish reasons, price versions. */
export const labels = sqliteTable(
  "labels",
  { ref: integer("ref").primaryKey(), text: text("text").notNull() },
  (table) => [uniqueIndex("labels_text").on(table.text)],
);

/**
 * Calls in flight: a row from admission to the final record. Small, so that a crash is swept quickly. A row takes the
 * place that another has left, so that the same few pages are written again and again, and none is made or given back.
 */
export const openCalls = sqliteTable("open_calls", {
  slot: integer("slot").primaryKey(),
  /** No index: whoever looks for one reads all, which are few. */
  id: text("id").notNull(),
  createdMs: integer("created_ms").notNull(),
  accountRef: integer("account_ref").notNull(),
  keyRef: integer("key_ref"),
  principalRef: integer("principal_ref").notNull(),
  dialectRef: integer("dialect_ref").notNull(),
  operationRef: integer("operation_ref").notNull(),
  modelRef: integer("model_ref").notNull(),
  providerRef: integer("provider_ref").notNull(),
  upstreamModelRef: integer("upstream_model_ref").notNull(),
  stream: integer("stream", { mode: "boolean" }).notNull(),
  /** JSON: `[[budget ref, window start ms, nano], …]`. */
  holds: text("holds").notNull(),
  heldNano: integer("held_nano").notNull(),
  /** What `Admission.ifInterrupted` says; NULL: no price. */
  expectedTokens: integer("expected_tokens"),
  expectedCostNano: integer("expected_cost_nano"),
  expectedChargeNano: integer("expected_charge_nano"),
  priceVersionRef: integer("price_version_ref"),
  /** The process that serves it. */
  process: text("process").notNull(),
  /** JSON of the labels that its caller came with; NULL: none. */
  labelsRef: integer("labels_ref"),
});

/**
 * The one final record of a call, inserted once and never updated. Each index here costs every call a page of the log:
 * what lists filter by is found through `call_blocks`.
 */
export const calls = sqliteTable(
  "calls",
  {
    seq: integer("seq").primaryKey(),
    id: text("id").notNull(),
    createdMs: integer("created_ms").notNull(),
    finishedMs: integer("finished_ms").notNull(),
    accountRef: integer("account_ref").notNull(),
    keyRef: integer("key_ref"),
    principalRef: integer("principal_ref").notNull(),
    dialectRef: integer("dialect_ref").notNull(),
    operationRef: integer("operation_ref").notNull(),
    modelRef: integer("model_ref").notNull(),
    providerRef: integer("provider_ref"),
    upstreamModelRef: integer("upstream_model_ref"),
    status: text("status").notNull(),
    source: text("source").notNull(),
    inputTokens: integer("input_tokens"),
    cacheReadTokens: integer("cache_read_tokens"),
    cacheWriteTokens: integer("cache_write_tokens"),
    cacheWrite1hTokens: integer("cache_write_1h_tokens"),
    outputTokens: integer("output_tokens"),
    reasoningTokens: integer("reasoning_tokens"),
    costNano: integer("cost_nano"),
    chargeNano: integer("charge_nano"),
    priceVersionRef: integer("price_version_ref"),
    finishRef: integer("finish_ref"),
    stream: integer("stream", { mode: "boolean" }).notNull(),
    ttftMs: integer("ttft_ms"),
    httpStatus: integer("http_status"),
    errorKind: text("error_kind"),
    heldNano: integer("held_nano").notNull(),
    /** How many requests went upstream; one is described right here, more are in `attempts`. */
    attemptCount: integer("attempt_count").notNull(),
    upstreamId: text("upstream_id"),
    upstreamStatus: integer("upstream_status"),
    /** JSON of `CallNotes`. */
    notes: text("notes"),
    /** JSON of the labels that its caller came with; NULL: none. */
    labelsRef: integer("labels_ref"),
  },
  (table) => [
    uniqueIndex("calls_id").on(table.id),
    index("calls_created").on(table.createdMs),
    index("calls_not_ok")
      .on(table.status, table.seq)
      .where(sql`status <> 'ok'`),
  ],
);

export const attempts = sqliteTable(
  "attempts",
  {
    callSeq: integer("call_seq").notNull(),
    n: integer("n").notNull(),
    providerRef: integer("provider_ref").notNull(),
    upstreamModelRef: integer("upstream_model_ref").notNull(),
    upstreamId: text("upstream_id"),
    status: integer("status"),
    billed: integer("billed", { mode: "boolean" }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.callSeq, table.n] })],
);

// ── rollups: sums over `calls` up to the watermark; reports add the calls after it ────────────────────────────────────

/** Which calls the rollups hold, and which `call_blocks` knows: those with a `seq` up to this one. */
export const watermarks = sqliteTable("watermarks", { name: text("name").primaryKey(), seq: integer("seq").notNull() });

const sums = () => ({
  calls: integer("calls").notNull(),
  inputTokens: integer("input_tokens").notNull(),
  outputTokens: integer("output_tokens").notNull(),
  cacheReadTokens: integer("cache_read_tokens").notNull(),
  cacheWriteTokens: integer("cache_write_tokens").notNull(),
  reasoningTokens: integer("reasoning_tokens").notNull(),
  costNano: integer("cost_nano").notNull(),
  chargeNano: integer("charge_nano").notNull(),
});
/** Start of the hour or day (UTC) that the calls were admitted in. */
const start = () => ({ startMs: integer("start_ms").notNull() });
const owners = () => ({
  accountRef: integer("account_ref").notNull(),
  /** 0: without a key; below 0: without one, and the labels that its caller came with have this reference, negated. */
  keyRef: integer("key_ref").notNull(),
});
const kinds = () => ({
  modelRef: integer("model_ref").notNull(),
  /** 0: without a provider. */
  providerRef: integer("provider_ref").notNull(),
  status: text("status").notNull(),
});

export const totalsHourly = sqliteTable("totals_hourly", { ...start(), ...kinds(), ...sums() }, (table) => [
  primaryKey({ columns: [table.startMs, table.modelRef, table.providerRef, table.status] }),
]);
export const totalsDaily = sqliteTable("totals_daily", { ...start(), ...kinds(), ...sums() }, (table) => [
  primaryKey({ columns: [table.startMs, table.modelRef, table.providerRef, table.status] }),
]);
export const usageHourly = sqliteTable("usage_hourly", { ...start(), ...owners(), ...kinds(), ...sums() }, (table) => [
  primaryKey({
    columns: [table.startMs, table.accountRef, table.keyRef, table.modelRef, table.providerRef, table.status],
  }),
]);
export const usageDaily = sqliteTable("usage_daily", { ...start(), ...owners(), ...kinds(), ...sums() }, (table) => [
  primaryKey({
    columns: [table.startMs, table.accountRef, table.keyRef, table.modelRef, table.providerRef, table.status],
  }),
]);

/** How many good calls took how long, by provider. */
export const latencyHourly = sqliteTable(
  "latency_hourly",
  {
    ...start(),
    measure: text("measure", { enum: ["duration", "ttft"] }).notNull(),
    providerRef: integer("provider_ref").notNull(),
    /** The bucket: at most this long, and longer than the next smaller one. */
    upToMs: integer("up_to_ms").notNull(),
    calls: integer("calls").notNull(),
  },
  (table) => [primaryKey({ columns: [table.startMs, table.measure, table.providerRef, table.upToMs] })],
);

/**
 * Where the calls of an account, key, model, provider or hour of admission are: in which blocks of 256 numbers. Filled
 * with the rollups, a row for many calls; the calls of a block are looked through one by one.
 */
export const callBlocks = sqliteTable(
  "call_blocks",
  {
    field: text("field", { enum: ["account", "key", "model", "provider", "hour"] }).notNull(),
    /** A reference, or the hour's number since 1970. */
    ref: integer("ref").notNull(),
    /** `seq / 256` */
    block: integer("block").notNull(),
  },
  (table) => [primaryKey({ columns: [table.field, table.ref, table.block] })],
);

/** Append-only. Charges are negative, credits positive. */
export const ledger = sqliteTable(
  "ledger",
  {
    seq: integer("seq").primaryKey(),
    accountRef: integer("account_ref").notNull(),
    callSeq: integer("call_seq"),
    kind: text("kind", { enum: ["charge", "adjustment", "credit", "expiry"] }).notNull(),
    deltaNano: integer("delta_nano").notNull(),
    createdMs: integer("created_ms").notNull(),
  },
  (table) => [
    index("ledger_account").on(table.accountRef, table.seq),
    index("ledger_call").on(table.callSeq),
    // Few among millions of charges, and each is of a call.
    index("ledger_adjustment")
      .on(table.seq)
      .where(sql`kind = 'adjustment'`),
    index("ledger_adjustment_account")
      .on(table.accountRef, table.seq)
      .where(sql`kind = 'adjustment'`),
  ],
);

/** Credits by their entry in the ledger, and what became of each: used, expired, or left. */
export const credits = sqliteTable(
  "credits",
  {
    seq: integer("seq").primaryKey(),
    accountRef: integer("account_ref").notNull(),
    amountNano: integer("amount_nano").notNull(),
    /** Brought up to date when a credit comes or goes; between these the credit that expires first is used first. */
    usedNano: integer("used_nano").notNull(),
    expiredNano: integer("expired_nano").notNull(),
    /** NULL: never. */
    expiresMs: integer("expires_ms"),
    note: text("note"),
  },
  (table) => [index("credits_account").on(table.accountRef, table.expiresMs)],
);

/** Refused calls beyond the first 60 a minute and key: counted, not stored. */
export const refusalCounts = sqliteTable(
  "refusal_counts",
  {
    /** Of callers without a key of ours their account's, negative. */
    keyRef: integer("key_ref").notNull(),
    minute: integer("minute").notNull(),
    count: integer("count").notNull(),
  },
  (table) => [primaryKey({ columns: [table.keyRef, table.minute] })],
);
