CREATE TABLE `processes` (
	`id` text PRIMARY KEY NOT NULL,
	`started_ms` integer NOT NULL,
	`lease_until_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `purged_calls` (
	`start_ms` integer NOT NULL,
	`account_ref` integer NOT NULL,
	`calls` integer NOT NULL,
	`input_tokens` integer NOT NULL,
	`output_tokens` integer NOT NULL,
	`cache_read_tokens` integer NOT NULL,
	`cache_write_tokens` integer NOT NULL,
	`reasoning_tokens` integer NOT NULL,
	`cost_nano` integer NOT NULL,
	`charge_nano` integer NOT NULL,
	PRIMARY KEY(`start_ms`, `account_ref`)
);
--> statement-breakpoint
CREATE TABLE `purged_keys` (
	`key_ref` integer PRIMARY KEY NOT NULL,
	`last_used_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `purged_spent` (
	`budget_ref` integer NOT NULL,
	`start_ms` integer NOT NULL,
	`spent_nano` integer NOT NULL,
	PRIMARY KEY(`budget_ref`, `start_ms`)
);
--> statement-breakpoint
CREATE TABLE `purges` (
	`id` integer PRIMARY KEY NOT NULL,
	`through_seq` integer NOT NULL,
	`before_ms` integer NOT NULL,
	`calls` integer NOT NULL,
	`last_ms` integer NOT NULL
);
