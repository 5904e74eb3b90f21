import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createClock } from '#core'
import { makePerson, type Person } from '#test/database'
import { setPreferences } from '#users'
import { getAnalytics } from './analytics.ts'
import { clipped, freeBusy, merged, without } from './busy.ts'
import { deleteEvent } from './change.ts'
import { createEvent } from './create.ts'
import { bestOf, daily, findTime, slotsIn } from './find-time.ts'
import type { NewEvent, SlotFilter } from './schema.ts'

const BERLIN = { timeZone: 'Europe/Berlin' }
const at = (instant: string) => ({ now: () => new Date(instant) })
const MINUTE_MS = 60_000
const add = (person: Person, date: string, time: string, end: string, over: Partial<NewEvent> = {}) =>
  createEvent(person, { title: 'x', start: { date, time }, end: { date, time: end }, ...over })
const busy = async (person: Person, from: string, to: string) =>
  (await freeBusy(person, { from, to })).busy.map(({ start, end }) => `${start.slice(5, 16)}/${end.slice(11, 16)}`)

// Minutes of two days as a row of boxes: what is computed by intervals is counted by boxes.
const spans = fc.array(
  fc
    .tuple(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 80 }))
    .map(([startMs, length]) => ({ startMs, endMs: startMs + length })),
  { maxLength: 20 },
)
const boxes = (all: { startMs: number; endMs: number }[]) => {
  const row = new Set<number>()
  for (const { startMs, endMs } of all) for (let n = startMs; n < endMs; n++) row.add(n)
  return [...row].sort((one, other) => one - other)
}

test('times put together and taken from each other are what counting minute by minute finds', () => {
  fc.assert(
    fc.property(spans, spans, (one, other) => {
      expect(boxes(merged(one))).toEqual(boxes(one))
      const apart = merged(one)
      for (const [n, { startMs }] of apart.entries()) expect(startMs).toBeGreaterThan(apart[n - 1]?.endMs ?? -1)
      const taken = new Set(boxes(other))
      expect(boxes(without(apart, merged(other)))).toEqual(boxes(one).filter((n) => !taken.has(n)))
      const window = { fromMs: 50, toMs: 200 }
      expect(boxes(clipped(apart, window))).toEqual(boxes(one).filter((n) => n >= 50 && n < 200))
    }),
  )
})

test('what overlaps or touches is one busy time; what is free, cancelled or deleted is none', async () => {
  const person = await makePerson(BERLIN)
  await add(person, '2026-03-02', '09:00', '10:00')
  await add(person, '2026-03-02', '09:30', '11:00', { status: 'tentative' })
  await add(person, '2026-03-02', '11:00', '11:30')
  await add(person, '2026-03-02', '13:00', '14:00', { transparency: 'free' })
  await add(person, '2026-03-02', '14:00', '15:00', { status: 'cancelled' })
  await createEvent(person, { title: 'holiday', start: { date: '2026-03-02' } })
  await deleteEvent(person, (await add(person, '2026-03-02', '16:00', '17:00')).id, {})
  const series = await add(person, '2026-03-01', '18:00', '19:00', { recurrence: 'FREQ=DAILY' })
  await deleteEvent(person, series.id, { occurrence: '2026-03-02' })
  expect(await busy(person, '2026-03-02', '2026-03-04')).toEqual(['03-02T08:00/10:30', '03-03T17:00/18:00'])
  expect(await busy(person, '2026-03-02T09:00:00.000Z', '2026-03-02T09:30:00.000Z')).toEqual(['03-02T09:00/09:30'])
})

test("another person's calendar makes nobody busy", async () => {
  const [person, stranger] = [await makePerson(), await makePerson()]
  await add(stranger, '2026-03-02', '09:00', '10:00')
  expect(await busy(person, '2026-03-02', '2026-03-03')).toEqual([])
})

const find = async (person: Person, over: Partial<SlotFilter> = {}) => {
  const { slots } = await findTime(person, { from: '2026-03-02', to: '2026-03-07', minutes: 60, ...over })
  return slots.map(({ local, end }) => `${local.date} ${local.time} ${end}`.slice(0, 16))
}

test('a slot lies in working hours, from now on, beside what is there', async () => {
  const person = await makePerson({ ...BERLIN, ...at('2026-03-02T13:10:00Z') })
  await add(person, '2026-03-02', '15:00', '16:00')
  await add(person, '2026-03-03', '09:00', '16:30')
  await add(person, '2026-03-04', '09:00', '17:00')
  expect(await find(person, { limit: 3 })).toEqual(['2026-03-02 16:00', '2026-03-05 09:00', '2026-03-05 10:00'])
  expect(await find(person, { limit: 2, minutes: 30 })).toEqual(['2026-03-02 16:00', '2026-03-02 16:30'])
})

test('hours are those of the preferences, and quiet ones are never offered', async () => {
  const person = await makePerson({ ...BERLIN, ...at('2026-03-02T00:00:00Z') })
  await setPreferences(person, {
    workingHours: { from: '22:00', to: '02:00', days: [1] },
    quietHours: { from: '23:00', to: '01:00' },
  })
  expect(await find(person)).toEqual(['2026-03-02 22:00', '2026-03-03 01:00'])
  const any = await find(person, { hours: 'any', from: '2026-03-04', to: '2026-03-05', minutes: 720, limit: 9 })
  expect(any).toEqual(['2026-03-04 01:00'])
})

test('quiet hours that begin when they end are none', async () => {
  const person = await makePerson({ ...BERLIN, ...at('2026-03-02T00:00:00Z') })
  await setPreferences(person, { quietHours: { from: '22:00', to: '22:00' } })
  expect(await find(person, { limit: 1 })).toEqual(['2026-03-02 09:00'])
})

test('a break is kept before and after what is there', async () => {
  const person = await makePerson({ ...BERLIN, ...at('2026-03-02T00:00:00Z') })
  await add(person, '2026-03-02', '10:00', '11:00')
  await add(person, '2026-03-02', '13:00', '17:00')
  const asked = { to: '2026-03-03', bufferMinutes: 30 }
  expect(await find(person, asked)).toEqual(['2026-03-02 11:30'])
})

test('a person away from home has their hours there', async () => {
  const person = await makePerson({ ...BERLIN, ...at('2026-03-02T00:00:00Z') })
  const { timeZone, slots } = await findTime(person, {
    from: '2026-03-02',
    to: '2026-03-03',
    minutes: 60,
    limit: 1,
    timeZone: 'America/New_York',
  })
  expect([timeZone, slots[0]?.start, slots[0]?.local.time]).toEqual([
    'America/New_York',
    '2026-03-02T14:00:00.000Z',
    '09:00',
  ])
})

test('nothing is offered that has gone by', async () => {
  const person = await makePerson({ ...BERLIN, ...at('2026-03-09T00:00:00Z') })
  expect(await find(person)).toEqual([])
})

test('on the days on which the clocks change the hours are those of the clock on the wall', () => {
  const clock = createClock()
  const hours = { from: '01:00', to: '04:00' }
  const lengthOf = (day: string) => {
    const startMs = Date.parse(day) - 4 * 3_600_000
    const [span] = daily(clock, hours, 'Europe/Berlin', { startMs, endMs: startMs + 20 * 3_600_000 })
    return span && (span.endMs - span.startMs) / MINUTE_MS
  }
  expect([lengthOf('2026-03-28'), lengthOf('2026-03-29'), lengthOf('2026-10-25')]).toEqual([180, 120, 240])
})

test('slots never overlap and never leave what is open, and the earliest day comes first', () => {
  fc.assert(
    fc.property(spans, fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 20 }), (open, quarters, limit) => {
      const scaled = merged(
        open.map(({ startMs, endMs }) => ({ startMs: startMs * 7 * MINUTE_MS, endMs: endMs * 7 * MINUTE_MS })),
      )
      const length = quarters * 15 * MINUTE_MS
      const dayOf = (ms: number) => new Date(ms).toISOString().slice(0, 10)
      const best = bestOf(slotsIn(scaled, length), dayOf, limit)
      expect(best.length).toBeLessThanOrEqual(limit)
      for (const [n, { startMs, endMs }] of best.entries()) {
        expect(endMs - startMs).toBe(length)
        expect(scaled.some((span) => span.startMs <= startMs && span.endMs >= endMs)).toBe(true)
        expect(best.slice(0, n).every((other) => other.endMs <= startMs || other.startMs >= endMs)).toBe(true)
        if (n > 0) expect(dayOf(best[n - 1]?.startMs ?? 0) <= dayOf(startMs)).toBe(true)
      }
      // None is offered only where none fits.
      const fits = scaled.some((span) => Math.ceil(span.startMs / 900_000) * 900_000 + length <= span.endMs)
      expect(best.length > 0).toBe(fits)
    }),
  )
})

test('analytics count hours by week and weekday, what overlaps once, meetings by who is there', async () => {
  const person = await makePerson({ ...BERLIN, ...at('2026-04-01T12:00:00Z') })
  const meeting = { attendees: [{ address: 'sam@example.com' }] }
  await add(person, '2026-03-30', '09:00', '10:00', meeting)
  await add(person, '2026-03-30', '09:30', '10:30')
  await add(person, '2026-04-05', '23:00', '23:30', meeting)
  // Across the night on which an hour is left out.
  await createEvent(person, {
    title: 'night',
    start: { date: '2026-03-28', time: '23:00' },
    end: { date: '2026-03-29', time: '05:00' },
  })
  await add(person, '2026-02-04', '09:00', '11:00', { recurrence: 'FREQ=WEEKLY;COUNT=20' })
  const { weeks, ...rest } = await getAnalytics(person)
  expect(weeks.map(({ weekStart }) => weekStart)).toEqual(
    Array.from({ length: 8 }, (_, n) =>
      new Date(Date.parse('2026-02-09') + n * 7 * 86_400_000).toISOString().slice(0, 10),
    ),
  )
  expect(weeks.at(-1)).toEqual({ weekStart: '2026-03-30', events: 4, meetingMinutes: 90, busyMinutes: 90 + 30 + 120 })
  expect(weeks.at(-2)).toEqual({ weekStart: '2026-03-23', events: 2, meetingMinutes: 0, busyMinutes: 120 + 300 })
  expect(rest).toEqual({
    timeZone: 'Europe/Berlin',
    busyMinutesPerWeekday: [90, 0, 8 * 120, 0, 0, 60, 240 + 30],
    busiestWeekday: 3,
  })
})
