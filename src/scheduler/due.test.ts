import { and, eq, like } from 'drizzle-orm'
import { expect, test } from 'vitest'
import type { Ctx, DomainEvent } from '#core'
import { listNotifications } from '#notifications'
import { outbox } from '#queue/tables'
import { makePerson, type Person } from '#test/database'
import { scheduleSubscriber } from './carry-out.ts'
import { runNow, runSchedule, sweepSchedules } from './due.ts'
import { listRuns, pruneScheduleRuns, scheduleStatistics } from './runs.ts'
import { createSchedule, getSchedule, updateSchedule } from './schedules.ts'
import { type NewSchedule, ScheduleDue, ScheduleRun, type When } from './schema.ts'
import { deleteSchedule, pauseSchedule, resumeSchedule } from './switch.ts'
import { scheduleRuns } from './tables.ts'

// Here schedules only tell their person something.
const nobody = { check: async () => [], carryOut: () => Promise.reject(new Error('nobody carries this out')) }
const subscriber = scheduleSubscriber({ run_workflow: nobody, ask_assistant: nobody, effect: nobody })
const HOURLY: When = { kind: 'cron', cron: '0 * * * *', timeZone: 'UTC' }
const action = { kind: 'notify', title: 'Stand up', body: 'Two minutes', priority: 'high' } as const
const at = (time: string) => new Date(`2031-03-10T${time}Z`)

/** A person whose clock the test sets, and whose Steward writes down what it is told. */
async function makeWorld(start = '08:30:00') {
  const clock = { at: at(start) }
  const calls: unknown[][] = []
  const steward = {
    arm: async (timers: unknown[]) => ({ ok: calls.push(['arm', ...timers]) > 0, armed: timers.length }),
    cancel: async (...given: unknown[]) => ({ ok: calls.push(['cancel', ...given]) > 0 }),
    wake: async () => ({ ok: calls.push(['wake']) > 0 }),
  }
  const made = await makePerson({ now: () => clock.at })
  // The sweep is everybody's: it may meet a schedule of another test.
  const another = { wake: async () => ({ ok: true }) }
  const STEWARD = { getByName: (name: string) => (name === made.actor.userId ? steward : another) }
  const env = { EVENTS: made.env.EVENTS, STEWARD } as unknown as Env
  const person: Person = { ...made, env }
  const system: Ctx = { ...person, actor: { kind: 'system' } }
  const make = (over: Partial<NewSchedule> = {}) =>
    createSchedule(person, { name: 'up', when: HOURLY, missed: 'once', action, ...over })
  const run = (id: string) => runSchedule(system, { userId: made.actor.userId, id })
  /** Hears of everything that happened to schedules since it was last asked. */
  const heard = new Set<string>()
  const hear = async () => {
    const isIts = and(eq(outbox.userId, made.actor.userId), like(outbox.type, 'schedule.%'))
    const rows = await person.db.select().from(outbox).where(isIts).orderBy(outbox.createdAt, outbox.version)
    const events = rows
      .filter(({ id }) => !heard.has(id))
      .map(({ createdAt, ...event }): DomainEvent => ({ ...event, at: createdAt.toISOString() }))
    for (const { id } of events) heard.add(id)
    await subscriber.handle(system, events)
    return events
  }
  const runsOf = async (id: string) =>
    (await listRuns(person, id, { limit: 100 })).items.map(
      ({ dueAt, status, missed }) => `${dueAt.slice(11, 16)} ${status} ${missed}`,
    )
  return { person, system, clock, calls, make, run, hear, runsOf }
}

const told = async (person: Person) => (await listNotifications(person, { limit: 100 })).items

test('a schedule whose time has come is one run and one event, and moves on; then its person is told', async () => {
  const { person, clock, calls, make, run, hear } = await makeWorld()
  const { id } = await make()
  await hear()
  clock.at = at('09:00:01')
  person.meter.trips = 0
  person.sent.length = 0
  expect(await run(id)).toBe('ran')
  expect(person.meter.trips).toBe(2)
  expect(person.sent).toHaveLength(1)
  const [waiting] = (await listRuns(person, id, { limit: 9 })).items
  expect(ScheduleRun().parse(waiting)).toMatchObject({
    scheduleId: id,
    dueAt: '2031-03-10T09:00:00.000Z',
    startedAt: '2031-03-10T09:00:01.000Z',
    cause: 'time',
    status: 'waiting',
    outcome: null,
    endedAt: null,
  })
  const [event] = await hear()
  expect(ScheduleDue().parse(event?.data)).toMatchObject({
    run: { id: waiting?.id },
    schedule: { id, nextAt: '2031-03-10T10:00:00.000Z', version: 2 },
  })
  const items = await told(person)
  expect(items).toMatchObject([
    {
      kind: 'schedule',
      title: 'Stand up',
      body: 'Two minutes',
      priority: 'high',
      link: { kind: 'schedule', id },
      scheduledAt: '2031-03-10T09:00:00.000Z',
    },
  ])
  const done = { status: 'done', outcome: { kind: 'notification', id: items[0]?.id }, endedAt: expect.any(String) }
  expect((await listRuns(person, id, { limit: 9 })).items).toMatchObject([done])
  const timer = (version: number, time: string) => ({
    name: `schedule:${id}`,
    dueMs: at(time).getTime(),
    version,
    payload: { kind: 'schedule', userId: person.actor.userId, id },
  })
  expect(calls).toEqual([
    ['arm', timer(1, '09:00:00')],
    ['arm', timer(2, '10:00:00')],
  ])
})

test('run again, or by many at once, it is run once', async () => {
  const { person, clock, make, run, hear, runsOf } = await makeWorld()
  const { id } = await make()
  clock.at = at('09:00:00')
  const ran = await Promise.all(Array.from({ length: 8 }, () => run(id)))
  expect(ran.filter((one) => one === 'ran')).toHaveLength(1)
  expect(await run(id)).toBe('nothing')
  expect(await runsOf(id)).toEqual(['09:00 waiting 0'])
  const events = await hear()
  await Promise.all([1, 2, 3].map(() => subscriber.handle({ ...person, actor: { kind: 'system' } }, events)))
  expect(await told(person)).toHaveLength(1)
  expect(await runsOf(id)).toEqual(['09:00 done 0'])
})

test('a due time that was run is not run again, though its schedule is set back', async () => {
  const { person, clock, make, run, runsOf } = await makeWorld()
  const { id } = await make()
  clock.at = at('09:00:00')
  await run(id)
  clock.at = at('08:59:30')
  await updateSchedule(person, id, { when: HOURLY }, '*')
  clock.at = at('09:00:00')
  await run(id)
  expect(await runsOf(id)).toEqual(['09:00 waiting 0'])
  expect(await getSchedule(person, id)).toMatchObject({ nextAt: '2031-03-10T10:00:00.000Z' })
})

test.each([
  ['skip', ['14:00 missed 5'], 0],
  ['once', ['14:00 done 5'], 1],
  ['all', [14, 13, 12, 11, 10, 9].map((hour) => `${String(hour).padStart(2, '0')}:00 done 0`), 6],
] as const)('after six hours away, by its policy: %s', async (missed, runs, notes) => {
  const { person, clock, make, run, hear, runsOf } = await makeWorld()
  const { id } = await make({ missed })
  clock.at = at('14:40:00')
  expect(await run(id)).toBe('ran')
  await hear()
  expect((await runsOf(id)).toSorted().toReversed()).toEqual(runs)
  expect(await told(person)).toHaveLength(notes)
  expect(await getSchedule(person, id)).toMatchObject({ nextAt: '2031-03-10T15:00:00.000Z' })
})

test('the last time of all ends it', async () => {
  const { person, clock, calls, make, run, hear } = await makeWorld()
  const { id } = await make({ when: { kind: 'at', at: { date: '2031-03-10', time: '09:00' } } })
  await hear()
  clock.at = at('09:00:00')
  await run(id)
  await hear()
  expect(await getSchedule(person, id)).toMatchObject({ status: 'done', nextAt: null, next: [] })
  expect(calls.at(-1)).toEqual(['cancel', `schedule:${id}`, 2])
})

test.each<[string, (person: Person, id: string) => Promise<unknown>]>([
  ['paused', pauseSchedule],
  ['deleted', deleteSchedule],
  ['moved', (person, id) => updateSchedule(person, id, { when: { ...HOURLY, cron: '30 9 * * *' } }, '*')],
])('one that was %s is not run', async (_name, change) => {
  const { person, clock, make, run, hear } = await makeWorld()
  const { id } = await make()
  await change(person, id)
  clock.at = at('09:00:00')
  expect(await run(id)).toBe('nothing')
  await hear()
  expect(await told(person)).toEqual([])
})

test('each change keeps its timer as the schedule says', async () => {
  const { person, calls, make, hear } = await makeWorld()
  const { id } = await make()
  await hear()
  await pauseSchedule(person, id)
  await hear()
  await resumeSchedule(person, id)
  await hear()
  await deleteSchedule(person, id)
  await hear()
  const verbs = calls.map(([verb, timer, version]) => [verb, timer, version])
  expect(verbs).toEqual([
    ['arm', expect.objectContaining({ version: 1 }), undefined],
    ['cancel', `schedule:${id}`, 2],
    ['arm', expect.objectContaining({ version: 3 }), undefined],
    ['cancel', `schedule:${id}`, 4],
  ])
})

test("another person's schedule is not run, nor shown", async () => {
  const [owner, stranger] = [await makeWorld(), await makeWorld()]
  const { id } = await owner.make()
  owner.clock.at = stranger.clock.at = at('09:00:00')
  expect(await stranger.run(id)).toBe('nothing')
  await expect(runNow(stranger.person, id)).rejects.toMatchObject({ code: 'not_found' })
  await expect(listRuns(stranger.person, id, { limit: 9 })).rejects.toMatchObject({ code: 'not_found' })
  expect(await owner.runsOf(id)).toEqual([])
})

test('one is run now, paused or not, and its next time stays', async () => {
  const { person, make, hear, runsOf } = await makeWorld()
  const { id } = await make()
  person.meter.trips = 0
  const ran = ScheduleRun().parse(await runNow(person, id))
  expect(person.meter.trips).toBe(1)
  expect(ran).toMatchObject({ cause: 'person', status: 'waiting', dueAt: '2031-03-10T08:30:00.000Z' })
  await pauseSchedule(person, id)
  await runNow(person, id)
  await hear()
  expect(await runsOf(id)).toEqual(['08:30 done 0', '08:30 done 0'])
  // Nobody saw the first one: the second takes its place.
  expect(await told(person)).toHaveLength(1)
  const again: Person = { ...person, newId: () => ran.id }
  expect(await runNow(again, id)).toMatchObject({ id: ran.id, status: 'done' })
})

test('the sweep runs what was lost, once, wakes the Steward that lost it, and arms what is soon again', async () => {
  const { person, system, clock, calls, make, runsOf } = await makeWorld()
  const [lost, recent] = [await make(), await make({ when: { ...HOURLY, cron: '20 9 * * *' } })]
  clock.at = at('09:20:10')
  await Promise.all([sweepSchedules(system), sweepSchedules(system)])
  await sweepSchedules(system)
  expect([await runsOf(lost.id), await runsOf(recent.id)]).toEqual([['09:00 waiting 0'], []])
  expect(calls.filter(([verb]) => verb === 'wake')).toHaveLength(1)
  const timer = { name: `schedule:${recent.id}`, dueMs: at('09:20:00').getTime(), version: 1 }
  expect(calls.filter(([verb]) => verb === 'arm')).toMatchObject(Array.from({ length: 3 }, () => ['arm', timer]))
  expect(await told(person)).toEqual([])
})

test('one that cannot be run keeps no other from being swept, and what is late is run before what is soon is armed', async () => {
  const { person, system, clock, calls, make, runsOf } = await makeWorld()
  const [broken, good] = [await make(), await make(), await make({ when: { ...HOURLY, cron: '2 9 * * *' } })]
  await person.db.execute(`update schedules set "when" = '{"kind":"never"}' where id = '${broken.id}'`)
  clock.at = at('09:01:00')
  await sweepSchedules(system)
  expect([await runsOf(broken.id), await runsOf(good.id)]).toEqual([[], ['09:00 waiting 0']])
  expect(calls.map(([verb]) => verb)).toEqual(['wake', 'arm'])
})

test('runs are paged and filtered, and counted with how late they began', async () => {
  const { person, clock, make, run, hear } = await makeWorld()
  const { id } = await make({ missed: 'skip' })
  for (const [hour, seconds] of [
    [9, 1],
    [10, 3],
    [11, 2],
  ] as const) {
    clock.at = new Date(at('00:00:00').getTime() + hour * 3600_000 + seconds * 1000)
    await run(id)
  }
  await hear()
  clock.at = at('12:30:00')
  await run(id)
  // The clock of these runs is years ahead; that of the statistics is the database's.
  expect(await scheduleStatistics(person)).toEqual({
    schedules: { active: 1, paused: 0, done: 0 },
    runs: { waiting: 0, done: 3, failed: 0, missed: 1 },
    lateMs: { p50: 2000, p99: 2980 },
    nextAt: '2031-03-10T13:00:00.000Z',
  })
  const first = await listRuns(person, id, { limit: 3, status: 'done' })
  expect(first.items.map(({ dueAt }) => dueAt.slice(11, 13)).toSorted()).toEqual(['09', '10', '11'])
  const page = await listRuns(person, id, { limit: 3 })
  const rest = await listRuns(person, id, { limit: 3, cursor: page.nextCursor ?? '' })
  expect([page.items.length, rest.items.length, rest.nextCursor]).toEqual([3, 1, null])
})

test('nobody without schedules is counted anything', async () => {
  const { person } = await makeWorld()
  expect(await scheduleStatistics(person)).toEqual({
    schedules: { active: 0, paused: 0, done: 0 },
    runs: { waiting: 0, done: 0, failed: 0, missed: 0 },
    lateMs: { p50: null, p99: null },
    nextAt: null,
  })
})

test('runs are forgotten three months after they ended, and not while they wait', async () => {
  const { person, make, hear, runsOf } = await makeWorld()
  const { id } = await make()
  await runNow(person, id)
  await hear()
  await runNow(person, id)
  const old = new Date(Date.now() - 91 * 24 * 3600_000)
  await person.db.update(scheduleRuns).set({ startedAt: old }).where(eq(scheduleRuns.scheduleId, id))
  await person.db
    .update(scheduleRuns)
    .set({ endedAt: old })
    .where(and(eq(scheduleRuns.scheduleId, id), eq(scheduleRuns.status, 'done')))
  await pruneScheduleRuns(person)
  expect(await runsOf(id)).toEqual(['08:30 waiting 0'])
})
