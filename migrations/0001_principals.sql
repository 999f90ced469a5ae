CREATE TABLE `access_keys` (
	`access_key_id` text PRIMARY KEY NOT NULL,
	`user_id` text NOT NULL,
	`is_active` integer NOT NULL,
	`created_at` integer NOT NULL,
	`root_version` integer NOT NULL,
	`sealed` text NOT NULL,
	`last_used_at` integer,
	`last_used_service` text,
	`last_used_region` text
);
--> statement-breakpoint
CREATE INDEX `access_keys_of_user` ON `access_keys` (`user_id`);--> statement-breakpoint
CREATE TABLE `attachments` (
	`owner_id` text NOT NULL,
	`policy_arn` text NOT NULL,
	PRIMARY KEY(`owner_id`, `policy_arn`)
);
--> statement-breakpoint
CREATE INDEX `attachments_of_policy` ON `attachments` (`policy_arn`,`owner_id`);--> statement-breakpoint
CREATE TABLE `group_members` (
	`group_id` text NOT NULL,
	`user_id` text NOT NULL,
	PRIMARY KEY(`group_id`, `user_id`)
);
--> statement-breakpoint
CREATE INDEX `group_members_of_user` ON `group_members` (`user_id`,`group_id`);--> statement-breakpoint
CREATE TABLE `groups` (
	`id` text PRIMARY KEY NOT NULL,
	`account` text NOT NULL,
	`name` text NOT NULL,
	`name_key` text NOT NULL,
	`path` text NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `groups_named` ON `groups` (`account`,`name_key`);--> statement-breakpoint
CREATE TABLE `iam_tags` (
	`owner_id` text NOT NULL,
	`tag_key` text NOT NULL,
	`tag_value` text NOT NULL,
	PRIMARY KEY(`owner_id`, `tag_key`)
);
--> statement-breakpoint
CREATE TABLE `inline_policies` (
	`owner_id` text NOT NULL,
	`name` text NOT NULL,
	`document` text NOT NULL,
	PRIMARY KEY(`owner_id`, `name`)
);
--> statement-breakpoint
CREATE TABLE `managed_policies` (
	`id` text PRIMARY KEY NOT NULL,
	`account` text NOT NULL,
	`name` text NOT NULL,
	`name_key` text NOT NULL,
	`path` text NOT NULL,
	`created_at` integer NOT NULL,
	`arn` text NOT NULL,
	`description` text NOT NULL,
	`default_version` integer NOT NULL,
	`last_version` integer NOT NULL,
	`updated_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `managed_policies_named` ON `managed_policies` (`account`,`name_key`);--> statement-breakpoint
CREATE UNIQUE INDEX `managed_policies_arn` ON `managed_policies` (`arn`);--> statement-breakpoint
CREATE TABLE `oidc_providers` (
	`arn` text PRIMARY KEY NOT NULL,
	`account` text NOT NULL,
	`url` text NOT NULL,
	`client_ids` text NOT NULL,
	`thumbprints` text NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `policy_versions` (
	`policy_id` text NOT NULL,
	`version` integer NOT NULL,
	`document` text NOT NULL,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`policy_id`, `version`)
);
--> statement-breakpoint
CREATE TABLE `retirable_grants` (
	`region` text NOT NULL,
	`key_id` text NOT NULL,
	`grant_id` text NOT NULL,
	`account` text NOT NULL,
	`retiring_id` text NOT NULL,
	`body` text NOT NULL,
	PRIMARY KEY(`region`, `key_id`, `grant_id`)
);
--> statement-breakpoint
CREATE INDEX `retirable_grants_listed` ON `retirable_grants` (`retiring_id`,`region`,`key_id`,`grant_id`);--> statement-breakpoint
CREATE TABLE `roles` (
	`id` text PRIMARY KEY NOT NULL,
	`account` text NOT NULL,
	`name` text NOT NULL,
	`name_key` text NOT NULL,
	`path` text NOT NULL,
	`created_at` integer NOT NULL,
	`description` text NOT NULL,
	`max_session_seconds` integer NOT NULL,
	`trust_policy` text NOT NULL,
	`trust_principal_ids` text NOT NULL,
	`boundary_arn` text,
	`last_used_at` integer,
	`last_used_region` text
);
--> statement-breakpoint
CREATE UNIQUE INDEX `roles_named` ON `roles` (`account`,`name_key`);--> statement-breakpoint
CREATE TABLE `users` (
	`id` text PRIMARY KEY NOT NULL,
	`account` text NOT NULL,
	`name` text NOT NULL,
	`name_key` text NOT NULL,
	`path` text NOT NULL,
	`created_at` integer NOT NULL,
	`boundary_arn` text
);
--> statement-breakpoint
CREATE UNIQUE INDEX `users_named` ON `users` (`account`,`name_key`);