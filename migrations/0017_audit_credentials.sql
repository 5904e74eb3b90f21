select audit_table('credentials', 'user_id', 'user_id', '{is_long}', '{updated_at}', '{insert,update,delete}');
