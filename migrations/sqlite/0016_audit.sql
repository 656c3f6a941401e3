CREATE TABLE `audit_entries` (
	`seq` integer PRIMARY KEY NOT NULL,
	`created_ms` integer NOT NULL,
	`actor_kind` text NOT NULL,
	`actor_id` text,
	`actor_name` text NOT NULL,
	`actor_role` text,
	`actor_account_id` text,
	`address` text,
	`route` text,
	`action` text NOT NULL,
	`object_kind` text NOT NULL,
	`object_id` text,
	`account_id` text,
	`before` text,
	`after` text,
	`times` integer NOT NULL,
	`hash` text NOT NULL
);
--> statement-breakpoint
CREATE INDEX `audit_entries_created` ON `audit_entries` (`created_ms`);--> statement-breakpoint
CREATE INDEX `audit_entries_actor` ON `audit_entries` (`actor_id`);--> statement-breakpoint
CREATE INDEX `audit_entries_action` ON `audit_entries` (`action`);--> statement-breakpoint
CREATE INDEX `audit_entries_object` ON `audit_entries` (`object_kind`,`object_id`);--> statement-breakpoint
CREATE INDEX `audit_entries_account` ON `audit_entries` (`account_id`);--> statement-breakpoint
CREATE TABLE `audit_head` (
	`id` integer PRIMARY KEY NOT NULL,
	`seq` integer NOT NULL,
	`hash` text NOT NULL
);
--> statement-breakpoint
INSERT INTO `audit_head` (`id`, `seq`, `hash`) VALUES (1, 0, '0000000000000000000000000000000000000000000000000000000000000000');--> statement-breakpoint
CREATE TRIGGER `audit_entries_follow` BEFORE INSERT ON `audit_entries` WHEN NEW.`seq` <> (SELECT `seq` + 1 FROM `audit_head` WHERE `id` = 1)
BEGIN
	SELECT RAISE(ABORT, 'the audit log only grows at its end');
END;--> statement-breakpoint
CREATE TRIGGER `audit_entries_stay` BEFORE UPDATE ON `audit_entries`
BEGIN
	SELECT RAISE(ABORT, 'the audit log is never changed');
END;--> statement-breakpoint
CREATE TRIGGER `audit_entries_remain` BEFORE DELETE ON `audit_entries`
BEGIN
	SELECT RAISE(ABORT, 'the audit log is never changed');
END;--> statement-breakpoint
CREATE TRIGGER `audit_head_moves_on` BEFORE UPDATE ON `audit_head` WHEN NEW.`seq` <> OLD.`seq` + 1 OR NEW.`id` <> OLD.`id`
BEGIN
	SELECT RAISE(ABORT, 'the audit log only grows at its end');
END;--> statement-breakpoint
CREATE TRIGGER `audit_head_stays` BEFORE DELETE ON `audit_head`
BEGIN
	SELECT RAISE(ABORT, 'the audit log is never changed');
END;
