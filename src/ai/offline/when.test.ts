import { describe, expect, test } from 'vitest'
import { clockAt, moment, momentOfInstant } from './clock.ts'
import { dueOf } from './do-create.ts'
import { readRange } from './ranges.ts'
import { rruleOf } from './rhythm.ts'
import { readWhen } from './when.ts'
import { tidy } from './words.ts'

type Place = { now: string; zone: string; locale?: string }

function due(said: string, { now, zone, locale = 'en-US' }: Place): string {
  const clock = clockAt(now, zone, locale)
  const { when } = readWhen(tidy(said), clock)
  const at = when ? dueOf(when, clock) : undefined
  return at ? [at.date, at.time, at.timeZone].filter(Boolean).join(' ') : 'nothing'
}

// Tuesday, ten in the morning.
const tuesday: Place = { now: '2026-11-24T15:00:00Z', zone: 'America/New_York' }

describe('a day', () => {
  test.each([
    ['today', '2026-11-24'],
    ['tmrw', '2026-11-25'],
    ['the day after tomorrow', '2026-11-26'],
    ['friday', '2026-11-27'],
    ['tuesday', '2026-12-01'],
    ['this tuesday', '2026-11-24'],
    ['next friday', '2026-12-04'],
    ['a week from friday', '2026-12-04'],
    ['friday week', '2026-12-04'],
    ['the 1st', '2026-12-01'],
    ['by the 24th', '2026-12-24'],
    ['the last friday of the month', '2026-11-27'],
    ['end of month', '2026-11-30'],
    ['eow', '2026-11-27'],
    ['next month', '2026-12-01'],
    ['in 2 weeks', '2026-12-08'],
    ['before friday', '2026-11-26'],
    ['jan 3', '2027-01-03'],
    ['29 feb 2028', '2028-02-29'],
    ['31 feb', 'nothing'],
    ['2026-12-24', '2026-12-24'],
    ['12/4', '2026-12-04'],
  ])('%s is %s', (said, day) => {
    expect(due(said, tuesday)).toBe(day)
  })

  test('12/4 is April for those who write the day first', () => {
    expect(due('12/4', { ...tuesday, locale: 'en-GB' })).toBe('2027-04-12')
  })
})

describe('an hour', () => {
  test.each([
    ['at 5', '2026-11-24 17:00'],
    ['tmrw 5ish', '2026-11-25 17:00'],
    ['at 11', '2026-11-24 11:00'],
    ['at 9', '2026-11-24 21:00'],
    ['tomorrow at 9', '2026-11-25 09:00'],
    ['at 9am', '2026-11-25 09:00'],
    ['half past 2', '2026-11-24 14:30'],
    ['quarter to 5', '2026-11-24 16:45'],
    ['friday noon', '2026-11-27 12:00'],
    ['friday morning', '2026-11-27 09:00'],
    ['tonight', '2026-11-24 20:00'],
    ['eod', '2026-11-24 17:00'],
    ['at midnight', '2026-11-25 00:00'],
    ['in an hour and a half', '2026-11-24 11:30'],
    ['in 90 min', '2026-11-24 11:30'],
    ['wake up at 6', '2026-11-25 06:00'],
    ['9am london time tomorrow', '2026-11-25 09:00 Europe/London'],
  ])('%s is %s', (said, time) => {
    expect(due(said, tuesday)).toBe(time)
  })

  test.each(['buy 5 apples', 'read chapter 3', 'i may go', 'order sun cream', 'study for the sat exam', 'march on'])(
    '%s names no time',
    (said) => {
      expect(due(said, tuesday)).toBe('nothing')
    },
  )
})

describe('the nights the clocks change', () => {
  test.each([
    // Clocks go from 02:00 to 03:00.
    ['in 2 hours', '2026-03-08T06:30:00Z', 'America/New_York', '2026-03-08 04:30'],
    ['at 2:30am', '2026-03-08T05:30:00Z', 'America/New_York', '2026-03-08 03:30'],
    ['tomorrow at 9', '2026-03-07T20:00:00Z', 'America/New_York', '2026-03-08 09:00'],
    ['in 24 hours', '2026-03-07T20:00:00Z', 'America/New_York', '2026-03-08 16:00'],
    ['in 3 hours', '2026-03-29T00:15:00Z', 'Europe/Berlin', '2026-03-29 05:15'],
    ['at 2:30am', '2026-03-28T23:30:00Z', 'Europe/Berlin', '2026-03-29 03:30'],
    ['in 2 hours', '2026-09-26T13:30:00Z', 'Pacific/Auckland', '2026-09-27 04:30'],
    // Clocks go back: the second 01:15 has no name of its own.
    ['in 45 min', '2026-11-01T05:30:00Z', 'America/New_York', '2026-11-01 06:15 UTC'],
    ['in 2 hours', '2026-11-01T05:30:00Z', 'America/New_York', '2026-11-01 02:30'],
    ['in an hour', '2026-10-25T00:30:00Z', 'Europe/Berlin', '2026-10-25 01:30 UTC'],
    ['in an hour', '2026-04-04T13:30:00Z', 'Pacific/Auckland', '2026-04-04 14:30 UTC'],
  ])('%s, said at %s in %s, is %s', (said, now, zone, time) => {
    expect(due(said, { now, zone })).toBe(time)
  })

  test.each([
    ['Asia/Kolkata', '2026-08-17T20:00:00Z', 'tomorrow at 9', '2026-08-19 09:00'],
    ['America/Sao_Paulo', '2026-02-19T01:30:00Z', 'tonight', '2026-02-18 23:00'],
    ['America/Sao_Paulo', '2026-02-19T01:30:00Z', 'tomorrow', '2026-02-19'],
    ['Pacific/Auckland', '2026-09-24T20:00:00Z', 'friday', '2026-10-02'],
    ['Pacific/Auckland', '2026-12-31T12:00:00Z', 'tomorrow', '2027-01-02'],
  ])('in %s, at %s, %s is the day of the person: %s', (zone, now, said, day) => {
    expect(due(said, { now, zone })).toBe(day)
  })

  test('an instant comes back as the same instant in every zone', () => {
    for (const zone of ['America/New_York', 'Europe/Berlin', 'Pacific/Auckland', 'Asia/Kolkata', 'America/Sao_Paulo']) {
      for (let hour = 0; hour < 366 * 24; hour += 13) {
        const at = clockAt(new Date(Date.UTC(2026, 0, 1, hour, 15)).toISOString(), zone, 'en').now
        const wall = momentOfInstant(at, zone)
        const back = at
          .toPlainDateTime()
          .with({ hour: Number(wall.time?.slice(0, 2)), minute: Number(wall.time?.slice(3)) })
        const day = clockAt(`${wall.date}T12:00:00Z`, 'UTC', 'en').today
        const read = day.toPlainDateTime(back.toPlainTime()).toZonedDateTime(wall.timeZone ?? zone)
        expect(read.epochMilliseconds).toBe(at.epochMilliseconds)
      }
    }
  })

  test('a wall clock the night skips becomes a real one', () => {
    const day = clockAt('2026-03-08T12:00:00Z', 'America/New_York', 'en').today
    expect(moment(day, { hour: 2, minute: 30 }, 'America/New_York')).toEqual({ date: '2026-03-08', time: '03:30' })
  })
})

describe('a rhythm', () => {
  test.each([
    ['every other friday', 'FREQ=WEEKLY;INTERVAL=2;BYDAY=FR', '2026-11-27'],
    ['monthly on the 1st', 'FREQ=MONTHLY;BYMONTHDAY=1', '2026-12-01'],
    ['on the last day of every month', 'FREQ=MONTHLY;BYMONTHDAY=-1', '2026-11-30'],
    ['first monday of every month', 'FREQ=MONTHLY;BYDAY=1MO', '2026-12-07'],
    ['mon wed and fri at 6pm', 'FREQ=WEEKLY;BYDAY=MO,WE,FR', '2026-11-25 18:00'],
    ['weekdays at 8', 'FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR', '2026-11-25 08:00'],
    ['every day until dec 1', 'FREQ=DAILY;UNTIL=20261201', '2026-11-24'],
    ['weekly for 10 times', 'FREQ=WEEKLY;COUNT=10', '2026-11-24'],
    ['every 29 feb', 'FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29', '2028-02-29'],
    ['every day except sunday', 'FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR,SA', '2026-11-24'],
  ])('%s is %s from %s', (said, rule, first) => {
    const clock = clockAt(tuesday.now, tuesday.zone, 'en-US')
    const { when } = readWhen(tidy(said), clock)
    expect(when?.repeat && rruleOf(when.repeat)).toBe(rule)
    expect(due(said, tuesday)).toBe(first)
  })
})

describe('a stretch of days', () => {
  test.each([
    ['due this week', '2026-11-23', '2026-11-30'],
    ['next week', '2026-11-30', '2026-12-07'],
    ['this weekend', '2026-11-28', '2026-11-30'],
    ['by friday', undefined, '2026-11-28'],
    ['before friday', undefined, '2026-11-27'],
    ['after friday', '2026-11-28', undefined],
    ['between mon and wed', '2026-11-30', '2026-12-03'],
    ['in december', '2026-12-01', '2027-01-01'],
    ['the rest of the week', '2026-11-24', '2026-11-30'],
    ['before 5pm', '2026-11-24', '2026-11-24T22:00:00Z'],
  ])('%s is from %s to %s', (said, after, before) => {
    const range = readRange(said, clockAt(tuesday.now, tuesday.zone, 'en-US'))
    expect([range?.after, range?.before]).toEqual([after, before])
  })
})
