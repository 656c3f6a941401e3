CREATE TABLE `disabled_accounts` (
	`account_ref` integer PRIMARY KEY NOT NULL,
	`since_ms` integer NOT NULL
);
