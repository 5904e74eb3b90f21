-- Lines of the ledger are added and never changed; they go only when their person does, by the cascade of that delete.
create function keep_ledger() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' and not exists (select 1 from users u where u.id = old.user_id) then
    return old;
  end if;
  raise exception 'the ledger is append-only' using errcode = 'restrict_violation';
end $$;
--> statement-breakpoint
create trigger usage_events_append_only before update or delete on usage_events
  for each row execute function keep_ledger();
--> statement-breakpoint
create function keep_all_of_ledger() returns trigger language plpgsql as $$
begin
  raise exception 'the ledger is append-only' using errcode = 'restrict_violation';
end $$;
--> statement-breakpoint
create trigger usage_events_no_truncate before truncate on usage_events
  for each statement execute function keep_all_of_ledger();
