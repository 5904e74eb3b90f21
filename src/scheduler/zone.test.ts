import { and, eq } from 'drizzle-orm'
import { expect, test } from 'vitest'
import type { Ctx, DomainEvent } from '#core'
import { outbox } from '#queue/tables'
import { makePerson } from '#test/database'
import { setPreferences } from '#users'
import { scheduleSubscriber } from './carry-out.ts'
import { createSchedule, getSchedule, updateSchedule } from './schedules.ts'
import type { When } from './schema.ts'
import { pauseSchedule, resumeSchedule } from './switch.ts'

const nobody = { check: async () => [], carryOut: () => Promise.reject(new Error('nobody carries this out')) }
const subscriber = scheduleSubscriber({ run_workflow: nobody, ask_assistant: nobody, effect: nobody })
const EIGHT: When = { kind: 'cron', cron: '0 8 * * *' }
const action = { kind: 'notify', title: 'Water', body: '', priority: 'medium' } as const

async function begin() {
  const armed: { name: string; dueMs: number }[] = []
  const person = await makePerson({ timeZone: 'Europe/Berlin', now: () => new Date('2031-03-10T09:00:00.000Z') })
  const steward = {
    arm: async (timers: typeof armed) => ({ ok: armed.push(...timers) > -1 }),
    cancel: async () => ({}),
  }
  Object.assign(person, { env: { EVENTS: person.env.EVENTS, STEWARD: { getByName: () => steward } } })
  const make = (when: When) => createSchedule(person, { name: 'water', when, missed: 'once', action })
  /** The person moves, and whoever hears of it does what they do. */
  const move = async (timeZone: string) => {
    await setPreferences(person, { timeZone })
    const system: Ctx = { ...person, actor: { kind: 'system' } }
    for (const type of ['me.updated', 'schedule.updated']) {
      const theirs = and(eq(outbox.userId, person.actor.userId), eq(outbox.type, type))
      const rows = await person.db.select().from(outbox).where(theirs).orderBy(outbox.createdAt, outbox.version)
      await subscriber.handle(
        system,
        rows.map(({ createdAt, ...event }): DomainEvent => ({ ...event, at: createdAt.toISOString() })),
      )
    }
  }
  return { person, armed, make, move }
}

test('what named no zone goes with its person, what named one stays, and the timers with them', async () => {
  const { person, armed, make, move } = await begin()
  const [home, tokyo] = [await make(EIGHT), await make({ ...EIGHT, timeZone: 'Asia/Tokyo' })]
  expect([home.followsZone, tokyo.followsZone]).toEqual([true, false])
  await move('America/New_York')
  const now = await getSchedule(person, home.id)
  expect(now).toMatchObject({ nextAt: '2031-03-10T12:00:00.000Z', when: { timeZone: 'America/New_York' }, version: 2 })
  expect(await getSchedule(person, tokyo.id)).toEqual(tokyo)
  expect(armed.at(-1)).toMatchObject({ name: `schedule:${home.id}`, dueMs: Date.parse('2031-03-10T12:00:00.000Z') })
  await move('America/New_York')
  expect((await getSchedule(person, home.id)).version).toBe(2)
})

test('what happens once and would have by now is due; what is paused stays paused, in the new zone', async () => {
  const { person, make, move } = await begin()
  const once = await make({ kind: 'at', at: { date: '2031-03-10', time: '15:00' } })
  const paused = await make(EIGHT)
  await pauseSchedule(person, paused.id)
  await move('Asia/Tokyo')
  expect((await getSchedule(person, once.id)).nextAt).toBe('2031-03-10T06:00:00.000Z')
  expect(await getSchedule(person, paused.id)).toMatchObject({ status: 'paused', nextAt: null })
  expect((await resumeSchedule(person, paused.id)).nextAt).toBe('2031-03-10T23:00:00.000Z')
})

test('a zone that is given later is kept', async () => {
  const { person, make, move } = await begin()
  const { id } = await make(EIGHT)
  await updateSchedule(person, id, { when: { ...EIGHT, timeZone: 'Asia/Tokyo' } }, '*')
  await move('America/New_York')
  expect(await getSchedule(person, id)).toMatchObject({ followsZone: false, nextAt: '2031-03-10T23:00:00.000Z' })
})
