select audit_table('suggestions', 'user_id', 'id',
  '{kind,status,priority,reason,confidence,tainted,source,workflow_id,effect_ids,wake_at,expires_at,proposed_at,decided_at}',
  '{version,updated_at}', '{insert,update,delete}');
--> statement-breakpoint
select audit_table('suggestion_settings', 'user_id', 'user_id',
  '{max_open,max_a_day,cooldown_minutes,cooldowns,muted,urgent_in_quiet_hours}', '{version,updated_at}',
  '{insert,update,delete}');
--> statement-breakpoint
select audit_table('autonomy_rules', 'user_id', 'name', '{kind,workflow_id,level}', '{updated_at}', '{insert,delete}');
