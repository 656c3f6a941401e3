CREATE TABLE `limits` (
	`ref` integer PRIMARY KEY NOT NULL,
	`id` text NOT NULL,
	`scope_kind` text NOT NULL,
	`scope_id` text,
	`limits` text NOT NULL,
	`enforce` integer NOT NULL,
	`created_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `limits_id` ON `limits` (`id`);