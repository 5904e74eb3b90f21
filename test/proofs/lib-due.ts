import type { Owner, Report, Seen, Told } from './lib-effects.ts'
import { timersOf } from './lib-objects.ts'

// The next reminder of each event, as its row says; and of what is past none was given or told twice.
export async function auditEventReminders(world: Seen, person: Owner, told: Told[], report: Report): Promise<void> {
  const rows = await world.query(
    'select id, next_reminder_at from calendar_events where user_id = $1 and next_reminder_at is not null',
    [person.userId],
  )
  const expected = rows.map((row) => `event:${row.id} ${new Date(String(row.next_reminder_at)).getTime()}`).sort()
  const timers = (await timersOf(world, person.userId)).filter(({ name }) => name.startsWith('event:'))
  const found = timers.map(({ name, dueMs }) => `${name} ${dueMs}`).sort()
  if (expected.join() !== found.join()) report(`reminders of events wait: ${expected}; timers are armed: ${found}`)
  const given = await world.query(
    `select c.id, count(n.id)::int as times from calendar_events c left join notifications n
      on n.user_id = c.user_id and n.dedupe_key like 'event:' || c.id || ':%'
      where c.user_id = $1 and c.reminded_to is not null group by c.id`,
    [person.userId],
  )
  const soon = told.filter(({ type }) => type === 'event.soon').map((event) => event.id.split('.')[0])
  for (const { id, times } of given) {
    if (times !== 1) report(`the reminder of ${id} was given ${times} times`)
    const tellings = soon.filter((key) => key === id).length
    if (tellings !== 1) report(`that ${id} is soon was told ${tellings} times`)
  }
}

// Every notification is planned once: a socket, and no way of the same kind twice; what is due went out or is known not to.
export async function auditDeliveries(world: Seen, person: Owner, told: Told[], report: Report): Promise<void> {
  const rows = await world.query(
    `select n.id, count(d.id) filter (where d.channel = 'socket')::int as sockets,
        count(d.id)::int - count(distinct (d.channel, d.purpose, d.device_id)) filter (where d.id is not null)::int as twice
      from notifications n left join deliveries d on d.notification_id = n.id where n.user_id = $1 group by n.id`,
    [person.userId],
  )
  const created = new Set(told.flatMap(({ id, type }) => (type === 'notification.created' ? [id.split('.')[0]] : [])))
  for (const { id, sockets, twice } of rows)
    if (created.has(String(id)) && (sockets !== 1 || twice !== 0))
      report(`${id} goes by ${sockets} sockets, and ${twice} ways twice`)
}
