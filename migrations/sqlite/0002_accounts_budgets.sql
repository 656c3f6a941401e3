CREATE TABLE `account_lines` (
	`account_ref` integer NOT NULL,
	`ancestor_ref` integer NOT NULL,
	`distance` integer NOT NULL,
	`from_ms` integer NOT NULL,
	`until_ms` integer,
	PRIMARY KEY(`account_ref`, `ancestor_ref`, `from_ms`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `account_lines_ancestor` ON `account_lines` (`ancestor_ref`);--> statement-breakpoint
CREATE TABLE `credits` (
	`seq` integer PRIMARY KEY NOT NULL,
	`account_ref` integer NOT NULL,
	`amount_nano` integer NOT NULL,
	`used_nano` integer NOT NULL,
	`expired_nano` integer NOT NULL,
	`expires_ms` integer,
	`note` text
);
--> statement-breakpoint
CREATE INDEX `credits_account` ON `credits` (`account_ref`,`expires_ms`);--> statement-breakpoint
CREATE TABLE `window_starts` (
	`time_zone` text NOT NULL,
	`window` text NOT NULL,
	`start_ms` integer NOT NULL,
	PRIMARY KEY(`time_zone`, `window`, `start_ms`)
) WITHOUT ROWID;
--> statement-breakpoint
ALTER TABLE `accounts` ADD `removed_ms` integer;--> statement-breakpoint
ALTER TABLE `budgets` ADD `time_zone` text;--> statement-breakpoint
ALTER TABLE `budgets` ADD `on_shortfall` text DEFAULT 'cap' NOT NULL;--> statement-breakpoint
ALTER TABLE `budgets` ADD `admission` text DEFAULT 'bound' NOT NULL;--> statement-breakpoint
ALTER TABLE `budgets` ADD `extra_nano` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `budgets` ADD `extra_until_ms` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `budgets` ADD `reset_ms` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `budgets` ADD `prepaid` integer DEFAULT false NOT NULL;--> statement-breakpoint
DROP VIEW `v_budget`;--> statement-breakpoint
CREATE VIEW `v_budget` AS 
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
) b;--> statement-breakpoint
WITH RECURSIVE above(account_ref, ancestor_ref, distance) AS (
  SELECT ref, ref, 0 FROM accounts
  UNION ALL SELECT below.account_ref, a.parent_ref, below.distance + 1
    FROM above below JOIN accounts a ON a.ref = below.ancestor_ref WHERE a.parent_ref IS NOT NULL AND below.distance < 8)
INSERT INTO account_lines (account_ref, ancestor_ref, distance, from_ms) SELECT account_ref, ancestor_ref, distance, 0 FROM above;
