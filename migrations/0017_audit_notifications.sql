-- Told again with the columns that came; that a device showed it is no change of the person's.
select audit_table('notifications', 'user_id', 'id', '{kind,priority,scheduled_at,read_at,expires_at,action_taken}',
  '{version,updated_at,seen_at}', '{insert,update,delete}');
