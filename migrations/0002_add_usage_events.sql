CREATE TABLE "usage_events" (
	"id" text PRIMARY KEY NOT NULL,
	"call_id" text NOT NULL,
	"user_id" text NOT NULL,
	"kind" text NOT NULL,
	"feature" text NOT NULL,
	"conversation_id" text,
	"provider" text NOT NULL,
	"model" text NOT NULL,
	"input_tokens" integer NOT NULL,
	"output_tokens" integer NOT NULL,
	"cache_read_tokens" integer NOT NULL,
	"cache_write_tokens" integer NOT NULL,
	"cache_write_1h_tokens" integer NOT NULL,
	"cost_micros" bigint NOT NULL,
	"is_estimated" boolean NOT NULL,
	"is_background" boolean NOT NULL,
	"outcome" text NOT NULL,
	"cache" text NOT NULL,
	"first_token_ms" integer,
	"total_ms" integer NOT NULL,
	"decision" jsonb,
	"created_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "usage_events" ADD CONSTRAINT "usage_events_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "usage_events_user" ON "usage_events" USING btree ("user_id","created_at");--> statement-breakpoint
CREATE INDEX "usage_events_decision" ON "usage_events" USING btree ("user_id","call_id") WHERE "usage_events"."decision" is not null;