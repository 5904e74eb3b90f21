-- A request by an API key names the key where others name their session: the same condition, the same failure.
create or replace function live_session(session text, person text) returns boolean language plpgsql stable parallel safe as $$
begin
  if starts_with(session, 'key_') then
    perform 1 from api_keys k where k.id = session and k.user_id = person and k.revoked_at is null
      and (k.expires_at is null or k.expires_at > now());
  else
    perform 1 from sessions s where s.id = session and s.user_id = person and s.ended_at is null;
  end if;
  if not found then
    raise exception 'the session has ended' using errcode = 'AU401';
  end if;
  return true;
end $$;
