import { and, eq } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { newId } from '#core'
import { outbox } from '#queue/tables'
import { makePerson, type Person, revoke } from '#test/database'
import {
  createSchedule,
  getSchedule,
  listSchedules,
  listTemplates,
  nextOf,
  previewTimes,
  updateSchedule,
} from './schedules.ts'
import { NewSchedule, Schedule, type When } from './schema.ts'
import { deleteSchedule, pauseSchedule, resumeSchedule, switchSchedules } from './switch.ts'

const MONDAY = '2031-03-10T09:00:00.000Z'
const NOWHERE = 'sch_00000000000000000000000000'
const EIGHT: When = { kind: 'cron', cron: '0 8 * * *' }
const action = { kind: 'notify', title: 'Water the seeds', body: '', priority: 'medium' } as const

async function makeWorld(timeZone = 'Europe/Berlin') {
  const clock = { at: new Date(MONDAY) }
  const person = await makePerson({ now: () => clock.at, timeZone })
  const make = (when: When = EIGHT) => createSchedule(person, { name: 'water', when, missed: 'once', action })
  return { person, clock, make }
}

async function typesOf(person: Person, key: string): Promise<string[]> {
  const isIts = and(eq(outbox.userId, person.actor.userId), eq(outbox.key, key))
  const events = await person.db.select({ type: outbox.type }).from(outbox).where(isIts).orderBy(outbox.version)
  return events.map(({ type }) => type)
}

test('a schedule is made with its next five times, in the zone of its person, and told', async () => {
  const { person, make } = await makeWorld()
  const { next, ...made } = await make()
  expect(Schedule().parse(made)).toMatchObject({
    name: 'water',
    when: { kind: 'cron', cron: '0 8 * * *', timeZone: 'Europe/Berlin' },
    status: 'active',
    missed: 'once',
    action,
    nextAt: '2031-03-11T07:00:00.000Z',
    version: 1,
  })
  expect(next).toEqual([11, 12, 13, 14, 15].map((day) => `2031-03-${day}T07:00:00.000Z`))
  expect(person.meter.trips).toBe(2)
  person.meter.trips = 0
  expect(await getSchedule(person, made.id)).toEqual({ ...made, next })
  expect(person.meter.trips).toBe(1)
  expect(await typesOf(person, made.id)).toEqual(['schedule.created'])
})

test.each<[string, When, string, string | undefined]>([
  [
    'a zone in the moment itself goes before all others',
    { kind: 'at', at: { date: '2031-03-11', time: '08:00', timeZone: 'Asia/Tokyo' }, timeZone: 'Asia/Dubai' },
    'Asia/Tokyo',
    '2031-03-10T23:00:00.000Z',
  ],
  ['a zone of its own', { ...EIGHT, timeZone: 'America/New_York' }, 'America/New_York', '2031-03-10T12:00:00.000Z'],
  ['every so often from now', { kind: 'every', minutes: 90 }, 'Europe/Berlin', '2031-03-10T10:30:00.000Z'],
])('%s', async (_name, when, timeZone, nextAt) => {
  const { make } = await makeWorld()
  const made = await make(when)
  expect([made.when.timeZone, made.nextAt]).toEqual([timeZone, nextAt])
})

test('what falls on no time to come is refused, and pointed at', async () => {
  const { make } = await makeWorld()
  const past: When = { kind: 'at', at: { date: '2031-03-09', time: '08:00' } }
  await expect(make(past)).rejects.toMatchObject({ code: 'invalid_request', errors: [{ pointer: '/when' }] })
})

test('made again under the same id, the schedule that is there is answered', async () => {
  const id = newId('sch', new Date())
  const { person } = await makeWorld()
  person.newId = () => id
  const given = { name: 'once', when: EIGHT, missed: 'once' as const, action }
  const made = await createSchedule(person, given)
  expect(await createSchedule(person, given)).toEqual(made)
  expect(await typesOf(person, id)).toEqual(['schedule.created'])
})

test('another when begins anew from now, another name leaves it as it is', async () => {
  const { person, clock, make } = await makeWorld('UTC')
  const { id } = await make({ kind: 'at', at: { date: '2031-03-11', time: '08:00' } })
  expect(await updateSchedule(person, id, { name: 'seeds' }, 1)).toMatchObject({
    name: 'seeds',
    nextAt: '2031-03-11T08:00:00.000Z',
    version: 2,
  })
  clock.at = new Date('2031-03-12T00:00:00Z')
  const changed = await updateSchedule(person, id, { when: EIGHT }, 2)
  expect([changed.nextAt, changed.version, changed.next[1]]).toEqual([
    '2031-03-12T08:00:00.000Z',
    3,
    '2031-03-13T08:00:00.000Z',
  ])
  expect(await updateSchedule(person, id, {}, 3)).toEqual(changed)
  await expect(updateSchedule(person, id, { name: 'x' }, 2)).rejects.toMatchObject({ code: 'version_stale' })
  await expect(updateSchedule(person, NOWHERE, { name: 'x' }, '*')).rejects.toMatchObject({ code: 'not_found' })
  expect(await typesOf(person, id)).toEqual(['schedule.created', 'schedule.updated', 'schedule.updated'])
})

test('a paused one has no next time, also when it is changed, and goes on from now', async () => {
  const { person, clock, make } = await makeWorld('UTC')
  const { id } = await make()
  person.meter.trips = 0
  expect(await pauseSchedule(person, id)).toMatchObject({ status: 'paused', nextAt: null, version: 2 })
  expect(person.meter.trips).toBe(1)
  expect(await pauseSchedule(person, id)).toMatchObject({ status: 'paused', version: 2 })
  expect(await nextOf(person, id, { count: 3 })).toEqual({ timeZone: 'UTC', next: [] })
  const when: When = { kind: 'cron', cron: '0 10 * * *' }
  expect(await updateSchedule(person, id, { when }, 2)).toMatchObject({ status: 'paused', nextAt: null, next: [] })
  clock.at = new Date('2031-03-20T12:00:00Z')
  const resumed = await resumeSchedule(person, id)
  expect(resumed).toMatchObject({ status: 'active', nextAt: '2031-03-21T10:00:00.000Z', version: 4 })
  expect(await resumeSchedule(person, id)).toEqual(resumed)
})

test('one whose only time passed while it was paused is done', async () => {
  const { person, clock, make } = await makeWorld('UTC')
  const { id } = await make({ kind: 'at', at: { date: '2031-03-11', time: '08:00' } })
  await pauseSchedule(person, id)
  clock.at = new Date('2031-03-12T00:00:00Z')
  expect(await resumeSchedule(person, id)).toMatchObject({ status: 'done', nextAt: null })
  expect(await pauseSchedule(person, id)).toMatchObject({ status: 'done' })
})

test('many are paused, resumed and deleted in the order that was asked for, or none of them', async () => {
  const { person, make } = await makeWorld('UTC')
  const stranger = await makeWorld()
  const ids = [(await make()).id, (await make()).id, (await make()).id]
  await pauseSchedule(person, ids[1] ?? '')
  const theirs = (await stranger.make()).id
  for (const foreign of [theirs, NOWHERE]) {
    const asked = switchSchedules(person, { action: 'delete', ids: [ids[0] ?? '', foreign] })
    await expect(asked).rejects.toMatchObject({ code: 'not_found', errors: [{ pointer: '/ids/1' }] })
  }
  const reversed = ids.toReversed()
  const paused = await switchSchedules(person, { action: 'pause', ids: reversed })
  expect(paused.items.map(({ id, status, version }) => [id, status, version])).toEqual(
    reversed.map((id) => [id, 'paused', 2]),
  )
  const resumed = await switchSchedules(person, { action: 'resume', ids: ids.slice(1) })
  expect(resumed.items.map(({ status, nextAt }) => [status, nextAt])).toEqual([
    ['active', '2031-03-11T08:00:00.000Z'],
    ['active', '2031-03-11T08:00:00.000Z'],
  ])
  expect((await switchSchedules(person, { action: 'delete', ids })).items.map(({ id }) => id)).toEqual(ids)
  expect((await listSchedules(person, { limit: 9 })).items).toEqual([])
  expect(await typesOf(person, ids[2] ?? '')).toEqual([
    'schedule.created',
    'schedule.updated',
    'schedule.updated',
    'schedule.deleted',
  ])
  expect(await getSchedule(stranger.person, theirs)).toMatchObject({ status: 'active' })
})

test("another person's schedule does not exist", async () => {
  const [owner, stranger] = [await makeWorld(), await makeWorld()]
  const { id } = await owner.make()
  for (const verb of [getSchedule, pauseSchedule, resumeSchedule, deleteSchedule])
    await expect(verb(stranger.person, id)).rejects.toMatchObject({ code: 'not_found' })
  expect((await listSchedules(stranger.person, { limit: 9 })).items).toEqual([])
  expect(await getSchedule(owner.person, id)).toMatchObject({ status: 'active', version: 1 })
})

test('schedules are paged, newest first, and filtered by how they stand', async () => {
  const { person, make } = await makeWorld()
  const made: string[] = []
  for (let n = 0; n < 5; n++) made.push((await make()).id)
  await pauseSchedule(person, made[2] ?? '')
  const paged: string[] = []
  let cursor: string | undefined
  do {
    const page = await listSchedules(person, { limit: 2, cursor })
    paged.push(...page.items.map(({ id }) => id))
    cursor = page.nextCursor ?? undefined
  } while (cursor)
  expect(paged).toEqual(made.toSorted().toReversed())
  expect((await listSchedules(person, { limit: 9, status: 'paused' })).items.map(({ id }) => id)).toEqual([made[2]])
})

test('two hundred are enough for anybody', async () => {
  const { person, make } = await makeWorld()
  await person.db.execute(`insert into schedules (id, user_id, name, "when", missed, action)
    select 'sch_' || n, '${person.actor.userId}', 'x', '{}', 'skip', '{}' from generate_series(1, 199) n`)
  const { id } = await make()
  await expect(make()).rejects.toMatchObject({ code: 'conflict' })
  await deleteSchedule(person, id)
  await make()
})

test('what is not yet a schedule tells its times, also that it has none', async () => {
  const { person } = await makeWorld()
  expect(await previewTimes(person, { when: { ...EIGHT, timeZone: 'UTC' }, count: 2 })).toEqual({
    timeZone: 'UTC',
    next: ['2031-03-11T08:00:00.000Z', '2031-03-12T08:00:00.000Z'],
  })
  const past: When = { kind: 'at', at: { date: '2031-03-09', time: '08:00' } }
  expect(await previewTimes(person, { when: past, count: 5 })).toEqual({ timeZone: 'Europe/Berlin', next: [] })
})

test('every template is a schedule that can be made, in the zone of its person', async () => {
  const { person } = await makeWorld()
  const { items } = await listTemplates(person)
  for (const { schedule } of items) {
    const made = await createSchedule(person, NewSchedule.parse(schedule))
    expect([made.when.timeZone, made.next.length]).toEqual(['Europe/Berlin', 5])
  }
  expect(new Set(items.map(({ id }) => id)).size).toBeGreaterThan(2)
})

test('whose session has ended makes and sees none', async () => {
  const { person, make } = await makeWorld()
  const { id } = await make()
  await revoke(person)
  const asked = [getSchedule(person, id), pauseSchedule(person, id), listTemplates(person)]
  const answers = await Promise.allSettled<unknown>([...asked, listSchedules(person, { limit: 1 })])
  expect(answers.map(({ status }) => status)).toEqual(Array(4).fill('rejected'))
  await expect(make()).rejects.toThrow()
})
