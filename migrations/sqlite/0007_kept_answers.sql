CREATE TABLE `kept_answers` (
	`place` text PRIMARY KEY NOT NULL,
	`account_id` text NOT NULL,
	`call_id` text NOT NULL,
	`fingerprint` text NOT NULL,
	`state` text NOT NULL,
	`created_ms` integer NOT NULL,
	`expires_ms` integer NOT NULL,
	`replays` integer DEFAULT 0 NOT NULL,
	`bytes` integer DEFAULT 0 NOT NULL,
	`answer` blob
);
--> statement-breakpoint
CREATE INDEX `kept_answers_call` ON `kept_answers` (`call_id`);--> statement-breakpoint
CREATE INDEX `kept_answers_expires` ON `kept_answers` (`expires_ms`,`bytes`);--> statement-breakpoint
CREATE INDEX `kept_answers_account` ON `kept_answers` (`account_id`,`created_ms`,`bytes`);--> statement-breakpoint
CREATE INDEX `kept_answers_large` ON `kept_answers` (`account_id`,`created_ms`) WHERE bytes > 0;