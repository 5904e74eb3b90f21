select audit_table('mail_drafts', 'user_id', 'id', '{sent_at,deleted_at}', '{version,updated_at}', '{insert,update,delete}');
