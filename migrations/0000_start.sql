CREATE TABLE `aliases` (
	`account` text NOT NULL,
	`region` text NOT NULL,
	`alias_name` text NOT NULL,
	`target_key_id` text NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	PRIMARY KEY(`account`, `region`, `alias_name`)
);
--> statement-breakpoint
CREATE INDEX `aliases_of_key` ON `aliases` (`region`,`target_key_id`,`alias_name`);--> statement-breakpoint
CREATE TABLE `keys` (
	`region` text NOT NULL,
	`key_id` text NOT NULL,
	`account` text NOT NULL,
	`revision` integer NOT NULL,
	`state` text NOT NULL,
	`created_at` integer NOT NULL,
	`due_at` integer,
	`deleted_at` integer,
	`fault` text,
	`is_restore_accepted` integer DEFAULT false NOT NULL,
	PRIMARY KEY(`region`, `key_id`)
);
--> statement-breakpoint
CREATE INDEX `keys_listed` ON `keys` (`account`,`region`,`key_id`) WHERE deleted_at is null;--> statement-breakpoint
CREATE INDEX `keys_due` ON `keys` (`due_at`,`region`,`key_id`) WHERE due_at is not null;--> statement-breakpoint
CREATE INDEX `keys_faulty` ON `keys` (`fault`) WHERE fault is not null;--> statement-breakpoint
CREATE TABLE `root_keys` (
	`version` integer PRIMARY KEY NOT NULL,
	`check_value` text NOT NULL
);
