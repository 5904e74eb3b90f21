-- The session behind a statement must be alive, or the whole statement fails: revocation costs no trip.
create function live_session(session text, person text) returns boolean language plpgsql stable parallel safe as $$
begin
  perform 1 from sessions s where s.id = session and s.user_id = person and s.ended_at is null;
  if not found then
    raise exception 'the session has ended' using errcode = 'AU401';
  end if;
  return true;
end $$;
--> statement-breakpoint
-- The owner of a new row, once their session is known to be alive.
create function live_user(session text, person text) returns text language plpgsql stable parallel safe as $$
begin
  perform live_session(session, person);
  return person;
end $$;
--> statement-breakpoint
-- The zone a wall clock is read in when none is given.
create function person_zone(person text) returns text language plpgsql stable parallel safe as $$
begin
  return coalesce((select u.time_zone from users u where u.id = person), 'UTC');
end $$;
--> statement-breakpoint
-- What a wall clock means. In the hour that comes twice the first is meant, in the hour that never comes the clock
-- after the jump: RFC 5545, and what Temporal calls "compatible". Postgres alone takes the second of the two.
create function wall_instant(wall timestamp, zone text) returns timestamptz language plpgsql stable parallel safe as $$
declare
  late timestamptz := wall at time zone zone;
  early timestamptz;
begin
  foreach early in array array[late - interval '2 hours', late - interval '1 hour', late - interval '30 minutes'] loop
    if early at time zone zone = wall then
      return early;
    end if;
  end loop;
  return late;
end $$;
