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
ALTER TABLE "autonomy_rules" ADD CONSTRAINT "autonomy_rules_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "suggestion_decisions" ADD CONSTRAINT "suggestion_decisions_suggestion_id_suggestions_id_fk" FOREIGN KEY ("suggestion_id") REFERENCES "public"."suggestions"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "suggestion_decisions" ADD CONSTRAINT "suggestion_decisions_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "suggestion_gates" ADD CONSTRAINT "suggestion_gates_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "suggestion_settings" ADD CONSTRAINT "suggestion_settings_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "suggestions" ADD CONSTRAINT "suggestions_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "suggestion_decisions_suggestion" ON "suggestion_decisions" USING btree ("suggestion_id");--> statement-breakpoint
CREATE INDEX "suggestion_decisions_user" ON "suggestion_decisions" USING btree ("user_id","created_at");--> statement-breakpoint
CREATE UNIQUE INDEX "suggestions_key" ON "suggestions" USING btree ("user_id","key");--> statement-breakpoint
CREATE INDEX "suggestions_user" ON "suggestions" USING btree ("user_id","id");--> statement-breakpoint
CREATE INDEX "suggestions_proposed" ON "suggestions" USING btree ("user_id","proposed_at");--> statement-breakpoint
CREATE INDEX "suggestions_wake" ON "suggestions" USING btree ("wake_at") WHERE "suggestions"."wake_at" is not null;--> statement-breakpoint
CREATE INDEX "suggestions_expiry" ON "suggestions" USING btree ("expires_at") WHERE "suggestions"."status" in ('withheld', 'proposed', 'seen', 'snoozed');--> statement-breakpoint
CREATE INDEX "suggestions_unfinished" ON "suggestions" USING btree ("updated_at") WHERE "suggestions"."status" in ('approved', 'running');