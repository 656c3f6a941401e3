CREATE TABLE `call_blocks` (
	`field` text NOT NULL,
	`ref` integer NOT NULL,
	`block` integer NOT NULL,
	PRIMARY KEY(`field`, `ref`, `block`)
) WITHOUT ROWID;
--> statement-breakpoint
INSERT INTO `call_blocks` SELECT DISTINCT 'account', `account_ref`, `seq` / 256 FROM `calls`;--> statement-breakpoint
INSERT INTO `call_blocks` SELECT DISTINCT 'key', `key_ref`, `seq` / 256 FROM `calls` WHERE `key_ref` IS NOT NULL;--> statement-breakpoint
INSERT INTO `call_blocks` SELECT DISTINCT 'model', `model_ref`, `seq` / 256 FROM `calls`;--> statement-breakpoint
INSERT INTO `call_blocks` SELECT DISTINCT 'provider', `provider_ref`, `seq` / 256 FROM `calls` WHERE `provider_ref` IS NOT NULL;--> statement-breakpoint
INSERT INTO `call_blocks` SELECT DISTINCT 'hour', `created_ms` / 3600000, `seq` / 256 FROM `calls`;--> statement-breakpoint
INSERT INTO `watermarks` SELECT 'blocks', coalesce(max(`seq`), 0) FROM `calls`;--> statement-breakpoint
DROP INDEX `calls_account`;--> statement-breakpoint
DROP INDEX `calls_key`;--> statement-breakpoint
DROP INDEX `calls_model`;--> statement-breakpoint
DROP INDEX `calls_provider`;
--> statement-breakpoint
ALTER TABLE `open_calls` ADD `expected_tokens` integer;--> statement-breakpoint
ALTER TABLE `open_calls` ADD `expected_cost_nano` integer;--> statement-breakpoint
ALTER TABLE `open_calls` ADD `expected_charge_nano` integer;--> statement-breakpoint
ALTER TABLE `open_calls` ADD `price_version_ref` integer;--> statement-breakpoint
INSERT OR IGNORE INTO `labels` (`text`) SELECT DISTINCT `if_interrupted` ->> '$.priceVersion' FROM `open_calls` WHERE `if_interrupted` IS NOT NULL;--> statement-breakpoint
UPDATE `open_calls` SET
	`expected_tokens` = `if_interrupted` ->> '$.usage.inputTokens',
	`expected_cost_nano` = `if_interrupted` ->> '$.costNano',
	`expected_charge_nano` = `if_interrupted` ->> '$.chargeNano',
	`price_version_ref` = (SELECT `ref` FROM `labels` WHERE `text` = `if_interrupted` ->> '$.priceVersion')
WHERE `if_interrupted` IS NOT NULL;--> statement-breakpoint
ALTER TABLE `open_calls` DROP COLUMN `if_interrupted`;
