-- Who a flag is on for, and whose event was sent again, outlives nobody: of both only that it changed is told.
select audit_table('feature_flags', '=service', 'name', '{enabled,percent}', '{updated_at}', '{insert,update,delete}');
--> statement-breakpoint
select audit_table('dead_letters', '=service', 'id', '{queue,redriven_at}', '{}', '{update}');
