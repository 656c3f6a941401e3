import { sql } from "drizzle-orm";
import { integer, sqliteView, text } from "drizzle-orm/sqlite-core";

/** Reporting views over the tables of `sqlite.ts`: stable, for BI tools and checks. */

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
  c.cache_write_tokens, c.cache_write_1h_tokens, c.output_tokens, c.reasoning_tokens,
  coalesce(coalesce(c.cost_nano, 0) + (select sum(j.cost_delta_nano) from adjustments j where j.call_seq = c.seq), c.cost_nano) as cost_nano,
  coalesce(coalesce(c.charge_nano, 0) + (select sum(j.charge_delta_nano) from adjustments j where j.call_seq = c.seq), c.charge_nano) as charge_nano,
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
