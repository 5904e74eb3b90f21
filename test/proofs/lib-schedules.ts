import type { World } from '../world.ts'

type Timer = { name: string; dueMs: number }

/** Each run that was begun was carried out once; each schedule that has a next time has its timer, and no other is armed. */
export async function auditSchedules(
  { query }: Pick<World, 'query'>,
  { userId }: { userId: string },
  armed: Timer[],
  report: (violation: string) => void,
): Promise<void> {
  const rows = await query('select id, next_at from schedules where user_id = $1 and next_at is not null', [userId])
  const expected = rows.map(({ id, next_at }) => `schedule:${id} ${new Date(String(next_at)).getTime()}`).sort()
  const timers = armed.filter(({ name }) => name.startsWith('schedule:'))
  const found = timers.map(({ name, dueMs }) => `${name} ${dueMs}`).sort()
  if (expected.join() !== found.join()) report(`schedules wait for ${expected.join()}, timers for ${found.join()}`)
  // What each of them left, by the key that is made of its run.
  const runs = await query(
    `select r.id, r.status, s.action->>'kind' as kind,
      (select count(*) from notifications n where n.user_id = r.user_id and n.dedupe_key = 'schedule:' || r.id)::int as notify,
      (select count(*) from effects e where e.user_id = r.user_id and e.key = 'schedule:' || r.id)::int as effect,
      (select count(*) from workflow_runs w where w.user_id = r.user_id and w.cause = 'schedule:' || r.id)::int as run_workflow,
      (select count(*) from messages m where m.user_id = r.user_id and m.role = 'assistant'
        and m.id = r.outcome->>'messageId')::int as ask_assistant
      from schedule_runs r join schedules s on s.id = r.schedule_id where r.user_id = $1`,
    [userId],
  )
  for (const { id, status, kind, ...times } of runs)
    if (status !== 'done' || times[String(kind)] !== 1)
      report(`the run ${id} is "${status}" and was carried out ${times[String(kind)]} times (${kind})`)
}

/** Each time the assistant was asked by a schedule is one job, one turn of two messages, and told once. */
export async function auditAsks(
  { query }: Pick<World, 'query'>,
  { userId }: { userId: string },
  report: (violation: string) => void,
): Promise<void> {
  const rows = await query(
    `select r.id, count(distinct m.turn_id)::int as turns, count(distinct m.id)::int as messages,
      (select count(*) from jobs j where j.kind = 'ask_assistant' and j.ref = r.id)::int as jobs,
      (select count(*) from schedule_runs o where o.outcome->>'conversationId' = r.outcome->>'conversationId')::int as runs,
      (select count(*) from notifications n where n.user_id = r.user_id and n.dedupe_key = 'schedule:' || r.id)::int as told
      from schedule_runs r join schedules s on s.id = r.schedule_id and s.action->>'kind' = 'ask_assistant'
      left join messages m on m.conversation_id = r.outcome->>'conversationId' where r.user_id = $1 group by r.id`,
    [userId],
  )
  for (const { id, turns, messages, jobs, runs, told } of rows)
    if (turns !== runs || messages !== 2 * Number(runs) || jobs !== 1 || told !== 1)
      report(
        `the run ${id} was asked by ${jobs} jobs in ${turns} turns of ${runs}, ${messages} messages, and told ${told} times`,
      )
}
