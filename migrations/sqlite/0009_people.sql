CREATE TABLE `people` (
	`ref` integer PRIMARY KEY NOT NULL,
	`id` text NOT NULL,
	`kind` text NOT NULL,
	`email` text,
	`name` text NOT NULL,
	`role` text NOT NULL,
	`account_ref` integer,
	`password` text,
	`totp` blob,
	`totp_step` integer DEFAULT 0 NOT NULL,
	`recovery` text DEFAULT '[]' NOT NULL,
	`created_ms` integer NOT NULL,
	`signed_in_ms` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `people_id` ON `people` (`id`);--> statement-breakpoint
CREATE UNIQUE INDEX `people_email` ON `people` (`email`);--> statement-breakpoint
CREATE INDEX `people_account` ON `people` (`account_ref`);--> statement-breakpoint
CREATE TABLE `person_links` (
	`digest` text PRIMARY KEY NOT NULL,
	`person_ref` integer NOT NULL,
	`expires_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `person_links_person` ON `person_links` (`person_ref`);--> statement-breakpoint
CREATE TABLE `person_tokens` (
	`ref` integer PRIMARY KEY NOT NULL,
	`id` text NOT NULL,
	`person_ref` integer NOT NULL,
	`name` text NOT NULL,
	`digest` text NOT NULL,
	`last4` text NOT NULL,
	`created_ms` integer NOT NULL,
	`expires_ms` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `person_tokens_id` ON `person_tokens` (`id`);--> statement-breakpoint
CREATE UNIQUE INDEX `person_tokens_digest` ON `person_tokens` (`digest`);--> statement-breakpoint
CREATE INDEX `person_tokens_person` ON `person_tokens` (`person_ref`);--> statement-breakpoint
ALTER TABLE `sessions` ADD `id` text;--> statement-breakpoint
ALTER TABLE `sessions` ADD `person_ref` integer;--> statement-breakpoint
ALTER TABLE `sessions` ADD `address` text;--> statement-breakpoint
ALTER TABLE `sessions` ADD `agent` text;--> statement-breakpoint
CREATE INDEX `sessions_person` ON `sessions` (`person_ref`);