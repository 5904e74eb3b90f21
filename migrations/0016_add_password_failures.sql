CREATE TABLE "password_failures" (
	"user_id" text PRIMARY KEY NOT NULL,
	"failures" integer NOT NULL
);
--> statement-breakpoint
ALTER TABLE "credentials" ADD COLUMN "is_long" boolean DEFAULT true NOT NULL;--> statement-breakpoint
ALTER TABLE "password_failures" ADD CONSTRAINT "password_failures_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;