CREATE TABLE "commitments" (
	"id" text PRIMARY KEY NOT NULL,
	"user_id" text NOT NULL,
	"source" text NOT NULL,
	"source_id" text NOT NULL,
	"quote" text NOT NULL,
	"what" text NOT NULL,
	"due" jsonb,
	"status" text DEFAULT 'open' NOT NULL,
	"ended_by" text,
	"suggestion_id" text,
	"task_id" text,
	"ended_at" timestamp with time zone,
	"version" integer DEFAULT 1 NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
DROP INDEX "effects_lease";--> statement-breakpoint
ALTER TABLE "messages" ADD COLUMN "tainted" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "calendar_events" ADD COLUMN "tainted" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "effects" ADD COLUMN "undo_forced" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "effects" ADD COLUMN "undo_from" text;--> statement-breakpoint
ALTER TABLE "memories" ADD COLUMN "tainted" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "suggestion_settings" ADD COLUMN "infer_commitments" boolean DEFAULT true NOT NULL;--> statement-breakpoint
ALTER TABLE "schedules" ADD COLUMN "follows_zone" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "projects" ADD COLUMN "tainted" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "tasks" ADD COLUMN "tainted" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "commitments" ADD CONSTRAINT "commitments_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "commitments_user" ON "commitments" USING btree ("user_id","id");--> statement-breakpoint
CREATE INDEX "commitments_open" ON "commitments" USING btree ("user_id") WHERE "commitments"."status" = 'open';--> statement-breakpoint
CREATE INDEX "commitments_task" ON "commitments" USING btree ("task_id") WHERE "commitments"."task_id" is not null;--> statement-breakpoint
CREATE INDEX "commitments_suggestion" ON "commitments" USING btree ("suggestion_id") WHERE "commitments"."suggestion_id" is not null;--> statement-breakpoint
CREATE INDEX "messages_tainted" ON "messages" USING btree ("conversation_id") WHERE "messages"."tainted";--> statement-breakpoint
CREATE INDEX "schedule_runs_waiting" ON "schedule_runs" USING btree ("started_at") WHERE "schedule_runs"."status" = 'waiting';--> statement-breakpoint
CREATE INDEX "effects_lease" ON "effects" USING btree ("lease_until") WHERE "effects"."status" in ('intended', 'undoing', 'sending');--> statement-breakpoint
ALTER TABLE "workflow_runs" DROP COLUMN "kept";--> statement-breakpoint
ALTER TABLE "workflow_runs" DROP COLUMN "generation";