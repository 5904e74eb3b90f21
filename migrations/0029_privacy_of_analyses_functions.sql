select audit_table('suggestion_settings', 'user_id', 'user_id',
  '{max_open,max_a_day,cooldown_minutes,cooldowns,muted,urgent_in_quiet_hours,infer_commitments,privacy}', '{version,updated_at}',
  '{insert,update,delete}');
