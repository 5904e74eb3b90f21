DROP INDEX "effects_lease";--> statement-breakpoint
ALTER TABLE "effects" ADD COLUMN "undo_forced" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "effects" ADD COLUMN "undo_from" text;--> statement-breakpoint
CREATE INDEX "effects_lease" ON "effects" USING btree ("lease_until") WHERE "effects"."status" in ('intended', 'undoing', 'sending');