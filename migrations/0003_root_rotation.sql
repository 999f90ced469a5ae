ALTER TABLE `root_keys` ADD `superseded_at` integer;--> statement-breakpoint
ALTER TABLE `root_keys` ADD `retired_at` integer;