-- What is being done and by whom, said in the statement that does it: `insert into act` tells the triggers below, and
-- writes nothing. It runs before them whatever else the statement holds; it is forgotten with the transaction.
create view act as select null::text as context where false;
--> statement-breakpoint
create function begin_act() returns trigger language plpgsql as $$
begin
  perform set_config('audit.act', new.context, true);
  return null;
end $$;
--> statement-breakpoint
create trigger begin_act instead of insert on act for each row execute function begin_act();
--> statement-breakpoint
-- Appends a line to the chain of a person, whose head is locked first, and last of all that a statement locks. Hashed is
-- a JSON array of strings as Postgres writes it, the hash before it last: src/audit/chain.ts makes the same. What was
-- told of an act is not told again when the act goes on in another commit.
create function append_audit(act jsonb, person text, target text, outcome text, reason text, changes jsonb)
  returns void language plpgsql security definer set search_path = public, pg_temp as $$
declare
  head audit_heads;
  line audit_log;
begin
  select * into head from audit_heads h where h.user_id = person for update;
  if not found then
    -- Who is gone has no chain; `service` is that of the deployment itself.
    perform 1 from users u where u.id = person for key share;
    if not found and person <> 'service' then
      return;
    end if;
    insert into audit_heads values (person, 0, '') on conflict do nothing;
    select * into strict head from audit_heads h where h.user_id = person for update;
  end if;
  if act->>'again' = 'true' and act->>'kind' <> 'system' then
    perform 1 from audit_log l where l.request_id = act->>'request' and l.user_id = person and l.call_id = act->>'call'
      and l.action = act->>'action' and l.outcome = append_audit.outcome;
    if found then
      return;
    end if;
  end if;
  line := row(person, head.seq + 1, clock_timestamp(), act->>'kind', act->>'id', act->>'action', target, outcome, reason,
    act->>'request', act->>'call', act->>'address', act->>'agent', changes, '');
  line.hash := encode(sha256(convert_to(json_build_array(
    line.user_id, line.seq::text, to_char(line.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    line.actor_kind, line.actor_id, line.action, line.target, line.outcome, line.reason, line.request_id, line.call_id,
    line.address, line.agent, line.changes::text, head.hash)::text, 'UTF8')), 'hex');
  insert into audit_log select line.*;
  update audit_heads h set seq = line.seq, hash = line.hash where h.user_id = person;
end $$;
--> statement-breakpoint
-- The act the transaction told of; a change made by hand, in psql, says that it was.
create function current_act() returns jsonb language plpgsql stable as $$
declare
  said text := current_setting('audit.act', true);
begin
  if said is null or said = '' then
    return jsonb_build_object('kind', 'database', 'id', session_user, 'action', 'sql', 'request', '', 'call', '',
      'address', '', 'agent', '');
  end if;
  return said::jsonb;
end $$;
--> statement-breakpoint
-- One line for each person a transaction touches, about the first table it changed of theirs. A batch appends at its
-- end, by `flush_audit`: a head that is locked before a row could meet another transaction the other way round.
create function note_audit(act jsonb, person text, ids text[], source text, before jsonb, after jsonb) returns void
  language plpgsql security definer set search_path = public, pg_temp as $$
declare
  noted jsonb := coalesce(nullif(current_setting('audit.noted', true), '')::jsonb, '{}');
  changes jsonb := jsonb_strip_nulls(jsonb_build_object('table', source, 'before', before, 'after', after));
begin
  if noted ? person and act->>'kind' <> 'database' then
    return;
  end if;
  if cardinality(ids) > 1 then
    changes := changes || jsonb_build_object('ids', ids[:50], 'count', cardinality(ids));
  end if;
  if act->>'batch' = 'true' then
    noted := noted || jsonb_build_object(person, jsonb_build_object('target', ids[1], 'changes', changes));
  else
    noted := noted || jsonb_build_object(person, true);
    perform append_audit(act, person, ids[1], 'done', '', changes);
  end if;
  perform set_config('audit.noted', noted::text, true);
end $$;
--> statement-breakpoint
create function flush_audit() returns void language plpgsql security definer set search_path = public, pg_temp as $$
declare
  act jsonb := current_act();
  one record;
begin
  for one in select e.key as person, e.value as said
    from jsonb_each(nullif(current_setting('audit.noted', true), '')::jsonb) e order by e.key loop
    perform append_audit(act, one.person, one.said->>'target', 'done', '', one.said->'changes');
  end loop;
  perform set_config('audit.noted', '', true);
end $$;
--> statement-breakpoint
-- Puts a table under audit, by a trigger function made of its columns: `owner` names the person (or is `=` and a name),
-- `key` the row; of `shown` columns the values are told, of others only that they changed, and `quiet` ones count as
-- nothing. Asked again it does it anew: the migration that adds a column calls it. What a cascade does is told by what
-- began it.
create function audit_table(source text, owner text, key text, shown text[], quiet text[], events text[]) returns void
  language plpgsql as $make$
declare
  person text := case when owner like '=%' then quote_literal(substr(owner, 2)) else format('r.%I', owner) end;
  event text;
  called text;
  rows text;
  whole text;
  before text;
  after text;
  moved text;
begin
  select string_agg(format('%L, to_jsonb(r.%I)', a.attname, a.attname), ', ') filter (where a.attname = any(shown)),
    string_agg(format('%L, case when r.%I is distinct from o.%I then to_jsonb(o.%I) end', a.attname, a.attname, a.attname,
      a.attname), ', ') filter (where a.attname = any(shown)),
    string_agg(format('%L, case when r.%I is distinct from o.%I then %s end', a.attname, a.attname, a.attname,
      case when a.attname = any(shown) then format('to_jsonb(r.%I)', a.attname) else $q$'"[hidden]"'::jsonb$q$ end), ', '),
    string_agg(format('r.%I is distinct from o.%I', a.attname, a.attname), ' or ')
  into whole, before, after, moved
  from pg_attribute a where a.attrelid = source::regclass and a.attnum > 0 and not a.attisdropped and a.attname <> all(quiet);
  foreach event in array events loop
    called := format('audit_%s_%s', event, source);
    rows := case event
      when 'insert' then format('select %s as person, r.%I::text as id, null::jsonb as before,
        jsonb_build_object(%s) as after from new_rows r', person, key, whole)
      when 'delete' then format('select %s as person, r.%I::text as id, jsonb_build_object(%s) as before,
        null::jsonb as after from old_rows r', person, key, whole)
      else format('select %s as person, r.%I::text as id, jsonb_build_object(%s) as before, jsonb_build_object(%s) as after
        from new_rows r join old_rows o on o.%I = r.%I where %s', person, key, before, after, key, key, moved) end;
    execute format('create or replace function %I() returns trigger language plpgsql security definer
      set search_path = public, pg_temp as $body$
      declare
        one record;
      begin
        for one in select c.person, array_agg(c.id) as ids, (array_agg(c.before))[1] as before,
          (array_agg(c.after))[1] as after from (%s) c where c.person is not null group by 1 order by 1 loop
          perform note_audit(current_act(), one.person, one.ids, %L, one.before, one.after);
        end loop;
        return null;
      end $body$', called, rows, source);
    execute format('create or replace trigger %I after %s on %I referencing %s for each statement
      when (pg_trigger_depth() < 1) execute function %I()', 'audit_' || event, event, source,
      case event when 'insert' then 'new table as new_rows' when 'delete' then 'old table as old_rows'
        else 'old table as old_rows new table as new_rows' end, called);
  end loop;
end $make$;
--> statement-breakpoint
-- Values are told where they are neither a person's words nor a secret. A column that comes later is hidden.
select audit_table('users', 'id', 'id', '{role,time_zone,locale,disabled_at,email_verified_at,deletion_at}',
  '{version,updated_at,erasure_id}',
  '{insert,update}');
--> statement-breakpoint
select audit_table('credentials', 'user_id', 'user_id', '{}', '{updated_at}', '{insert,update,delete}');
--> statement-breakpoint
select audit_table('sessions', 'user_id', 'id', '{device_name,country,methods,ended_at,end_reason,expires_at}',
  '{last_used_at}', '{insert,update,delete}');
--> statement-breakpoint
select audit_table('api_keys', 'user_id', 'id',
  '{prefix,scopes,ip_allow,rate_per_minute,expires_at,grace_until,rotated_at,revoked_at}',
  '{version,updated_at,last_used_at}', '{insert,update,delete}');
--> statement-breakpoint
select audit_table('tasks', 'user_id', 'id',
  '{status,priority,project_id,parent_id,due_at,start_at,remind_at,reminded_at,completed_at,deleted_at,recurrence,estimate_minutes,actual_minutes,external_provider}',
  '{version,updated_at,ai_confidence}', '{insert,update,delete}');
--> statement-breakpoint
select audit_table('projects', 'user_id', 'id', '{archived_at,colour,position}', '{version,updated_at}',
  '{insert,update,delete}');
--> statement-breakpoint
select audit_table('memories', 'user_id', 'id', '{kind,source_message_id,deleted_at}', '{version,updated_at}',
  '{insert,update,delete}');
--> statement-breakpoint
select audit_table('conversations', 'user_id', 'id', '{}', '{version,updated_at}', '{insert,update,delete}');
--> statement-breakpoint
-- An answer is written while it is spoken; that it was asked for is the act.
select audit_table('messages', 'user_id', 'id', '{conversation_id,turn_id,role}', '{}', '{insert}');
--> statement-breakpoint
select audit_table('notifications', 'user_id', 'id', '{kind,priority,scheduled_at,read_at,expires_at}',
  '{version,updated_at}', '{insert,update,delete}');
--> statement-breakpoint
select audit_table('mcp_servers', 'user_id', 'id', '{url,header,enabled}',
  '{version,updated_at,token_version,token_lease,token_expires_at,status,last_error,tools,checked_at}',
  '{insert,update,delete}');
--> statement-breakpoint
select audit_table('totp_secrets', 'user_id', 'id', '{confirmed_at}', '{last_step,failures,failed_at}',
  '{insert,update,delete}');
--> statement-breakpoint
select audit_table('recovery_codes', 'user_id', 'user_id', '{used_at}', '{}', '{insert,update,delete}');
--> statement-breakpoint
select audit_table('passkeys', 'user_id', 'id', '{transports,aaguid,backup_eligible}', '{counter,backed_up,last_used_at}',
  '{insert,update,delete}');
--> statement-breakpoint
-- A code that somebody not signed in asked for is nobody's until it is mailed.
select audit_table('auth_codes', 'user_id', 'id', '{kind}', '{tries}', '{insert,update}');
--> statement-breakpoint
select audit_table('identities', 'user_id', 'id', '{provider,issuer}', '{last_used_at}', '{insert,update,delete}');
--> statement-breakpoint
select audit_table('oauth_grants', 'user_id', 'id', '{client_id,scopes,resource}', '{}', '{insert}');
--> statement-breakpoint
select audit_table('signing_keys', 'user_id', 'id', '{algorithm,demanded}', '{}',
  '{insert,update,delete}');
--> statement-breakpoint
select audit_table('webhook_endpoints', 'user_id', 'id', '{url,events,enabled,disabled_reason,previous_until}',
  '{version,updated_at}', '{insert,update,delete}');
--> statement-breakpoint
select audit_table('data_exports', 'user_id', 'id', '{}', '{}', '{insert}');
--> statement-breakpoint
select audit_table('feature_flags', '=service', 'name', '{enabled,percent,people}', '{updated_at}',
  '{insert,update,delete}');
--> statement-breakpoint
select audit_table('dead_letters', '=service', 'id', '{queue,outbox_id,redriven_at}', '{}', '{update}');
--> statement-breakpoint
-- Someone is erased: their chain ends with this act, its last hash stays under no name, its lines go.
create function end_audit() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
declare
  one record;
begin
  for one in select o.id from old_rows o order by o.id loop
    perform append_audit(current_act(), one.id, one.id, 'done', '', '{"table": "users"}');
    insert into audit_tombstones select h.hash, h.seq, clock_timestamp() from audit_heads h where h.user_id = one.id;
    delete from audit_log l where l.user_id = one.id;
    delete from audit_heads h where h.user_id = one.id;
  end loop;
  return null;
end $$;
--> statement-breakpoint
create trigger audit_delete after delete on users referencing old table as old_rows for each statement
  execute function end_audit();
--> statement-breakpoint
-- Lines are added and never changed; they go only when their person is gone.
create function keep_audit() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' and old.user_id <> 'service' and not exists (select 1 from users u where u.id = old.user_id) then
    return old;
  end if;
  if tg_op = 'UPDATE' and tg_table_name = 'audit_heads' then
    if new.user_id = old.user_id and new.seq = old.seq + 1 then
      return new;
    end if;
  end if;
  raise exception 'the audit is append-only' using errcode = 'restrict_violation';
end $$;
--> statement-breakpoint
create trigger keep_audit before update or delete on audit_log for each row execute function keep_audit();
--> statement-breakpoint
create trigger keep_audit before update or delete on audit_heads for each row execute function keep_audit();
--> statement-breakpoint
create function keep_all_audit() returns trigger language plpgsql as $$
begin
  raise exception 'the audit is append-only' using errcode = 'restrict_violation';
end $$;
--> statement-breakpoint
create trigger keep_all_audit before truncate on audit_log for each statement execute function keep_all_audit();
--> statement-breakpoint
create trigger keep_all_audit before truncate on audit_heads for each statement execute function keep_all_audit();
--> statement-breakpoint
create trigger keep_all_audit before update or delete or truncate on audit_tombstones for each statement
  execute function keep_all_audit();
--> statement-breakpoint
-- A session also ends by itself: after its last day, or when nobody renewed it for thirty. An access token that is still
-- good for minutes is refused by then too; and whoever was disabled is, whatever they come with.
create or replace function live_session(session text, person text) returns boolean language plpgsql stable parallel safe as $$
begin
  if starts_with(session, 'key_') then
    perform 1 from api_keys k join users u on u.id = k.user_id where k.id = session and k.user_id = person
      and k.revoked_at is null and (k.expires_at is null or k.expires_at > now()) and u.disabled_at is null;
  else
    perform 1 from sessions s join users u on u.id = s.user_id where s.id = session and s.user_id = person
      and s.ended_at is null and s.expires_at > now() and s.last_used_at > now() - interval '30 days'
      and u.disabled_at is null;
  end if;
  if not found then
    raise exception 'the session has ended' using errcode = 'AU401';
  end if;
  return true;
end $$;
--> statement-breakpoint
-- The role in which a signed-in person acts for the deployment: of these, or not at all.
create function live_staff(session text, person text, roles text[]) returns text language plpgsql stable parallel safe as $$
declare
  held text;
begin
  perform live_session(session, person);
  select u.role into held from users u where u.id = person and u.role = any(roles);
  if held is null then
    raise exception 'the role is not held' using errcode = 'AU403';
  end if;
  return held;
end $$;
--> statement-breakpoint
-- However somebody signs in, whoever was disabled is given no session. The lock lets none in that is just being disabled.
create function keep_disabled_out() returns trigger language plpgsql as $$
declare
  since timestamptz;
begin
  select u.disabled_at into since from users u where u.id = new.user_id for share;
  if since is not null then
    raise exception 'the account is disabled' using errcode = 'AU402', detail = new.user_id;
  end if;
  return new;
end $$;
--> statement-breakpoint
create trigger keep_disabled_out before insert on sessions for each row execute function keep_disabled_out();
--> statement-breakpoint
-- That somebody looked at what is known of these people, in the chain of each.
create function note_looks(act jsonb, people text[], target text) returns void language plpgsql security definer
  set search_path = public, pg_temp as $$
declare
  person text;
begin
  for person in select distinct p from unnest(people) as p order by 1 loop
    perform append_audit(act, person, coalesce(nullif(target, ''), person), 'done', '', '{}');
  end loop;
end $$;
--> statement-breakpoint
-- A request without a signature where one may be demanded: the session must be alive, and its person must demand none.
create function unsigned_session(session text, person text) returns boolean language plpgsql stable parallel safe as $$
begin
  perform live_session(session, person);
  if exists (select 1 from signing_keys k where k.user_id = person and k.demanded) then
    raise exception 'a signature is demanded' using errcode = 'AU404';
  end if;
  return true;
end $$;
