CREATE TABLE `account_terms` (
	`account_id` text PRIMARY KEY NOT NULL,
	`models` text,
	`providers` text,
	`operations` text,
	`uncapped_output_tokens` integer,
	`key_rotation` integer NOT NULL,
	`metadata` text NOT NULL
);
