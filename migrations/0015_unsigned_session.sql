-- A request without a signature where one may be demanded: the session must be alive, and its person must demand none.
create function unsigned_session(session text, person text) returns boolean language plpgsql stable parallel safe as $$
begin
  perform live_session(session, person);
  if exists (select 1 from signing_keys k where k.user_id = person and k.demanded) then
    raise exception 'a signature is demanded' using errcode = 'AU402';
  end if;
  return true;
end $$;
