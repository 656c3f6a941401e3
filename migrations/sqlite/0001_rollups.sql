CREATE TABLE `latency_hourly` (
	`start_ms` integer NOT NULL,
	`measure` text NOT NULL,
	`provider_ref` integer NOT NULL,
	`up_to_ms` integer NOT NULL,
	`calls` integer NOT NULL,
	PRIMARY KEY(`start_ms`, `measure`, `provider_ref`, `up_to_ms`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `totals_daily` (
	`start_ms` integer NOT NULL,
	`model_ref` integer NOT NULL,
	`provider_ref` integer NOT NULL,
	`status` text NOT NULL,
	`calls` integer NOT NULL,
	`input_tokens` integer NOT NULL,
	`output_tokens` integer NOT NULL,
	`cache_read_tokens` integer NOT NULL,
	`cache_write_tokens` integer NOT NULL,
	`reasoning_tokens` integer NOT NULL,
	`cost_nano` integer NOT NULL,
	`charge_nano` integer NOT NULL,
	PRIMARY KEY(`start_ms`, `model_ref`, `provider_ref`, `status`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `totals_hourly` (
	`start_ms` integer NOT NULL,
	`model_ref` integer NOT NULL,
	`provider_ref` integer NOT NULL,
	`status` text NOT NULL,
	`calls` integer NOT NULL,
	`input_tokens` integer NOT NULL,
	`output_tokens` integer NOT NULL,
	`cache_read_tokens` integer NOT NULL,
	`cache_write_tokens` integer NOT NULL,
	`reasoning_tokens` integer NOT NULL,
	`cost_nano` integer NOT NULL,
	`charge_nano` integer NOT NULL,
	PRIMARY KEY(`start_ms`, `model_ref`, `provider_ref`, `status`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `usage_daily` (
	`start_ms` integer NOT NULL,
	`account_ref` integer NOT NULL,
	`key_ref` integer NOT NULL,
	`model_ref` integer NOT NULL,
	`provider_ref` integer NOT NULL,
	`status` text NOT NULL,
	`calls` integer NOT NULL,
	`input_tokens` integer NOT NULL,
	`output_tokens` integer NOT NULL,
	`cache_read_tokens` integer NOT NULL,
	`cache_write_tokens` integer NOT NULL,
	`reasoning_tokens` integer NOT NULL,
	`cost_nano` integer NOT NULL,
	`charge_nano` integer NOT NULL,
	PRIMARY KEY(`start_ms`, `account_ref`, `key_ref`, `model_ref`, `provider_ref`, `status`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `usage_hourly` (
	`start_ms` integer NOT NULL,
	`account_ref` integer NOT NULL,
	`key_ref` integer NOT NULL,
	`model_ref` integer NOT NULL,
	`provider_ref` integer NOT NULL,
	`status` text NOT NULL,
	`calls` integer NOT NULL,
	`input_tokens` integer NOT NULL,
	`output_tokens` integer NOT NULL,
	`cache_read_tokens` integer NOT NULL,
	`cache_write_tokens` integer NOT NULL,
	`reasoning_tokens` integer NOT NULL,
	`cost_nano` integer NOT NULL,
	`charge_nano` integer NOT NULL,
	PRIMARY KEY(`start_ms`, `account_ref`, `key_ref`, `model_ref`, `provider_ref`, `status`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `watermarks` (
	`name` text PRIMARY KEY NOT NULL,
	`seq` integer NOT NULL
) WITHOUT ROWID;
