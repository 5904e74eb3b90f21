-- Whom something was shown of, while it is still good. The lock has whoever takes anew what opens the account wait until
-- the session is there to be ended.
create function let_in(person text, stamp integer) returns text language plpgsql as $$
begin
  perform 1 from users u where u.id = person and u.security_stamp = stamp for share;
  if not found then
    raise exception 'what opens the account was taken anew' using errcode = 'AU405', detail = person;
  end if;
  return person;
end $$;
--> statement-breakpoint
-- What opens an account, or acts in it later, is added by a session that lives when the rows are there: whoever ends the
-- sessions locks the person first, and so finds all that was added before. By its name it fires before the triggers of
-- the audit, whose lock is to be the last.
create function alive_only() returns trigger language plpgsql as $$
declare
  act jsonb := current_act();
  person text;
begin
  for person in select distinct r.user_id from new_rows r order by 1 loop
    perform 1 from users u where u.id = person for share;
    if act->>'kind' in ('session', 'key') and act->>'id' ~ '^(ses|key)_' then
      perform live_session(act->>'id', person);
    end if;
  end loop;
  return null;
end $$;
--> statement-breakpoint
do $$
declare
  source text;
begin
  foreach source in array array['passkeys', 'totp_secrets', 'recovery_codes', 'identities', 'api_keys', 'signing_keys',
    'webhook_endpoints', 'mcp_servers', 'devices', 'schedules', 'workflows', 'autonomy_rules'] loop
    execute format('create trigger alive_only after insert on %I referencing new table as new_rows for each statement
      execute function alive_only()', source);
  end loop;
end $$;
--> statement-breakpoint
select audit_table('users', 'id', 'id', '{role,time_zone,locale,disabled_at,email_verified_at,deletion_at}',
  '{version,updated_at,erasure_id,security_stamp}', '{insert,update}');
