CREATE TABLE "cached_answers" (
	"id" text PRIMARY KEY NOT NULL,
	"user_id" text NOT NULL,
	"key" text NOT NULL,
	"frame" text NOT NULL,
	"text" text NOT NULL,
	"answer" jsonb NOT NULL,
	"sources" text[] NOT NULL,
	"hits" integer DEFAULT 0 NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "changed_sources" (
	"user_id" text NOT NULL,
	"source" text NOT NULL,
	"changed_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "changed_sources_user_id_source_pk" PRIMARY KEY("user_id","source")
);
--> statement-breakpoint
CREATE TABLE "embeddings" (
	"key" text PRIMARY KEY NOT NULL,
	"user_id" text,
	"kind" text NOT NULL,
	"id" text NOT NULL,
	"space" text NOT NULL,
	"meta" jsonb NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "messages" ADD COLUMN "call_id" text;--> statement-breakpoint
ALTER TABLE "cached_answers" ADD CONSTRAINT "cached_answers_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "embeddings" ADD CONSTRAINT "embeddings_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "cached_answers_key" ON "cached_answers" USING btree ("user_id","key");--> statement-breakpoint
CREATE INDEX "cached_answers_sources" ON "cached_answers" USING gin ("sources");--> statement-breakpoint
CREATE INDEX "cached_answers_expiry" ON "cached_answers" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "changed_sources_age" ON "changed_sources" USING btree ("changed_at");--> statement-breakpoint
CREATE INDEX "embeddings_user" ON "embeddings" USING btree ("user_id","kind","space");--> statement-breakpoint
CREATE INDEX "embeddings_orphans" ON "embeddings" USING btree ("key") WHERE "embeddings"."user_id" is null;