-- When it is and how it repeats is told; what it is about, where and with whom is a person's own words.
select audit_table('calendar_events', 'user_id', 'id',
  '{status,transparency,start_at,end_at,recurrence,reminders,deleted_at,external_provider}',
  '{version,updated_at,next_reminder_at,reminded_to,armings}', '{insert,update,delete}');
--> statement-breakpoint
-- That the next time came is no change of the person's.
select audit_table('schedules', 'user_id', 'id', '{status,missed}', '{version,updated_at,next_at}', '{insert,update,delete}');
--> statement-breakpoint
select audit_table('devices', 'user_id', 'id', '{kind,name}', '{updated_at,last_sent_at}', '{insert,update,delete}');
--> statement-breakpoint
select audit_table('notification_settings', 'user_id', 'user_id', '{settings}', '{version,updated_at}', '{insert,update,delete}');
--> statement-breakpoint
select audit_table('suggestions', 'user_id', 'id',
  '{kind,status,priority,reason,confidence,tainted,source,workflow_id,effect_ids,wake_at,expires_at,proposed_at,decided_at}',
  '{version,updated_at}', '{insert,update,delete}');
--> statement-breakpoint
select audit_table('suggestion_settings', 'user_id', 'user_id',
  '{max_open,max_a_day,cooldown_minutes,cooldowns,muted,urgent_in_quiet_hours}', '{version,updated_at}',
  '{insert,update,delete}');
--> statement-breakpoint
select audit_table('autonomy_rules', 'user_id', 'name', '{kind,workflow_id,level}', '{updated_at}', '{insert,delete}');
--> statement-breakpoint
select audit_table('mail_drafts', 'user_id', 'id', '{sent_at,deleted_at}', '{version,updated_at}', '{insert,update,delete}');
--> statement-breakpoint
select audit_table('credentials', 'user_id', 'user_id', '{is_long}', '{updated_at}', '{insert,update,delete}');
