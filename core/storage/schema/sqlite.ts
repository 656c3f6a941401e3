import { isNotNull, sql } from "drizzle-orm";
import { index, integer, primaryKey, sqliteTable, sqliteView, text, uniqueIndex } from "drizzle-orm/sqlite-core";

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
  (table) => [uniqueIndex("accounts_id").on(table.id), index("accounts_parent").on(table.parentRef)],
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
  },
  (table) => [
    uniqueIndex("keys_id").on(table.id),
    uniqueIndex("keys_digest").on(table.digest),
    index("keys_account").on(table.accountRef),
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

/** Where days, weeks and months begin in the time zones that budgets use: SQL cannot work it out. UTC needs none. @public */
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

/** Calls in flight: a row from admission to the final record. Small, so that a crash is swept quickly. */
export const openCalls = sqliteTable("open_calls", {
  id: text("id").primaryKey(),
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
  /** JSON of `Admission.ifInterrupted`; NULL: no price. */
  ifInterrupted: text("if_interrupted"),
  /** The process that serves it. */
  process: text("process").notNull(),
});

/** The one final record of a call, inserted once and never updated. */
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
  },
  (table) => [
    uniqueIndex("calls_id").on(table.id),
    index("calls_created").on(table.createdMs),
    index("calls_account").on(table.accountRef, table.seq),
    index("calls_key").on(table.keyRef, table.seq),
    index("calls_model").on(table.modelRef, table.seq),
    index("calls_provider").on(table.providerRef, table.seq).where(isNotNull(table.providerRef)),
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

/** Which calls the rollups hold: those with a `seq` up to this one. */
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
  /** 0: without a key. */
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
  (table) => [index("ledger_account").on(table.accountRef, table.seq), index("ledger_call").on(table.callSeq)],
);

/** Credits by their entry in the ledger, and what became of each: used, expired, or left. @public */
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
    /** 0: a caller without a key of ours. */
    keyRef: integer("key_ref").notNull(),
    minute: integer("minute").notNull(),
    count: integer("count").notNull(),
  },
  (table) => [primaryKey({ columns: [table.keyRef, table.minute] })],
);

export const sessions = sqliteTable("sessions", {
  digest: text("digest").primaryKey(),
  role: text("role", { enum: ["owner"] }).notNull(),
  createdMs: integer("created_ms").notNull(),
  expiresMs: integer("expires_ms").notNull(),
});

export const pluginState = sqliteTable(
  "plugin_state",
  {
    namespace: text("namespace").notNull(),
    key: text("key").notNull(),
    /** JSON. */
    value: text("value").notNull(),
    expiresMs: integer("expires_ms"),
  },
  (table) => [primaryKey({ columns: [table.namespace, table.key] })],
);

// ── reporting views: stable, for BI tools and checks ──────────────────────────────────────────────────────────────────

const number = (name: string) => integer(name);

export const usageView = sqliteView("v_usage", {
  call_id: text("call_id"),
  account_id: text("account_id"),
  key_id: text("key_id"),
  principal: text("principal"),
  dialect: text("dialect"),
  operation: text("operation"),
  model: text("model"),
  provider: text("provider"),
  upstream_model: text("upstream_model"),
  status: text("status"),
  source: text("source"),
  input_tokens: number("input_tokens"),
  cache_read_tokens: number("cache_read_tokens"),
  cache_write_tokens: number("cache_write_tokens"),
  cache_write_1h_tokens: number("cache_write_1h_tokens"),
  output_tokens: number("output_tokens"),
  reasoning_tokens: number("reasoning_tokens"),
  cost_nano: number("cost_nano"),
  charge_nano: number("charge_nano"),
  price_version: text("price_version"),
  finish_reason: text("finish_reason"),
  stream: number("stream"),
  ttft_ms: number("ttft_ms"),
  duration_ms: number("duration_ms"),
  created_ms: number("created_ms"),
  finished_ms: number("finished_ms"),
}).as(sql`
select c.id as call_id, a.id as account_id, k.id as key_id, p.text as principal, d.text as dialect, o.text as operation,
  m.text as model, pr.text as provider, um.text as upstream_model, c.status, c.source, c.input_tokens, c.cache_read_tokens,
  c.cache_write_tokens, c.cache_write_1h_tokens, c.output_tokens, c.reasoning_tokens, c.cost_nano, c.charge_nano,
  pv.text as price_version, f.text as finish_reason, c.stream, c.ttft_ms, c.finished_ms - c.created_ms as duration_ms,
  c.created_ms, c.finished_ms
from calls c join accounts a on a.ref = c.account_ref left join keys k on k.ref = c.key_ref
  join labels p on p.ref = c.principal_ref join labels d on d.ref = c.dialect_ref join labels o on o.ref = c.operation_ref
  join labels m on m.ref = c.model_ref left join labels pr on pr.ref = c.provider_ref
  left join labels um on um.ref = c.upstream_model_ref left join labels pv on pv.ref = c.price_version_ref
  left join labels f on f.ref = c.finish_ref
union all
select c.id, a.id, k.id, p.text, d.text, o.text, m.text, pr.text, um.text, 'open', null, null, null, null, null, null, null,
  null, null, null, null, c.stream, null, null, c.created_ms, null
from open_calls c join accounts a on a.ref = c.account_ref left join keys k on k.ref = c.key_ref
  join labels p on p.ref = c.principal_ref join labels d on d.ref = c.dialect_ref join labels o on o.ref = c.operation_ref
  join labels m on m.ref = c.model_ref join labels pr on pr.ref = c.provider_ref
  join labels um on um.ref = c.upstream_model_ref`);

export const attemptsView = sqliteView("v_attempts", {
  call_id: text("call_id"),
  n: number("n"),
  provider: text("provider"),
  upstream_model: text("upstream_model"),
  upstream_id: text("upstream_id"),
  status: number("status"),
  billed: number("billed"),
}).as(sql`
select c.id as call_id, 1 as n, p.text as provider, m.text as upstream_model, c.upstream_id, c.upstream_status as status,
  c.source <> 'none' as billed
from calls c join labels p on p.ref = c.provider_ref join labels m on m.ref = c.upstream_model_ref where c.attempt_count = 1
union all
select c.id, t.n, p.text, m.text, t.upstream_id, t.status, t.billed
from attempts t join calls c on c.seq = t.call_seq join labels p on p.ref = t.provider_ref
  join labels m on m.ref = t.upstream_model_ref`);

/** @public For drizzle-kit, which makes the migration from what this file exports. */
export const budgetView = sqliteView("v_budget", {
  budget_id: text("budget_id"),
  scope_kind: text("scope_kind"),
  scope_id: text("scope_id"),
  window_start_ms: number("window_start_ms"),
  limit_nano: number("limit_nano"),
  spent_nano: number("spent_nano"),
  held_nano: number("held_nano"),
}).as(sql`
select b.id as budget_id, b.scope_kind, b.scope_id, max(b.start_ms, b.reset_ms) as window_start_ms,
  b.limit_nano + case when b.extra_until_ms > b.now_ms then b.extra_nano else 0 end as limit_nano,
  coalesce((select sum(w.spent_nano) from budget_windows w where w.budget_ref = b.ref
    and w.start_ms >= max(b.start_ms, b.reset_ms) and w.start_ms < b.now_ms + 1000), 0) as spent_nano,
  coalesce((select sum(w.held_nano) from budget_windows w where w.budget_ref = b.ref
    and w.start_ms >= max(b.start_ms, b.reset_ms) and w.start_ms < b.now_ms + 1000), 0) as held_nano
from (
  select *, unixepoch('now') * 1000 as now_ms, case
    when "window" glob '[0-9]*h' then unixepoch('now') / cast("window" as integer) / 60 * cast("window" as integer) * 60000 - cast("window" as integer) * 3600000
    when "window" = 'lifetime' then 0
    when time_zone is not null then (select max(s.start_ms) from window_starts s
      where s.time_zone = budgets.time_zone and s."window" = budgets."window" and s.start_ms <= unixepoch('now') * 1000)
    when "window" = 'day' then unixepoch('now', 'start of day') * 1000
    when "window" = 'week' then unixepoch('now', '-6 days', 'weekday 1', 'start of day') * 1000
    else unixepoch('now', 'start of month') * 1000 end as start_ms
  from budgets where removed_ms is null and prepaid = 0
) b`);

/** @public For drizzle-kit, which makes the migration from what this file exports. */
export const ledgerView = sqliteView("v_ledger", {
  seq: number("seq"),
  account_id: text("account_id"),
  call_id: text("call_id"),
  kind: text("kind"),
  delta_nano: number("delta_nano"),
  created_ms: number("created_ms"),
}).as(sql`
select l.seq, a.id as account_id, c.id as call_id, l.kind, l.delta_nano, l.created_ms
from ledger l join accounts a on a.ref = l.account_ref left join calls c on c.seq = l.call_seq`);
