CREATE TABLE `event_batch_index` (
	`batch_id` integer NOT NULL,
	`account` text NOT NULL,
	`region` text NOT NULL,
	`attribute` text NOT NULL,
	`value` text NOT NULL,
	`newest` integer NOT NULL,
	`oldest` integer NOT NULL,
	PRIMARY KEY(`batch_id`, `attribute`, `value`)
);
--> statement-breakpoint
CREATE INDEX `event_batches_by` ON `event_batch_index` (`account`,`region`,`attribute`,`value`,`newest`,`batch_id`,`oldest`);--> statement-breakpoint
CREATE TABLE `event_batches` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`digest` text NOT NULL,
	`count` integer NOT NULL,
	`total` integer NOT NULL,
	`body` text NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `event_batches_digest_unique` ON `event_batches` (`digest`);