CREATE TABLE "signature_nonces" (
	"key_id" text NOT NULL,
	"nonce" text NOT NULL,
	"kept_until" timestamp with time zone NOT NULL,
	CONSTRAINT "signature_nonces_key_id_nonce_pk" PRIMARY KEY("key_id","nonce")
);
--> statement-breakpoint
CREATE TABLE "signing_keys" (
	"id" text PRIMARY KEY NOT NULL,
	"user_id" text NOT NULL,
	"name" text NOT NULL,
	"algorithm" text NOT NULL,
	"public_key" text NOT NULL,
	"demanded" boolean NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "signature_nonces" ADD CONSTRAINT "signature_nonces_key_id_signing_keys_id_fk" FOREIGN KEY ("key_id") REFERENCES "public"."signing_keys"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "signing_keys" ADD CONSTRAINT "signing_keys_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "signature_nonces_age" ON "signature_nonces" USING btree ("kept_until");--> statement-breakpoint
CREATE UNIQUE INDEX "signing_keys_known" ON "signing_keys" USING btree ("user_id","public_key");