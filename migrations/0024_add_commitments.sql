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
ALTER TABLE "suggestion_settings" ADD COLUMN "infer_commitments" boolean DEFAULT true NOT NULL;--> statement-breakpoint
ALTER TABLE "commitments" ADD CONSTRAINT "commitments_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "commitments_user" ON "commitments" USING btree ("user_id","id");--> statement-breakpoint
CREATE INDEX "commitments_open" ON "commitments" USING btree ("user_id") WHERE "commitments"."status" = 'open';--> statement-breakpoint
CREATE INDEX "commitments_task" ON "commitments" USING btree ("task_id") WHERE "commitments"."task_id" is not null;--> statement-breakpoint
CREATE INDEX "commitments_suggestion" ON "commitments" USING btree ("suggestion_id") WHERE "commitments"."suggestion_id" is not null;