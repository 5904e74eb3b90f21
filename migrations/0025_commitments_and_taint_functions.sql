select audit_table('effects', 'user_id', 'id', '{kind,status,outward,tainted,agreed}',
  '{key,input,says,changes,before,found,lefts,undo,undo_until,undo_forced,undo_from,held_until,output,evidence_id,provider,error_code,error,is_retryable,origin,message_id,call_id,run_id,step,suggestion_id,action,schedule_run_id,holder,lease_until,attempts,version,done_at,ended_at,created_at,updated_at}',
  '{update}');

--> statement-breakpoint
-- What is written while others' words lead it is marked as it is written, whichever statement writes it: the setting is
-- made by the transaction that does it (src/database/neon.ts), and `of` are the columns that hold words.
create function mark_tainted() returns trigger language plpgsql as $$
begin
  new.tainted := true;
  return new;
end $$;
--> statement-breakpoint
create function taint_table(source text, words text[]) returns void language plpgsql as $make$
declare
  says text := $q$current_setting('aurelius.tainted', true) = 'true'$q$;
  differs text;
begin
  select string_agg(format('new.%I is distinct from old.%I', w, w), ' or ') into differs from unnest(words) w;
  execute format('create or replace trigger taint_insert before insert on %I for each row when (%s)
    execute function mark_tainted()', source, says);
  execute format('create or replace trigger taint_update before update on %I for each row when (%s and (%s))
    execute function mark_tainted()', source, says, differs);
end $make$;
--> statement-breakpoint
select taint_table('tasks', '{title,notes,labels}');
--> statement-breakpoint
select taint_table('projects', '{name}');
--> statement-breakpoint
select taint_table('memories', '{text}');
--> statement-breakpoint
select taint_table('calendar_events', '{title,notes,location,attendees,exceptions}');
--> statement-breakpoint
select taint_table('messages', '{parts}');
--> statement-breakpoint
-- What a synchronisation brings was written elsewhere.
create trigger taint_foreign before insert or update on tasks for each row when (new.external_provider is not null)
  execute function mark_tainted();
--> statement-breakpoint
create trigger taint_foreign before insert or update on calendar_events for each row
  when (new.external_provider is not null) execute function mark_tainted();
--> statement-breakpoint
select audit_table('tasks', 'user_id', 'id',
  '{status,priority,project_id,parent_id,due_at,start_at,remind_at,reminded_at,completed_at,deleted_at,recurrence,estimate_minutes,actual_minutes,external_provider,tainted}',
  '{version,updated_at,ai_confidence}', '{insert,update,delete}');
--> statement-breakpoint
select audit_table('projects', 'user_id', 'id', '{archived_at,colour,position,tainted}', '{version,updated_at}',
  '{insert,update,delete}');
--> statement-breakpoint
select audit_table('memories', 'user_id', 'id', '{kind,source_message_id,deleted_at,tainted}', '{version,updated_at}',
  '{insert,update,delete}');
--> statement-breakpoint
select audit_table('calendar_events', 'user_id', 'id',
  '{status,transparency,start_at,end_at,recurrence,reminders,deleted_at,external_provider,tainted}',
  '{version,updated_at,next_reminder_at,reminded_to,armings}', '{insert,update,delete}');

--> statement-breakpoint
-- What was said is a person's own words: that it was, and what became of it, is told.
select audit_table('commitments', 'user_id', 'id', '{source,status,ended_by,suggestion_id,task_id,ended_at}',
  '{version,updated_at}', '{insert,update,delete}');
--> statement-breakpoint
-- Told again with the column that came.
select audit_table('suggestion_settings', 'user_id', 'user_id',
  '{max_open,max_a_day,cooldown_minutes,cooldowns,muted,urgent_in_quiet_hours,infer_commitments}', '{version,updated_at}',
  '{insert,update,delete}');

--> statement-breakpoint
select audit_table('schedules', 'user_id', 'id', '{status,missed,follows_zone}', '{version,updated_at,next_at}', '{insert,update,delete}');
--> statement-breakpoint
-- An address is known by its place among those of its workflow, no longer by what it takes.
update triggers t set key = n.key from (
  select id, kind || ':' || row_number() over (partition by workflow_id, kind order by id) as key
  from triggers where kind in ('webhook', 'manual', 'workflow')
) n where n.id = t.id;
