-- What was said is a person's own words: that it was, and what became of it, is told.
select audit_table('commitments', 'user_id', 'id', '{source,status,ended_by,suggestion_id,task_id,ended_at}',
  '{version,updated_at}', '{insert,update,delete}');
--> statement-breakpoint
-- Told again with the column that came.
select audit_table('suggestion_settings', 'user_id', 'user_id',
  '{max_open,max_a_day,cooldown_minutes,cooldowns,muted,urgent_in_quiet_hours,infer_commitments}', '{version,updated_at}',
  '{insert,update,delete}');
