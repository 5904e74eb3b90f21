-- A session also ends by itself: after its last day, or when nobody renewed it for thirty. An access token that is
-- still good for minutes is refused by then too.
create or replace function live_session(session text, person text) returns boolean language plpgsql stable parallel safe as $$
begin
  if starts_with(session, 'key_') then
    perform 1 from api_keys k where k.id = session and k.user_id = person and k.revoked_at is null
      and (k.expires_at is null or k.expires_at > now());
  else
    perform 1 from sessions s where s.id = session and s.user_id = person and s.ended_at is null
      and s.expires_at > now() and s.last_used_at > now() - interval '30 days';
  end if;
  if not found then
    raise exception 'the session has ended' using errcode = 'AU401';
  end if;
  return true;
end $$;
