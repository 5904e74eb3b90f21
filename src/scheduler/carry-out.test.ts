import { and, eq } from 'drizzle-orm'
import { expect, test } from 'vitest'
import type { Ctx, DomainEvent } from '#core'
import { listNotifications } from '#notifications'
import { notifications } from '#notifications/tables'
import { outbox } from '#queue/tables'
import { makePerson, type Person } from '#test/database'
import { scheduleSubscriber } from './carry-out.ts'
import { runNow } from './due.ts'
import { createSchedule } from './schedules.ts'
import type { NewSchedule } from './schema.ts'
import { deleteSchedule } from './switch.ts'

const HOURLY = { kind: 'cron', cron: '0 * * * *', timeZone: 'UTC' } as const
const action = { kind: 'notify', title: 'Stand up', body: '', priority: 'medium' } as const

const nobody = { check: async () => [], carryOut: async () => null }
const subscriber = scheduleSubscriber({ run_workflow: nobody, ask_assistant: nobody, effect: nobody })

async function makeWorld() {
  const made = await makePerson()
  const steward = { arm: async () => ({ ok: true, armed: 1 }), cancel: async () => ({ ok: true }) }
  const env = { EVENTS: made.env.EVENTS, STEWARD: { getByName: () => steward } } as unknown as Env
  const person: Person = { ...made, env }
  const system: Ctx = { ...person, actor: { kind: 'system' } }
  const make = (missed: NewSchedule['missed']) => createSchedule(person, { name: 'up', when: HOURLY, missed, action })
  /** What is due, as the queue hands it over: again what it handed over before. */
  const hear = async () => {
    const isDue = and(eq(outbox.userId, made.actor.userId), eq(outbox.type, 'schedule.due'))
    const rows = await person.db.select().from(outbox).where(isDue).orderBy(outbox.createdAt, outbox.id)
    const events = rows.map(({ createdAt, ...event }): DomainEvent => ({ ...event, at: createdAt.toISOString() }))
    await subscriber.handle(system, events)
  }
  const told = async () => (await listNotifications(person, { limit: 100 })).items
  return { person, make, hear, told }
}

test('a schedule that was deleted before its run was carried out says nothing', async () => {
  const { person, make, hear, told } = await makeWorld()
  const { id } = await make('once')
  await runNow(person, id)
  await deleteSchedule(person, id)
  await hear()
  expect(await told()).toEqual([])
})

test('what is handed over again is said once, also after it was taken away', async () => {
  const { person, make, hear, told } = await makeWorld()
  const { id } = await make('once')
  await runNow(person, id)
  await hear()
  const [first] = await told()
  await hear()
  expect(await told()).toEqual([first])
})

test('the next time takes the place of one that nobody saw, and of no other; where each is wanted, of none', async () => {
  const { person, make, hear, told } = await makeWorld()
  const [once, all] = [await make('once'), await make('all')]
  for (const { id } of [once, all]) for (let n = 0; n < 2; n++) await runNow(person, id)
  await hear()
  const of = async (id: string) => (await told()).filter(({ link }) => link?.id === id)
  const [shown] = await of(once.id)
  expect([(await of(once.id)).length, (await of(all.id)).length]).toEqual([1, 2])
  await person.db
    .update(notifications)
    .set({ seenAt: new Date() })
    .where(eq(notifications.id, shown?.id ?? ''))
  await runNow(person, once.id)
  await hear()
  expect(await of(once.id)).toHaveLength(2)
})
