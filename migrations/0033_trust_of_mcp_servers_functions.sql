select audit_table('mcp_servers', 'user_id', 'id', '{header,enabled,trusted}',
  '{version,updated_at,token_version,token_lease,token_expires_at,status,last_error,tools,checked_at}',
  '{insert,update,delete}');
