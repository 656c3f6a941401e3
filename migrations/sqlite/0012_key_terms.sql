CREATE TABLE `older_secrets` (
	`digest` text PRIMARY KEY NOT NULL,
	`key_ref` integer NOT NULL,
	`prefix` text NOT NULL,
	`last4` text NOT NULL,
	`imported` integer NOT NULL,
	`until_ms` integer NOT NULL,
	FOREIGN KEY (`key_ref`) REFERENCES `keys`(`ref`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE INDEX `older_secrets_key` ON `older_secrets` (`key_ref`);--> statement-breakpoint
ALTER TABLE `keys` ADD `operations` text;--> statement-breakpoint
ALTER TABLE `keys` ADD `routes` text;--> statement-breakpoint
ALTER TABLE `keys` ADD `metadata` text DEFAULT '{}' NOT NULL;--> statement-breakpoint
ALTER TABLE `keys` ADD `disabled_ms` integer;--> statement-breakpoint
ALTER TABLE `keys` ADD `declared_as` text;--> statement-breakpoint
ALTER TABLE `keys` ADD `imported` integer DEFAULT false NOT NULL;--> statement-breakpoint
CREATE UNIQUE INDEX `keys_declared` ON `keys` (`declared_as`);--> statement-breakpoint
CREATE INDEX `keys_imported` ON `keys` (`imported`) WHERE imported = 1;