-- Of a trigger's own state (when it is due next, whether its condition holds) nothing is told: the run it makes is.
select audit_table('workflows', 'user_id', 'id',
  '{status,paused_reason,paused_until,definition_version,template_key,deleted_at}',
  '{version,updated_at,latest_version,failures_in_row,window_at,window_used}', '{insert,update,delete}');
--> statement-breakpoint
select audit_table('triggers', 'user_id', 'id', '{kind,active}',
  '{updated_at,next_at,is_true,pending_at,pending,last_fired_at}', '{insert,update,delete}');
--> statement-breakpoint
-- That a run was asked for is the act; what it does is told by what it changes.
select audit_table('workflow_runs', 'user_id', 'id',
  '{workflow_id,definition_version,status,trigger_kind,tainted,retry_of}', '{}', '{insert}');
