-- When it is and how it repeats is told; what it is about, where and with whom is a person's own words.
select audit_table('calendar_events', 'user_id', 'id',
  '{status,transparency,start_at,end_at,recurrence,reminders,deleted_at,external_provider}',
  '{version,updated_at,next_reminder_at,reminded_to,armings}', '{insert,update,delete}');
