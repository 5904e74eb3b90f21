-- Told again with the columns that came.
select audit_table('notifications', 'user_id', 'id',
  '{kind,priority,scheduled_at,seen_at,read_at,expires_at,action_taken}', '{version,updated_at}', '{insert,update,delete}');
