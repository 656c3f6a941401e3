ALTER TABLE `calls` ADD `labels_ref` integer;--> statement-breakpoint
ALTER TABLE `open_calls` ADD `labels_ref` integer;