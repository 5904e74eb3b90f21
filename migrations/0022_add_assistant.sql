CREATE TABLE "password_failures" (
	"user_id" text PRIMARY KEY NOT NULL,
	"failures" integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE "calendar_events" (
	"id" text PRIMARY KEY NOT NULL,
	"user_id" text NOT NULL,
	"title" text NOT NULL,
	"notes" text DEFAULT '' NOT NULL,
	"location" text DEFAULT '' NOT NULL,
	"status" text DEFAULT 'confirmed' NOT NULL,
	"transparency" text DEFAULT 'busy' NOT NULL,
	"attendees" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"start_date" date NOT NULL,
	"start_time" time,
	"start_zone" text NOT NULL,
	"start_at" timestamp with time zone NOT NULL,
	"end_date" date NOT NULL,
	"end_time" time,
	"end_zone" text NOT NULL,
	"end_at" timestamp with time zone NOT NULL,
	"recurrence" text,
	"exceptions" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"reminders" integer[] DEFAULT '{}'::integer[] NOT NULL,
	"next_reminder_at" timestamp with time zone,
	"reminded_to" timestamp with time zone,
	"armings" integer DEFAULT 0 NOT NULL,
	"external_provider" text,
	"external_id" text,
	"deleted_at" timestamp with time zone,
	"version" integer DEFAULT 1 NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "calendar_events_status" CHECK ("calendar_events"."status" in ('confirmed', 'tentative', 'cancelled')),
	CONSTRAINT "calendar_events_transparency" CHECK ("calendar_events"."transparency" in ('busy', 'free')),
	CONSTRAINT "calendar_events_days" CHECK (("calendar_events"."start_time" is null) = ("calendar_events"."end_time" is null)),
	CONSTRAINT "calendar_events_order" CHECK ("calendar_events"."start_at" <= "calendar_events"."end_at")
);
--> statement-breakpoint
CREATE TABLE "mail_drafts" (
	"id" text PRIMARY KEY NOT NULL,
	"user_id" text NOT NULL,
	"to_addresses" jsonb NOT NULL,
	"subject" text NOT NULL,
	"text" text NOT NULL,
	"sent_at" timestamp with time zone,
	"deleted_at" timestamp with time zone,
	"version" integer DEFAULT 1 NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "deliveries" (
	"id" text PRIMARY KEY NOT NULL,
	"user_id" text NOT NULL,
	"notification_id" text NOT NULL,
	"channel" text NOT NULL,
	"purpose" text DEFAULT 'show' NOT NULL,
	"device_id" text DEFAULT '' NOT NULL,
	"status" text NOT NULL,
	"due_at" timestamp with time zone NOT NULL,
	"attempts" integer DEFAULT 0 NOT NULL,
	"claimed_at" timestamp with time zone,
	"provider_id" text,
	"reason" text,
	"created_at" timestamp with time zone NOT NULL,
	"ended_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "devices" (
	"id" text PRIMARY KEY NOT NULL,
	"user_id" text NOT NULL,
	"session_id" text NOT NULL,
	"kind" text NOT NULL,
	"name" text NOT NULL,
	"address" text NOT NULL,
	"hash" text NOT NULL,
	"last_sent_at" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "notification_settings" (
	"user_id" text PRIMARY KEY NOT NULL,
	"settings" jsonb NOT NULL,
	"version" integer DEFAULT 1 NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "autonomy_rules" (
	"user_id" text NOT NULL,
	"name" text NOT NULL,
	"kind" text NOT NULL,
	"workflow_id" text NOT NULL,
	"level" text NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "autonomy_rules_user_id_name_pk" PRIMARY KEY("user_id","name")
);
--> statement-breakpoint
CREATE TABLE "suggestion_decisions" (
	"id" text PRIMARY KEY NOT NULL,
	"suggestion_id" text NOT NULL,
	"user_id" text NOT NULL,
	"kind" text NOT NULL,
	"decision" text NOT NULL,
	"is_edited" boolean DEFAULT false NOT NULL,
	"reason" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "suggestion_gates" (
	"user_id" text NOT NULL,
	"kind" text NOT NULL,
	"workflow_id" text NOT NULL,
	"facts_hash" text,
	"ask_id" text,
	"opened_at" timestamp with time zone,
	"closed_at" timestamp with time zone,
	"reason" text,
	"closed" integer DEFAULT 0 NOT NULL,
	CONSTRAINT "suggestion_gates_user_id_kind_workflow_id_pk" PRIMARY KEY("user_id","kind","workflow_id")
);
--> statement-breakpoint
CREATE TABLE "suggestion_settings" (
	"user_id" text PRIMARY KEY NOT NULL,
	"max_open" integer DEFAULT 3 NOT NULL,
	"max_a_day" integer DEFAULT 8 NOT NULL,
	"cooldown_minutes" integer DEFAULT 240 NOT NULL,
	"cooldowns" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"muted" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"urgent_in_quiet_hours" boolean DEFAULT false NOT NULL,
	"version" integer DEFAULT 1 NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "suggestions" (
	"id" text PRIMARY KEY NOT NULL,
	"user_id" text NOT NULL,
	"key" text NOT NULL,
	"kind" text NOT NULL,
	"title" text NOT NULL,
	"body" text NOT NULL,
	"actions" jsonb NOT NULL,
	"alternatives" jsonb NOT NULL,
	"agreed" jsonb,
	"why" jsonb NOT NULL,
	"source" jsonb NOT NULL,
	"workflow_id" text,
	"confidence" double precision NOT NULL,
	"rank" double precision NOT NULL,
	"priority" text NOT NULL,
	"tainted" boolean NOT NULL,
	"status" text NOT NULL,
	"reason" text,
	"fingerprint" text NOT NULL,
	"moment" text NOT NULL,
	"wake_at" timestamp with time zone,
	"expires_at" timestamp with time zone NOT NULL,
	"proposed_at" timestamp with time zone,
	"seen_at" timestamp with time zone,
	"decided_at" timestamp with time zone,
	"effect_ids" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"detail" text,
	"version" integer DEFAULT 1 NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "job_attempts" (
	"job_id" text NOT NULL,
	"attempt" integer NOT NULL,
	"started_at" timestamp with time zone DEFAULT now() NOT NULL,
	"ended_at" timestamp with time zone,
	"outcome" text,
	"error_code" text,
	"error" text,
	CONSTRAINT "job_attempts_job_id_attempt_pk" PRIMARY KEY("job_id","attempt")
);
--> statement-breakpoint
CREATE TABLE "job_queues" (
	"queue" text PRIMARY KEY NOT NULL,
	"paused_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "jobs" (
	"id" text PRIMARY KEY NOT NULL,
	"queue" text NOT NULL,
	"kind" text NOT NULL,
	"owner" text NOT NULL,
	"ref" text NOT NULL,
	"key" text NOT NULL,
	"status" text DEFAULT 'waiting' NOT NULL,
	"attempts" integer DEFAULT 0 NOT NULL,
	"max_attempts" integer NOT NULL,
	"losses" integer DEFAULT 0 NOT NULL,
	"error_code" text,
	"available_at" timestamp with time zone DEFAULT now() NOT NULL,
	"send_at" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"ended_at" timestamp with time zone,
	CONSTRAINT "jobs_key_unique" UNIQUE("key")
);
--> statement-breakpoint
CREATE TABLE "schedule_runs" (
	"id" text PRIMARY KEY NOT NULL,
	"user_id" text NOT NULL,
	"schedule_id" text NOT NULL,
	"due_at" timestamp (3) with time zone NOT NULL,
	"cause" text NOT NULL,
	"status" text NOT NULL,
	"missed" integer DEFAULT 0 NOT NULL,
	"outcome" jsonb,
	"started_at" timestamp (3) with time zone NOT NULL,
	"ended_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "schedules" (
	"id" text PRIMARY KEY NOT NULL,
	"user_id" text NOT NULL,
	"name" text NOT NULL,
	"when" jsonb NOT NULL,
	"missed" text NOT NULL,
	"action" jsonb NOT NULL,
	"status" text DEFAULT 'active' NOT NULL,
	"next_at" timestamp (3) with time zone,
	"version" integer DEFAULT 1 NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "credentials" ADD COLUMN "is_long" boolean DEFAULT true NOT NULL;--> statement-breakpoint
ALTER TABLE "password_failures" ADD CONSTRAINT "password_failures_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "calendar_events" ADD CONSTRAINT "calendar_events_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "mail_drafts" ADD CONSTRAINT "mail_drafts_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "deliveries" ADD CONSTRAINT "deliveries_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "deliveries" ADD CONSTRAINT "deliveries_notification_id_notifications_id_fk" FOREIGN KEY ("notification_id") REFERENCES "public"."notifications"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "devices" ADD CONSTRAINT "devices_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "devices" ADD CONSTRAINT "devices_session_id_sessions_id_fk" FOREIGN KEY ("session_id") REFERENCES "public"."sessions"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "notification_settings" ADD CONSTRAINT "notification_settings_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "autonomy_rules" ADD CONSTRAINT "autonomy_rules_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "suggestion_decisions" ADD CONSTRAINT "suggestion_decisions_suggestion_id_suggestions_id_fk" FOREIGN KEY ("suggestion_id") REFERENCES "public"."suggestions"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "suggestion_decisions" ADD CONSTRAINT "suggestion_decisions_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "suggestion_gates" ADD CONSTRAINT "suggestion_gates_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "suggestion_settings" ADD CONSTRAINT "suggestion_settings_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "suggestions" ADD CONSTRAINT "suggestions_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "job_attempts" ADD CONSTRAINT "job_attempts_job_id_jobs_id_fk" FOREIGN KEY ("job_id") REFERENCES "public"."jobs"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "schedule_runs" ADD CONSTRAINT "schedule_runs_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "schedule_runs" ADD CONSTRAINT "schedule_runs_schedule_id_schedules_id_fk" FOREIGN KEY ("schedule_id") REFERENCES "public"."schedules"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "schedules" ADD CONSTRAINT "schedules_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "calendar_events_start" ON "calendar_events" USING btree ("user_id","start_at","id") WHERE "calendar_events"."recurrence" is null and "calendar_events"."deleted_at" is null;--> statement-breakpoint
CREATE INDEX "calendar_events_series" ON "calendar_events" USING btree ("user_id","start_at") WHERE "calendar_events"."recurrence" is not null and "calendar_events"."deleted_at" is null;--> statement-breakpoint
CREATE INDEX "calendar_events_bin" ON "calendar_events" USING btree ("deleted_at") WHERE "calendar_events"."deleted_at" is not null;--> statement-breakpoint
CREATE INDEX "calendar_events_reminders" ON "calendar_events" USING btree ("next_reminder_at") WHERE "calendar_events"."next_reminder_at" is not null;--> statement-breakpoint
CREATE UNIQUE INDEX "calendar_events_external" ON "calendar_events" USING btree ("user_id","external_provider","external_id") WHERE "calendar_events"."external_id" is not null;--> statement-breakpoint
CREATE INDEX "mail_drafts_user" ON "mail_drafts" USING btree ("user_id","id");--> statement-breakpoint
CREATE UNIQUE INDEX "deliveries_once" ON "deliveries" USING btree ("notification_id","channel","purpose","device_id");--> statement-breakpoint
CREATE INDEX "deliveries_user" ON "deliveries" USING btree ("user_id","status","due_at");--> statement-breakpoint
CREATE INDEX "deliveries_ended" ON "deliveries" USING btree ("ended_at") WHERE "deliveries"."ended_at" is not null;--> statement-breakpoint
CREATE INDEX "deliveries_overdue" ON "deliveries" USING btree ("due_at") WHERE "deliveries"."status" in ('waiting', 'sending');--> statement-breakpoint
CREATE UNIQUE INDEX "devices_hash" ON "devices" USING btree ("hash");--> statement-breakpoint
CREATE INDEX "devices_user" ON "devices" USING btree ("user_id","id");--> statement-breakpoint
CREATE INDEX "devices_session" ON "devices" USING btree ("session_id");--> statement-breakpoint
CREATE INDEX "suggestion_decisions_suggestion" ON "suggestion_decisions" USING btree ("suggestion_id");--> statement-breakpoint
CREATE INDEX "suggestion_decisions_user" ON "suggestion_decisions" USING btree ("user_id","created_at");--> statement-breakpoint
CREATE UNIQUE INDEX "suggestions_key" ON "suggestions" USING btree ("user_id","key");--> statement-breakpoint
CREATE INDEX "suggestions_user" ON "suggestions" USING btree ("user_id","id");--> statement-breakpoint
CREATE INDEX "suggestions_proposed" ON "suggestions" USING btree ("user_id","proposed_at");--> statement-breakpoint
CREATE INDEX "suggestions_wake" ON "suggestions" USING btree ("wake_at") WHERE "suggestions"."wake_at" is not null;--> statement-breakpoint
CREATE INDEX "suggestions_expiry" ON "suggestions" USING btree ("expires_at") WHERE "suggestions"."status" in ('withheld', 'proposed', 'seen', 'snoozed');--> statement-breakpoint
CREATE INDEX "suggestions_unfinished" ON "suggestions" USING btree ("updated_at") WHERE "suggestions"."status" in ('approved', 'running');--> statement-breakpoint
CREATE INDEX "job_attempts_age" ON "job_attempts" USING btree ("started_at");--> statement-breakpoint
CREATE INDEX "jobs_turn" ON "jobs" USING btree ("queue","owner","available_at","id") WHERE "jobs"."status" = 'waiting';--> statement-breakpoint
CREATE INDEX "jobs_running" ON "jobs" USING btree ("queue","owner","available_at") WHERE "jobs"."status" = 'running';--> statement-breakpoint
CREATE INDEX "jobs_unsent" ON "jobs" USING btree ("send_at") WHERE "jobs"."send_at" is not null;--> statement-breakpoint
CREATE INDEX "jobs_list" ON "jobs" USING btree ("queue","status","id");--> statement-breakpoint
CREATE INDEX "jobs_owner" ON "jobs" USING btree ("owner");--> statement-breakpoint
CREATE INDEX "jobs_ended" ON "jobs" USING btree ("ended_at") WHERE "jobs"."ended_at" is not null;--> statement-breakpoint
CREATE UNIQUE INDEX "schedule_runs_due" ON "schedule_runs" USING btree ("schedule_id","due_at") WHERE "schedule_runs"."cause" = 'time';--> statement-breakpoint
CREATE INDEX "schedule_runs_schedule" ON "schedule_runs" USING btree ("schedule_id","id");--> statement-breakpoint
CREATE INDEX "schedule_runs_user" ON "schedule_runs" USING btree ("user_id","started_at");--> statement-breakpoint
CREATE INDEX "schedule_runs_ended" ON "schedule_runs" USING btree ("ended_at") WHERE "schedule_runs"."ended_at" is not null;--> statement-breakpoint
CREATE INDEX "schedules_user" ON "schedules" USING btree ("user_id","id");--> statement-breakpoint
CREATE INDEX "schedules_due" ON "schedules" USING btree ("next_at") WHERE "schedules"."next_at" is not null;