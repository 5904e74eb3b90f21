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
ALTER TABLE "job_attempts" ADD CONSTRAINT "job_attempts_job_id_jobs_id_fk" FOREIGN KEY ("job_id") REFERENCES "public"."jobs"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "job_attempts_age" ON "job_attempts" USING btree ("started_at");--> statement-breakpoint
CREATE INDEX "jobs_turn" ON "jobs" USING btree ("queue","owner","available_at","id") WHERE "jobs"."status" = 'waiting';--> statement-breakpoint
CREATE INDEX "jobs_running" ON "jobs" USING btree ("queue","owner","available_at") WHERE "jobs"."status" = 'running';--> statement-breakpoint
CREATE INDEX "jobs_unsent" ON "jobs" USING btree ("send_at") WHERE "jobs"."send_at" is not null;--> statement-breakpoint
CREATE INDEX "jobs_list" ON "jobs" USING btree ("queue","status","id");--> statement-breakpoint
CREATE INDEX "jobs_owner" ON "jobs" USING btree ("owner");--> statement-breakpoint
CREATE INDEX "jobs_ended" ON "jobs" USING btree ("ended_at") WHERE "jobs"."ended_at" is not null;