import { and, eq } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { SCOPES } from '#auth'
import { type Ctx, type DomainEvent, newId, type UserCtx } from '#core'
import { listNotifications } from '#notifications'
import { outbox } from '#queue/tables'
import { makePerson } from '#test/database'
import type { ScheduleAction } from './action-schema.ts'
import { type Came, type Carriers, type Due, endLostRuns, failed, requireDoable } from './carriers.ts'
import { scheduleSubscriber } from './carry-out.ts'
import { runNow } from './due.ts'
import { listRuns, scheduleStatistics } from './runs.ts'
import { createSchedule } from './schedules.ts'
import { NewSchedule, ScheduleRun } from './schema.ts'
import { deleteSchedule, pauseSchedules } from './switch.ts'
import { scheduleRuns } from './tables.ts'

const EFFECT = { kind: 'effect', do: 'create_task', input: { title: 'Report' } } as const

/** A room above, of which a test says what it does. */
function roomOf(carryOut: (due: Due) => Promise<Came | null>) {
  const seen: string[] = []
  const carrier = {
    check: async (_: UserCtx, { kind }: ScheduleAction) => [{ pointer: '/kind', detail: `no ${kind} here` }],
    carryOut: async ({ actor }: UserCtx, due: Due) => {
      seen.push(`${actor.userId} ${due.run.id}`)
      return await carryOut(due)
    },
  }
  const carriers: Carriers = { run_workflow: carrier, ask_assistant: carrier, effect: carrier }
  return { carriers, seen, subscriber: scheduleSubscriber(carriers) }
}

/** A schedule that is due, as its event tells. */
async function dueOf(action: ScheduleAction) {
  const person = await makePerson()
  const calls: unknown[][] = []
  const arm = async (timers: unknown[]) => ({ ok: calls.push(timers) > 0 })
  const env = { EVENTS: person.env.EVENTS, STEWARD: { getByName: () => ({ arm, cancel: arm }) } }
  Object.assign(person, { env })
  const when = { kind: 'cron', cron: '0 9 * * *' } as const
  const schedule = await createSchedule(person, { name: 'Weekly', when, missed: 'once', action })
  const run = await runNow(person, schedule.id)
  const isIts = and(eq(outbox.userId, person.actor.userId), eq(outbox.type, 'schedule.due'))
  const [row] = await person.db.select().from(outbox).where(isIts)
  if (!row) throw new Error('nothing was told')
  const events: DomainEvent[] = [{ ...row, at: row.createdAt.toISOString() }]
  const system: Ctx = { ...person, actor: { kind: 'system' } }
  const runs = async () =>
    (await listRuns(person, schedule.id, { limit: 9 })).items.map((one) => ScheduleRun().parse(one))
  const told = async () => (await listNotifications(person, { limit: 9 })).items
  return { person, system, schedule, run, events, runs, told }
}

test('what another room carries out is settled once with what came of it, and its person told once', async () => {
  const { person, system, schedule, run, events, runs, told } = await dueOf(EFFECT)
  const evidence = { id: 'task_1', provider: 'aurelius' }
  const outcome = { kind: 'effect' as const, id: newId('eff', person.now()), evidence }
  const broken = roomOf(async () => {
    throw new Error('gone')
  })
  await expect(broken.subscriber.handle(system, events)).rejects.toThrow('gone')
  expect([await told(), (await runs()).map(({ status }) => status)]).toEqual([[], ['waiting']])
  const { subscriber, seen } = roomOf(async () => ({
    status: 'done',
    outcome,
    note: { title: 'Made', body: 'w'.repeat(900) },
  }))
  await subscriber.handle(system, events)
  await subscriber.handle(system, events)
  expect(seen).toEqual([`${person.actor.userId} ${run.id}`])
  expect(await runs()).toMatchObject([{ status: 'done', outcome, endedAt: expect.any(String) }])
  expect(await told()).toMatchObject([{ title: 'Made', kind: 'schedule', link: { kind: 'schedule', id: schedule.id } }])
  expect((await scheduleStatistics(person)).runs).toEqual({ waiting: 0, done: 1, failed: 0, missed: 0 })
})

test('what fails says why, to its person too; what is settled later waits; what is deleted is left', async () => {
  const one = await dueOf(EFFECT)
  await roomOf(async () => null).subscriber.handle(one.system, one.events)
  expect((await one.runs()).map(({ status }) => status)).toEqual(['waiting'])
  const failing = roomOf(async (due) => failed(due, 'not_found', 'It is gone'))
  await failing.subscriber.handle(one.system, one.events)
  expect(await one.runs()).toMatchObject([
    { status: 'failed', outcome: { kind: 'failure', code: 'not_found', detail: 'It is gone' } },
  ])
  expect(await one.told()).toMatchObject([
    { title: '"Weekly" could not be done', body: 'It is gone', priority: 'high' },
  ])
  const other = await dueOf(EFFECT)
  await deleteSchedule(other.person, other.schedule.id)
  const { subscriber, seen } = roomOf(async () => null)
  await subscriber.handle(other.system, other.events)
  expect(seen).toEqual([])
})

test('what nobody carried out for a day is ended, with notice', async () => {
  const { person, run, runs, told } = await dueOf(EFFECT)
  await endLostRuns(person)
  expect((await runs()).map(({ status }) => status)).toEqual(['waiting'])
  const longAgo = new Date(Date.now() - 25 * 3_600_000)
  await person.db.update(scheduleRuns).set({ startedAt: longAgo }).where(eq(scheduleRuns.id, run.id))
  await endLostRuns(person)
  expect(await runs()).toMatchObject([{ status: 'failed', outcome: { code: 'timeout' } }])
  expect(await told()).toMatchObject([{ title: '"Weekly" could not be done' }])
})

test('what was due when all schedules are switched off is done no more; what is newer is', async () => {
  const [one, other] = [await dueOf(EFFECT), await dueOf(EFFECT)]
  await pauseSchedules(one.person, new Date())
  await pauseSchedules(other.person, new Date(0))
  const { subscriber, seen } = roomOf(async () => null)
  for (const { system, events } of [one, other]) await subscriber.handle(system, events)
  expect(seen).toEqual([`${other.person.actor.userId} ${other.run.id}`])
  expect(await one.runs()).toMatchObject([{ status: 'failed', outcome: { code: 'cancelled' } }])
})

test('what is under way shows as what, is not begun again, and is waited for a week', async () => {
  const { person, system, run, events, runs, told } = await dueOf(EFFECT)
  const outcome = { kind: 'effect' as const, id: newId('eff', person.now()), evidence: { id: null, provider: null } }
  const { subscriber, seen } = roomOf(async () => ({ status: 'waiting', outcome }))
  await subscriber.handle(system, events)
  await subscriber.handle(system, events)
  expect(seen).toHaveLength(1)
  const daysAgo = (days: number) =>
    person.db
      .update(scheduleRuns)
      .set({ startedAt: new Date(Date.now() - days * 24 * 3_600_000) })
      .where(eq(scheduleRuns.id, run.id))
  await daysAgo(6)
  await endLostRuns(person)
  expect(await runs()).toMatchObject([{ status: 'waiting', outcome, endedAt: null }])
  await daysAgo(8)
  await endLostRuns(person)
  expect(await runs()).toMatchObject([{ status: 'failed', outcome: { code: 'timeout' } }])
  expect(await told()).toMatchObject([{ body: 'Nobody said what became of it' }])
})

test('what no room would do is refused when it is saved, with its place', async () => {
  const person = await makePerson()
  const { carriers } = roomOf(async () => null)
  await expect(requireDoable(carriers, person, EFFECT)).rejects.toMatchObject({
    code: 'invalid_request',
    errors: [{ pointer: '/action/kind', detail: 'no effect here' }],
  })
  const notify = { kind: 'notify', title: 'x', body: '', priority: 'low' } as const
  await requireDoable(carriers, person, notify)
})

test('a key, whatever its scopes, has its person told something and nothing done: later no key would hold it', async () => {
  const { actor, ...person } = await makePerson()
  const by = { ...person, actor: { ...actor, key: { id: 'key_1', scopes: [...SCOPES], ratePerMinute: null } } }
  const { carriers } = roomOf(async () => null)
  const doable = { check: async () => [], carryOut: async () => null }
  const willing = { ...carriers, run_workflow: doable, ask_assistant: doable, effect: doable }
  const workflowId = newId('wfl', person.now())
  const actions = [
    EFFECT,
    { kind: 'run_workflow', workflowId, input: {} },
    { kind: 'ask_assistant', text: 'x' },
  ] as const
  for (const action of actions) {
    await requireDoable(willing, { ...person, actor }, action)
    await expect(requireDoable(willing, by, action)).rejects.toMatchObject({
      code: 'invalid_request',
      errors: [{ pointer: '/action/kind', detail: expect.stringContaining(`a key may not schedule ${action.kind}`) }],
    })
  }
  await requireDoable(willing, by, { kind: 'notify', title: 'x', body: '', priority: 'low' })
})

test('what is given to an effect is JSON that Postgres keeps, of a size', () => {
  const given = (input: object) =>
    NewSchedule.shape.action.safeParse({ kind: 'effect', do: 'create_task', input }).success
  const deep = (n: number): object => (n === 0 ? {} : { a: deep(n - 1) })
  expect([
    given({ a: [1, 'x'] }),
    given({ a: '\u0000' }),
    given({ a: '\ud800' }),
    given({ a: 'x'.repeat(20_001) }),
  ]).toEqual([true, false, false, false])
  expect([given(deep(7)), given(deep(8))]).toEqual([true, false])
})
