-- That the next time came is no change of the person's.
select audit_table('schedules', 'user_id', 'id', '{status,missed}', '{version,updated_at,next_at}', '{insert,update,delete}');
