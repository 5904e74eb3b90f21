CREATE TABLE "audit_denials" (
	"user_id" text NOT NULL,
	"action" text NOT NULL,
	"reason" text NOT NULL,
	"count" integer NOT NULL,
	"addresses" text[] NOT NULL,
	"started_at" timestamp (3) with time zone NOT NULL,
	"last_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "audit_denials_user_id_action_reason_pk" PRIMARY KEY("user_id","action","reason")
);
--> statement-breakpoint
ALTER TABLE "audit_denials" ADD CONSTRAINT "audit_denials_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "audit_denials_started" ON "audit_denials" USING btree ("started_at");