select audit_table('devices', 'user_id', 'id', '{kind,name}', '{updated_at,last_sent_at}', '{insert,update,delete}');
--> statement-breakpoint
select audit_table('notification_settings', 'user_id', 'user_id', '{settings}', '{version,updated_at}', '{insert,update,delete}');
