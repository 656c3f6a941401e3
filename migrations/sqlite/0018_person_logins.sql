CREATE TABLE `person_logins` (
	`issuer` text NOT NULL,
	`subject` text NOT NULL,
	`person_ref` integer NOT NULL,
	`created_ms` integer NOT NULL,
	PRIMARY KEY(`issuer`, `subject`)
);
--> statement-breakpoint
CREATE INDEX `person_logins_person` ON `person_logins` (`person_ref`);