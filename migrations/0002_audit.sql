CREATE TABLE `cursors` (
	`name` text PRIMARY KEY NOT NULL,
	`place` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `dead_letters` (
	`message_id` text PRIMARY KEY NOT NULL,
	`queue` text NOT NULL,
	`received_at` integer NOT NULL,
	`body` text NOT NULL,
	`reason` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `event_resources` (
	`account` text NOT NULL,
	`region` text NOT NULL,
	`resource_name` text NOT NULL,
	`resource_type` text NOT NULL,
	`time` integer NOT NULL,
	`sequence` integer NOT NULL,
	PRIMARY KEY(`sequence`, `resource_name`)
);
--> statement-breakpoint
CREATE INDEX `event_resources_by_name` ON `event_resources` (`account`,`region`,`resource_name`,`time`,`sequence`);--> statement-breakpoint
CREATE INDEX `event_resources_by_type` ON `event_resources` (`account`,`region`,`resource_type`,`time`,`sequence`);--> statement-breakpoint
CREATE TABLE `events` (
	`sequence` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`event_id` text NOT NULL,
	`account` text NOT NULL,
	`region` text NOT NULL,
	`time` integer NOT NULL,
	`source` text NOT NULL,
	`name` text NOT NULL,
	`is_read_only` integer NOT NULL,
	`user_name` text,
	`access_key_id` text,
	`body` text NOT NULL,
	`is_change` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `events_by_id` ON `events` (`event_id`);--> statement-breakpoint
CREATE INDEX `events_by_time` ON `events` (`account`,`region`,`time`,`sequence`);--> statement-breakpoint
CREATE INDEX `events_by_name` ON `events` (`account`,`region`,`name`,`time`,`sequence`);--> statement-breakpoint
CREATE INDEX `events_by_user` ON `events` (`account`,`region`,`user_name`,`time`,`sequence`);--> statement-breakpoint
CREATE INDEX `events_by_access_key` ON `events` (`account`,`region`,`access_key_id`,`time`,`sequence`);--> statement-breakpoint
CREATE INDEX `events_by_source` ON `events` (`account`,`region`,`source`,`time`,`sequence`);--> statement-breakpoint
CREATE INDEX `events_by_read_only` ON `events` (`account`,`region`,`is_read_only`,`time`,`sequence`);--> statement-breakpoint
CREATE INDEX `events_kept` ON `events` (`is_change`,`sequence`);--> statement-breakpoint
CREATE TABLE `key_usage` (
	`region` text NOT NULL,
	`key_id` text NOT NULL,
	`operation` text NOT NULL,
	`used_at` integer NOT NULL,
	`event_id` text NOT NULL,
	`request_id` text NOT NULL,
	PRIMARY KEY(`region`, `key_id`)
);
