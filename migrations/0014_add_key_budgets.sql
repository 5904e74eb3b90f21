ALTER TABLE "usage_events" ADD COLUMN "key_id" text;--> statement-breakpoint
ALTER TABLE "api_keys" ADD COLUMN "budget_micros_per_day" bigint;--> statement-breakpoint
ALTER TABLE "api_keys" ADD COLUMN "budget_micros_per_month" bigint;