-- Of somebody known a refusal is a line. Of who is not signed in the first of an hour is, by what was asked for and why it
-- was refused; the others are counted, so that a stranger cannot make a chain grow as they like.
create function note_denial(act jsonb, person text, target text, reason text) returns void language plpgsql security definer
  set search_path = public, pg_temp as $$
declare
  refused integer := 1;
begin
  if act->>'kind' = 'anonymous' then
    perform 1 from users u where u.id = person for key share;
    if not found then
      return;
    end if;
    insert into audit_denials as d (user_id, action, reason, count, addresses, started_at, last_at)
      values (person, act->>'action', note_denial.reason, 1, array[act->>'address'], clock_timestamp(), clock_timestamp())
      on conflict on constraint audit_denials_user_id_action_reason_pk do update
        set count = d.count + 1, last_at = clock_timestamp(),
          addresses = case when cardinality(d.addresses) < 10 and not act->>'address' = any(d.addresses)
            then d.addresses || (act->>'address') else d.addresses end
      returning d.count into refused;
  end if;
  if refused = 1 then
    perform append_audit(act, person, target, 'denied', note_denial.reason, '{}');
  end if;
end $$;
--> statement-breakpoint
-- What was counted for an hour becomes one line; the next is a first again. By person, as whatever takes several heads.
create function tell_denials(most integer) returns void language plpgsql security definer set search_path = public, pg_temp as $$
declare
  one audit_denials;
begin
  for one in select * from audit_denials d where d.started_at < clock_timestamp() - interval '1 hour'
    order by d.user_id, d.action, d.reason limit most for update skip locked loop
    if one.count > 1 then
      perform append_audit(jsonb_build_object('kind', 'anonymous', 'id', '', 'action', one.action, 'request', '', 'call', '',
        'address', '', 'agent', ''), one.user_id, '', 'denied', one.reason, jsonb_build_object('count', one.count - 1,
        'from', one.started_at, 'to', one.last_at, 'addresses', to_jsonb(one.addresses)));
    end if;
    delete from audit_denials d where d.user_id = one.user_id and d.action = one.action and d.reason = one.reason;
  end loop;
end $$;
