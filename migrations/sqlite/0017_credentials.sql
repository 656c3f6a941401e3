CREATE TABLE `credentials` (
	`ref` integer PRIMARY KEY NOT NULL,
	`id` text NOT NULL,
	`provider` text NOT NULL,
	`name` text NOT NULL,
	`sealed` blob NOT NULL,
	`last4` text NOT NULL,
	`weight` integer NOT NULL,
	`enabled` integer NOT NULL,
	`created_ms` integer NOT NULL,
	`changed_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `credentials_id` ON `credentials` (`id`);