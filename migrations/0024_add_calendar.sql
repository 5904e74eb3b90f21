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
ALTER TABLE "calendar_events" ADD CONSTRAINT "calendar_events_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "calendar_events_start" ON "calendar_events" USING btree ("user_id","start_at","id") WHERE "calendar_events"."recurrence" is null and "calendar_events"."deleted_at" is null;--> statement-breakpoint
CREATE INDEX "calendar_events_series" ON "calendar_events" USING btree ("user_id","start_at") WHERE "calendar_events"."recurrence" is not null and "calendar_events"."deleted_at" is null;--> statement-breakpoint
CREATE INDEX "calendar_events_bin" ON "calendar_events" USING btree ("deleted_at") WHERE "calendar_events"."deleted_at" is not null;--> statement-breakpoint
CREATE INDEX "calendar_events_reminders" ON "calendar_events" USING btree ("next_reminder_at") WHERE "calendar_events"."next_reminder_at" is not null;--> statement-breakpoint
CREATE UNIQUE INDEX "calendar_events_external" ON "calendar_events" USING btree ("user_id","external_provider","external_id") WHERE "calendar_events"."external_id" is not null;