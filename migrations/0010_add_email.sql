CREATE TABLE "email_messages" (
	"id" text PRIMARY KEY NOT NULL,
	"user_id" text,
	"key" text NOT NULL,
	"kind" text NOT NULL,
	"to_address" text NOT NULL,
	"status" text NOT NULL,
	"content" text,
	"attempts" integer DEFAULT 0 NOT NULL,
	"provider_id" text,
	"error" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"claimed_at" timestamp with time zone,
	"sent_at" timestamp with time zone
);
--> statement-breakpoint
ALTER TABLE "email_messages" ADD CONSTRAINT "email_messages_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "email_messages_key" ON "email_messages" USING btree ("key");--> statement-breakpoint
CREATE INDEX "email_messages_rate" ON "email_messages" USING btree (lower("to_address"),"kind","created_at");--> statement-breakpoint
CREATE INDEX "email_messages_user" ON "email_messages" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "email_messages_age" ON "email_messages" USING btree ("created_at");