import { eq } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { calendarTools, keepReminders } from '#calendar'
import { calendarEvents } from '#calendar/tables'
import { happenedSince } from '#queue'
import { makePerson } from '#test/database'
import { type Drafted, draftByRules } from './draft-rules.ts'
import { triggerSubscriber } from './react.ts'
import { workflowRuns } from './tables.ts'
import { NewWorkflow } from './workflow-schema.ts'
import { createWorkflow } from './workflows.ts'

// The database says when an event was made: what comes is in the years ahead of its clock.
const NINE = Date.parse('2037-11-23T09:00:00Z')
const AT = { now: '2037-11-20T10:00:00.000Z', timeZone: 'UTC' }

test('a workflow waits for half an hour before an event, and begins then, once, and taints what others wrote', async () => {
  const clock = { now: new Date(AT.now) }
  const person = await makePerson({ now: () => clock.now })
  const steward = { arm: async () => ({ ok: true }), cancel: async () => ({ ok: true }) }
  Object.assign(person, { env: { EVENTS: person.env.EVENTS, STEWARD: { getByName: () => steward } } })
  const drafted = (await draftByRules('30 minutes before a meeting create a task to read the notes', AT)) as Drafted
  const { name, definition } = drafted
  await createWorkflow(person, NewWorkflow().parse({ name, definition }))
  const book = calendarTools.find((tool) => tool.name === 'create_event')
  await book?.run(person, {
    ...{ title: 'Board', start: { date: '2037-11-23', time: '09:00' }, reminders: [30, 10] },
  })
  const [event] = await person.db.select().from(calendarEvents).where(eq(calendarEvents.userId, person.actor.userId))
  if (!event) throw new Error('no event was made')
  await person.db.update(calendarEvents).set({ tainted: true }).where(eq(calendarEvents.id, event.id))
  const runs = () => person.db.select().from(workflowRuns).where(eq(workflowRuns.userId, person.actor.userId))
  const ring = async (minutesBefore: number) => {
    clock.now = new Date(NINE - minutesBefore * 60_000)
    await keepReminders(person, { userId: person.actor.userId, id: event.id })
    const told = await happenedSince(person, 'event.soon', new Date(0), 9)
    // They are told by the clock of the database.
    const late = told.map((one) => ({ ...one, at: clock.now.toISOString() }))
    for (let twice = 0; twice < 2; twice++) await triggerSubscriber.handle(person, late)
  }
  await ring(31)
  expect(await runs()).toEqual([])
  await ring(30)
  await ring(10)
  const [run, ...others] = await runs()
  expect(others).toEqual([])
  expect(run).toMatchObject({
    tainted: true,
    trigger: { type: 'event.soon', subject: event.id, data: { title: 'Board', minutes: 30 } },
  })
})
