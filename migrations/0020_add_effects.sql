CREATE TABLE "effects" (
	"id" text PRIMARY KEY NOT NULL,
	"user_id" text NOT NULL,
	"key" text NOT NULL,
	"kind" text NOT NULL,
	"input" jsonb NOT NULL,
	"says" text NOT NULL,
	"changes" jsonb NOT NULL,
	"before" jsonb,
	"found" jsonb,
	"lefts" jsonb,
	"status" text NOT NULL,
	"outward" boolean NOT NULL,
	"tainted" boolean NOT NULL,
	"agreed" boolean NOT NULL,
	"undo" jsonb,
	"undo_until" timestamp with time zone,
	"held_until" timestamp with time zone,
	"output" jsonb,
	"evidence_id" text,
	"provider" text,
	"error_code" text,
	"error" text,
	"is_retryable" boolean DEFAULT false NOT NULL,
	"origin" text NOT NULL,
	"message_id" text,
	"call_id" text,
	"run_id" text,
	"step" text,
	"suggestion_id" text,
	"action" text,
	"schedule_run_id" text,
	"holder" text,
	"lease_until" timestamp with time zone,
	"attempts" integer DEFAULT 0 NOT NULL,
	"version" integer DEFAULT 1 NOT NULL,
	"done_at" timestamp with time zone,
	"ended_at" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "effects" ADD CONSTRAINT "effects_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "effects_key" ON "effects" USING btree ("user_id","key");--> statement-breakpoint
CREATE INDEX "effects_list" ON "effects" USING btree ("user_id","id");--> statement-breakpoint
CREATE INDEX "effects_message" ON "effects" USING btree ("message_id") WHERE "effects"."message_id" is not null;--> statement-breakpoint
CREATE INDEX "effects_run" ON "effects" USING btree ("run_id") WHERE "effects"."run_id" is not null;--> statement-breakpoint
CREATE INDEX "effects_held" ON "effects" USING btree ("held_until") WHERE "effects"."status" = 'held';--> statement-breakpoint
CREATE INDEX "effects_lease" ON "effects" USING btree ("lease_until") WHERE "effects"."status" in ('intended', 'undoing');