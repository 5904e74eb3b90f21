import { eq, sql } from 'drizzle-orm'
import { expect, test } from 'vitest'
import type { NewTimer } from '#scheduler'
import { makePerson } from '#test/database'
import { createEvent } from './create.ts'
import { sweepEventReminders } from './reminders.ts'
import { calendarEvents } from './tables.ts'

test('an event that was imported is armed by the sweep, and keeps no other timer of its person from being armed', async () => {
  const person = await makePerson()
  const { userId } = person.actor
  const start = { date: '2131-03-10', time: '09:00' }
  const make = async () => await createEvent(person, { title: 'Standup', start, reminders: [10] })
  const [soon, imported] = [await make(), await make()]
  const set = (id: string, nextReminderAt: ReturnType<typeof sql>, armings: number) =>
    person.db.update(calendarEvents).set({ nextReminderAt, armings }).where(eq(calendarEvents.id, id))
  await set(soon.id, sql`now() + interval '30 seconds'`, 4)
  // The oldest there is: the sweep takes so many at a time, and other tests leave some.
  await set(imported.id, sql`now() - interval '23 hours'`, 0)
  const armed: [string, number][] = []
  const steward = {
    arm: async (timers: NewTimer[]) => {
      if (timers.some(({ version }) => version < 1)) return { ok: false, reason: 'invalid' }
      armed.push(...timers.map(({ name, version }): [string, number] => [name, version]))
      return { ok: true, armed: timers.length }
    },
  }
  // The sweep is everybody's: it may meet an event of another test.
  const another = { arm: async () => ({ ok: true, armed: 1 }), cancel: async () => ({ ok: true, cancelled: true }) }
  const STEWARD = { getByName: (name: string) => (name === userId ? steward : another) }
  await sweepEventReminders({ ...person, env: { EVENTS: person.env.EVENTS, STEWARD } as unknown as Env })
  expect(armed.sort()).toEqual(
    [
      [`event:${imported.id}`, 1],
      [`event:${soon.id}`, 4],
    ].sort(),
  )
})
