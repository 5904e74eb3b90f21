CREATE TABLE "batch_calls" (
	"id" text PRIMARY KEY NOT NULL,
	"user_id" text NOT NULL,
	"kind" text NOT NULL,
	"feature" text NOT NULL,
	"call" jsonb NOT NULL,
	"decision" jsonb NOT NULL,
	"provider" text NOT NULL,
	"model" text NOT NULL,
	"state" text DEFAULT 'waiting' NOT NULL,
	"answer" jsonb,
	"error_code" text,
	"attempts" integer DEFAULT 0 NOT NULL,
	"sends" integer DEFAULT 0 NOT NULL,
	"hold_id" text,
	"held_at" timestamp with time zone,
	"batch_id" text,
	"deadline_at" timestamp with time zone NOT NULL,
	"due_at" timestamp with time zone NOT NULL,
	"poll_at" timestamp with time zone NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "batch_calls" ADD CONSTRAINT "batch_calls_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "batch_calls_open" ON "batch_calls" USING btree ("due_at") WHERE "batch_calls"."state" in ('waiting', 'sent');--> statement-breakpoint
CREATE UNIQUE INDEX "batch_calls_hold" ON "batch_calls" USING btree ("hold_id") WHERE "batch_calls"."hold_id" is not null;--> statement-breakpoint
CREATE INDEX "batch_calls_batch" ON "batch_calls" USING btree ("batch_id") WHERE "batch_calls"."hold_id" is not null;--> statement-breakpoint
CREATE INDEX "batch_calls_over" ON "batch_calls" USING btree ("updated_at") WHERE "batch_calls"."state" in ('answered', 'failed');--> statement-breakpoint
CREATE INDEX "batch_calls_user" ON "batch_calls" USING btree ("user_id");