import type { World } from '../world.ts'

type Timer = { name: string; dueMs: number }

/** Each run that was begun told its person once; each schedule that has a next time has its timer, and no other is armed. */
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
  const runs = await query(
    `select r.id, r.status, count(n.id)::int as times from schedule_runs r left join notifications n
      on n.user_id = r.user_id and n.dedupe_key = 'schedule:' || r.id where r.user_id = $1 group by r.id`,
    [userId],
  )
  for (const { id, status, times } of runs)
    if (status !== 'done' || times !== 1) report(`the run ${id} is "${status}" and told ${times} times`)
}
