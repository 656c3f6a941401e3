CREATE TABLE `call_contents` (
	`ref` integer PRIMARY KEY NOT NULL,
	`call_id` text NOT NULL,
	`key_id` text,
	`account_id` text NOT NULL,
	`created_ms` integer NOT NULL,
	`bytes` integer NOT NULL,
	`sealed` blob NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `call_contents_call` ON `call_contents` (`call_id`);--> statement-breakpoint
CREATE INDEX `call_contents_created` ON `call_contents` (`created_ms`,`bytes`);--> statement-breakpoint
CREATE INDEX `call_contents_key` ON `call_contents` (`key_id`);--> statement-breakpoint
CREATE INDEX `call_contents_account` ON `call_contents` (`account_id`);--> statement-breakpoint
CREATE TABLE `content_settings` (
	`kind` text NOT NULL,
	`id` text NOT NULL,
	`setting` text NOT NULL,
	PRIMARY KEY(`kind`, `id`)
);
