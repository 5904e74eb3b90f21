ALTER TABLE "notifications" ADD COLUMN "actions" jsonb DEFAULT '[]'::jsonb NOT NULL;--> statement-breakpoint
ALTER TABLE "notifications" ADD COLUMN "action_taken" text;--> statement-breakpoint
ALTER TABLE "notifications" ADD COLUMN "collapse_key" text;--> statement-breakpoint
ALTER TABLE "notifications" ADD COLUMN "seen_at" timestamp with time zone;--> statement-breakpoint
CREATE INDEX "notifications_collapse" ON "notifications" USING btree ("user_id","collapse_key") WHERE "notifications"."collapse_key" is not null and "notifications"."seen_at" is null;