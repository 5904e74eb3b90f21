ALTER TABLE "workflow_runs" DROP COLUMN "kept";--> statement-breakpoint
ALTER TABLE "workflow_runs" DROP COLUMN "generation";