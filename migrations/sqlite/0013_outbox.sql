CREATE TABLE `alerts` (
	`seq` integer PRIMARY KEY NOT NULL,
	`id` text NOT NULL,
	`type` text NOT NULL,
	`line` text NOT NULL,
	`data` text NOT NULL,
	`created_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `alerts_id` ON `alerts` (`id`);--> statement-breakpoint
CREATE INDEX `alerts_created` ON `alerts` (`created_ms`);--> statement-breakpoint
CREATE TABLE `budget_marks` (
	`budget_ref` integer PRIMARY KEY NOT NULL,
	`percent` integer NOT NULL,
	`start_ms` integer NOT NULL,
	`limit_nano` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `call_marks` (
	`subject` text PRIMARY KEY NOT NULL,
	`told_ms` integer NOT NULL,
	`untold` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `deliveries` (
	`seq` integer PRIMARY KEY NOT NULL,
	`receiver` text NOT NULL,
	`event_id` text NOT NULL,
	`alert_seq` integer,
	`event` text,
	`state` text NOT NULL,
	`attempts` integer NOT NULL,
	`since_ms` integer NOT NULL,
	`next_ms` integer NOT NULL,
	`last_error` text,
	`ended_ms` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `deliveries_event` ON `deliveries` (`receiver`,`event_id`);--> statement-breakpoint
CREATE INDEX `deliveries_due` ON `deliveries` (`receiver`,`next_ms`) WHERE state = 'waiting';--> statement-breakpoint
CREATE INDEX `deliveries_dead` ON `deliveries` (`receiver`,`seq`) WHERE state = 'dead';--> statement-breakpoint
CREATE INDEX `deliveries_alert` ON `deliveries` (`alert_seq`);--> statement-breakpoint
CREATE TABLE `receivers` (
	`name` text PRIMARY KEY NOT NULL,
	`call_seq` integer NOT NULL,
	`adjustment_seq` integer NOT NULL,
	`awaited` integer NOT NULL,
	`attempts` integer NOT NULL,
	`failed_since_ms` integer,
	`next_ms` integer NOT NULL,
	`last_error` text,
	`last_error_ms` integer,
	`last_delivered_ms` integer
);
--> statement-breakpoint
CREATE INDEX `receivers_awaited` ON `receivers` (`awaited`,`call_seq`);--> statement-breakpoint
ALTER TABLE `budgets` ADD `alert_percents` text DEFAULT '[80,100]' NOT NULL;