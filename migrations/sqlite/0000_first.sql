CREATE TABLE `accounts` (
	`ref` integer PRIMARY KEY NOT NULL,
	`id` text NOT NULL,
	`parent_ref` integer,
	`name` text NOT NULL,
	`created_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `accounts_id` ON `accounts` (`id`);--> statement-breakpoint
CREATE INDEX `accounts_parent` ON `accounts` (`parent_ref`);--> statement-breakpoint
CREATE TABLE `attempts` (
	`call_seq` integer NOT NULL,
	`n` integer NOT NULL,
	`provider_ref` integer NOT NULL,
	`upstream_model_ref` integer NOT NULL,
	`upstream_id` text,
	`status` integer,
	`billed` integer NOT NULL,
	PRIMARY KEY(`call_seq`, `n`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `budget_windows` (
	`budget_ref` integer NOT NULL,
	`start_ms` integer NOT NULL,
	`spent_nano` integer NOT NULL,
	`held_nano` integer NOT NULL,
	PRIMARY KEY(`budget_ref`, `start_ms`),
	FOREIGN KEY (`budget_ref`) REFERENCES `budgets`(`ref`) ON UPDATE no action ON DELETE no action
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `budgets` (
	`ref` integer PRIMARY KEY NOT NULL,
	`id` text NOT NULL,
	`scope_kind` text NOT NULL,
	`scope_id` text NOT NULL,
	`window` text NOT NULL,
	`limit_nano` integer NOT NULL,
	`created_ms` integer NOT NULL,
	`removed_ms` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `budgets_id` ON `budgets` (`id`);--> statement-breakpoint
CREATE INDEX `budgets_scope` ON `budgets` (`scope_kind`,`scope_id`,`ref`);--> statement-breakpoint
CREATE TABLE `calls` (
	`seq` integer PRIMARY KEY NOT NULL,
	`id` text NOT NULL,
	`created_ms` integer NOT NULL,
	`finished_ms` integer NOT NULL,
	`account_ref` integer NOT NULL,
	`key_ref` integer,
	`principal_ref` integer NOT NULL,
	`dialect_ref` integer NOT NULL,
	`operation_ref` integer NOT NULL,
	`model_ref` integer NOT NULL,
	`provider_ref` integer,
	`upstream_model_ref` integer,
	`status` text NOT NULL,
	`source` text NOT NULL,
	`input_tokens` integer,
	`cache_read_tokens` integer,
	`cache_write_tokens` integer,
	`cache_write_1h_tokens` integer,
	`output_tokens` integer,
	`reasoning_tokens` integer,
	`cost_nano` integer,
	`charge_nano` integer,
	`price_version_ref` integer,
	`finish_ref` integer,
	`stream` integer NOT NULL,
	`ttft_ms` integer,
	`http_status` integer,
	`error_kind` text,
	`held_nano` integer NOT NULL,
	`attempt_count` integer NOT NULL,
	`upstream_id` text,
	`upstream_status` integer,
	`notes` text
);
--> statement-breakpoint
CREATE UNIQUE INDEX `calls_id` ON `calls` (`id`);--> statement-breakpoint
CREATE INDEX `calls_created` ON `calls` (`created_ms`);--> statement-breakpoint
CREATE INDEX `calls_account` ON `calls` (`account_ref`,`seq`);--> statement-breakpoint
CREATE INDEX `calls_key` ON `calls` (`key_ref`,`seq`);--> statement-breakpoint
CREATE INDEX `calls_model` ON `calls` (`model_ref`,`seq`);--> statement-breakpoint
CREATE INDEX `calls_provider` ON `calls` (`provider_ref`,`seq`) WHERE "calls"."provider_ref" is not null;--> statement-breakpoint
CREATE INDEX `calls_not_ok` ON `calls` (`status`,`seq`) WHERE status <> 'ok';--> statement-breakpoint
CREATE TABLE `keys` (
	`ref` integer PRIMARY KEY NOT NULL,
	`id` text NOT NULL,
	`account_ref` integer NOT NULL,
	`name` text NOT NULL,
	`prefix` text NOT NULL,
	`last4` text NOT NULL,
	`digest` text NOT NULL,
	`models` text,
	`limits` text NOT NULL,
	`cidrs` text NOT NULL,
	`expires_ms` integer,
	`revoked_ms` integer,
	`created_ms` integer NOT NULL,
	FOREIGN KEY (`account_ref`) REFERENCES `accounts`(`ref`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE UNIQUE INDEX `keys_id` ON `keys` (`id`);--> statement-breakpoint
CREATE UNIQUE INDEX `keys_digest` ON `keys` (`digest`);--> statement-breakpoint
CREATE INDEX `keys_account` ON `keys` (`account_ref`);--> statement-breakpoint
CREATE TABLE `labels` (
	`ref` integer PRIMARY KEY NOT NULL,
	`text` text NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `labels_text` ON `labels` (`text`);--> statement-breakpoint
CREATE TABLE `ledger` (
	`seq` integer PRIMARY KEY NOT NULL,
	`account_ref` integer NOT NULL,
	`call_seq` integer,
	`kind` text NOT NULL,
	`delta_nano` integer NOT NULL,
	`created_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `ledger_account` ON `ledger` (`account_ref`,`seq`);--> statement-breakpoint
CREATE INDEX `ledger_call` ON `ledger` (`call_seq`);--> statement-breakpoint
CREATE TABLE `open_calls` (
	`id` text PRIMARY KEY NOT NULL,
	`created_ms` integer NOT NULL,
	`account_ref` integer NOT NULL,
	`key_ref` integer,
	`principal_ref` integer NOT NULL,
	`dialect_ref` integer NOT NULL,
	`operation_ref` integer NOT NULL,
	`model_ref` integer NOT NULL,
	`provider_ref` integer NOT NULL,
	`upstream_model_ref` integer NOT NULL,
	`stream` integer NOT NULL,
	`holds` text NOT NULL,
	`held_nano` integer NOT NULL,
	`if_interrupted` text,
	`process` text NOT NULL
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `plugin_state` (
	`namespace` text NOT NULL,
	`key` text NOT NULL,
	`value` text NOT NULL,
	`expires_ms` integer,
	PRIMARY KEY(`namespace`, `key`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `refusal_counts` (
	`key_ref` integer NOT NULL,
	`minute` integer NOT NULL,
	`count` integer NOT NULL,
	PRIMARY KEY(`key_ref`, `minute`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `sessions` (
	`digest` text PRIMARY KEY NOT NULL,
	`role` text NOT NULL,
	`created_ms` integer NOT NULL,
	`expires_ms` integer NOT NULL
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `settings` (
	`name` text PRIMARY KEY NOT NULL,
	`value` text NOT NULL
) WITHOUT ROWID;
--> statement-breakpoint
CREATE VIEW `v_attempts` AS 
select c.id as call_id, 1 as n, p.text as provider, m.text as upstream_model, c.upstream_id, c.upstream_status as status,
  c.source <> 'none' as billed
from calls c join labels p on p.ref = c.provider_ref join labels m on m.ref = c.upstream_model_ref where c.attempt_count = 1
union all
select c.id, t.n, p.text, m.text, t.upstream_id, t.status, t.billed
from attempts t join calls c on c.seq = t.call_seq join labels p on p.ref = t.provider_ref
  join labels m on m.ref = t.upstream_model_ref;--> statement-breakpoint
CREATE VIEW `v_budget` AS 
select b.id as budget_id, b.scope_kind, b.scope_id, b.start_ms as window_start_ms, b.limit_nano,
  coalesce(w.spent_nano, 0) as spent_nano, coalesce(w.held_nano, 0) as held_nano
from (
  select *, case "window"
    when 'day' then unixepoch('now', 'start of day') * 1000
    when 'week' then unixepoch('now', '-6 days', 'weekday 1', 'start of day') * 1000
    when 'month' then unixepoch('now', 'start of month') * 1000
    else 0 end as start_ms
  from budgets where removed_ms is null
) b left join budget_windows w on w.budget_ref = b.ref and w.start_ms = b.start_ms;--> statement-breakpoint
CREATE VIEW `v_ledger` AS 
select l.seq, a.id as account_id, c.id as call_id, l.kind, l.delta_nano, l.created_ms
from ledger l join accounts a on a.ref = l.account_ref left join calls c on c.seq = l.call_seq;--> statement-breakpoint
CREATE VIEW `v_usage` AS 
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
  join labels um on um.ref = c.upstream_model_ref;