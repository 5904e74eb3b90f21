import fc from 'fast-check'
import { expect, test } from 'vitest'
import { cpuMs } from '#test/cpu'
import { nextTimes, type When, whenProblem } from './index.ts'

const BERLIN = 'Europe/Berlin'
const cron = (text: string, timeZone = BERLIN): When => ({ kind: 'cron', cron: text, timeZone })

/** The next times, as the clock of the zone says them, with the offset. */
function told(when: When, after: string, count: number): string[] {
  const timeZone = when.timeZone ?? 'UTC'
  const format = new Intl.DateTimeFormat('sv', {
    timeZone,
    dateStyle: 'short',
    timeStyle: 'short',
  })
  return nextTimes(when, new Date(after), count).map((at) => format.format(at))
}

test.each([
  ['0 8 * * 1-5', ['2026-11-23 08:00', '2026-11-24 08:00', '2026-11-25 08:00']],
  ['*/20 9-10 * * *', ['2026-11-23 09:00', '2026-11-23 09:20', '2026-11-23 09:40']],
  ['15,45 6 * * *', ['2026-11-23 06:15', '2026-11-23 06:45', '2026-11-24 06:15']],
  ['0 12 29 FEB *', ['2028-02-29 12:00', '2032-02-29 12:00', '2036-02-29 12:00']],
  ['0 0 1-31/15 jan,jul *', ['2027-01-01 00:00', '2027-01-16 00:00', '2027-01-31 00:00']],
  ['0 7 * * fri-sun', ['2026-11-27 07:00', '2026-11-28 07:00', '2026-11-29 07:00']],
  ['0 7 * * 7', ['2026-11-29 07:00', '2026-12-06 07:00', '2026-12-13 07:00']],
  ['0 7 */10 * *', ['2026-12-01 07:00', '2026-12-11 07:00', '2026-12-21 07:00']],
])('the cron %s falls where its fields say', (text, times) => {
  expect(told(cron(text), '2026-11-22T22:59:30Z', 3)).toEqual(times)
})

test('where both the day of the month and that of the week are named, either is enough', () => {
  expect(told(cron('0 9 13 * FRI'), '2026-11-01T00:00:00Z', 4)).toEqual([
    '2026-11-06 09:00',
    '2026-11-13 09:00',
    '2026-11-20 09:00',
    '2026-11-27 09:00',
  ])
  expect(told(cron('0 9 13 * *'), '2026-11-01T00:00:00Z', 2)).toEqual(['2026-11-13 09:00', '2026-12-13 09:00'])
})

test('a time that a day leaves out runs once, after the jump; of two the first', () => {
  const at = (text: string, after: string) =>
    nextTimes(cron(text), new Date(after), 3).map((time) => time.toISOString())
  expect(at('30 2 * * *', '2026-03-28T12:00:00Z')).toEqual([
    '2026-03-29T01:30:00.000Z',
    '2026-03-30T00:30:00.000Z',
    '2026-03-31T00:30:00.000Z',
  ])
  expect(at('30 2 * * *', '2026-10-24T12:00:00Z')).toEqual([
    '2026-10-25T00:30:00.000Z',
    '2026-10-26T01:30:00.000Z',
    '2026-10-27T01:30:00.000Z',
  ])
  // 02:30 is put off to 03:30, where another is: one run.
  expect(at('30 2,3 * * *', '2026-03-28T12:00:00Z').slice(0, 2)).toEqual([
    '2026-03-29T01:30:00.000Z',
    '2026-03-30T00:30:00.000Z',
  ])
})

test.each([
  ['leaves an hour out', '2026-03-28T23:00:00Z', '2026-03-29T22:00:00Z'],
  ['has an hour twice', '2026-10-24T22:00:00Z', '2026-10-25T23:00:00Z'],
])('a cron of every hour keeps its distance on the day that %s', (_, midnight, next) => {
  const [from, to, step] = [Date.parse(midnight), Date.parse(next), 20 * 60_000]
  const times = nextTimes(cron('*/20 * * * *'), new Date(from - 1), (to - from) / step + 1)
  expect(times).toEqual(times.map((_time, n) => new Date(from + n * step)))
  expect(times.at(-1)).toEqual(new Date(to))
})

test('a cron of named hours says each of them once on the day that has one twice', () => {
  const hours = told(cron('0 0-5 * * *'), '2026-10-24T21:59:00Z', 7)
  expect(hours.map((time) => time.slice(11, 13))).toEqual(['00', '01', '02', '03', '04', '05', '00'])
})

test('where midnight comes twice, or a whole day never, the order holds', () => {
  // St. John's set its clocks back at one minute past midnight.
  const twice = nextTimes(cron('*/30 * * * *', 'America/St_Johns'), new Date('2006-10-29T01:50:00Z'), 6)
  expect(twice.map((at) => at.toISOString().slice(11, 16))).toEqual([
    '02:00',
    '02:30',
    '03:00',
    '03:30',
    '04:00',
    '04:30',
  ])
  expect(told(cron('0 12 * * *', 'Pacific/Apia'), '2011-12-28T23:50:00Z', 3)).toEqual([
    '2011-12-29 12:00',
    '2011-12-31 12:00',
    '2012-01-01 12:00',
  ])
})

test('every so many minutes is counted from the first, whatever the clocks do', () => {
  const from = '2026-10-24T23:30:00.000Z'
  const when: When = { kind: 'every', minutes: 60, from, timeZone: BERLIN }
  const at = (after: string, count: number) => nextTimes(when, new Date(after), count).map((time) => time.toISOString())
  expect(at('2020-01-01T00:00:00Z', 2)).toEqual([from, '2026-10-25T00:30:00.000Z'])
  expect(at(from, 1)).toEqual(['2026-10-25T00:30:00.000Z'])
  expect(at('2026-10-25T03:31:00Z', 1)).toEqual(['2026-10-25T04:30:00.000Z'])
})

test('once is once', () => {
  const when: When = { kind: 'at', at: { date: '2026-03-29', time: '02:30', timeZone: BERLIN } }
  const [at, ...more] = nextTimes(when, new Date('2026-03-01T00:00:00Z'), 5)
  expect([at?.toISOString(), more]).toEqual(['2026-03-29T01:30:00.000Z', []])
  expect(nextTimes(when, new Date('2026-03-29T01:30:00Z'), 5)).toEqual([])
})

test('a rule begins with its start and ends with its count', () => {
  const when: When = {
    kind: 'rrule',
    start: { date: '2026-11-03', time: '07:30' },
    rrule: 'FREQ=WEEKLY;BYDAY=MO,TU;COUNT=4',
    timeZone: BERLIN,
  }
  expect(told(when, '2020-01-01T00:00:00Z', 9)).toEqual([
    '2026-11-03 07:30',
    '2026-11-09 07:30',
    '2026-11-10 07:30',
    '2026-11-16 07:30',
  ])
  expect(told(when, '2026-11-09T12:00:00Z', 9)).toEqual(['2026-11-10 07:30', '2026-11-16 07:30'])
  expect(told(when, '2026-11-16T12:00:00Z', 9)).toEqual([])
})

test.each([
  ['60 * * * *', 'minute'],
  ['* 24 * * *', 'hour'],
  ['* * 0 * *', 'day of the month'],
  ['* * * 13 *', 'month'],
  ['* * * * 8', 'day of the week'],
  ['* * * * MONDAY', 'day of the week'],
  ['*/0 * * * *', 'minute'],
  ['5/15 * * * *', 'a step needs a range'],
  ['*-5 * * * *', 'minute'],
  ['30-10 * * * *', 'runs backwards'],
  ['1,,2 * * * *', 'minute'],
  ['0 0 31 2,4 *', 'falls on no day'],
  ['0 0 L * *', 'day of the month'],
  ['* * * * * *', 'five fields'],
  ['@daily', 'five fields'],
  ['', 'five fields'],
])('%j is no cron', (text, words) => {
  expect(whenProblem(cron(text))).toContain(words)
})

test.each<[unknown, string]>([
  [{ kind: 'rrule', start: { date: '2026-11-03', time: '07:30' }, rrule: 'FREQ=HOURLY' }, '/rrule: FREQ=HOURLY'],
  [{ kind: 'every', minutes: 0 }, '/minutes: '],
  [{ kind: 'cron', cron: '0 8 * * *', timeZone: 'Mars/Olympus' }, '/timeZone: '],
  [{ kind: 'at', at: { date: '2026-02-30', time: '07:30' } }, '/at/date: '],
  [{ kind: 'often' }, '/kind: '],
])('what is wrong is told with its place: %j', (when, words) => {
  expect(whenProblem(when)).toContain(words)
})

test('nothing is wrong with what is right', () => {
  expect(whenProblem(cron('0 0 31 2,4 1'))).toBeNull()
  expect(
    whenProblem({ kind: 'rrule', start: { date: '2026-11-03', time: '07:30' }, rrule: 'rrule:freq=daily' }),
  ).toBeNull()
})

const number = (min: number, max: number) => fc.integer({ min, max }).map(String)
const field = (min: number, max: number) =>
  fc.oneof(
    fc.constant('*'),
    number(1, max).map((step) => `*/${step}`),
    number(min, max),
    fc
      .tuple(number(min, max), number(min, max))
      .map(([a, b]) => [a, b].sort((x, y) => Number(x) - Number(y)).join('-')),
    fc.array(number(min, max), { minLength: 1, maxLength: 20 }).map((all) => all.join()),
  )
const anyCron = fc
  .tuple(field(0, 59), field(0, 23), field(1, 31), field(1, 12), field(0, 7))
  .map((fields) => fields.join(' '))

test('no cron takes long, however it is put together and whether or not it ever falls', () => {
  fc.assert(
    fc.property(anyCron, fc.constantFrom(BERLIN, 'Pacific/Apia', 'America/St_Johns'), (text, timeZone) => {
      const took = [1, 2, 3].map(() => {
        const started = cpuMs()
        nextTimes({ kind: 'cron', cron: text, timeZone }, new Date('2026-03-28T12:00:00Z'), 100)
        return cpuMs() - started
      })
      expect(Math.min(...took), text).toBeLessThan(250)
    }),
    { numRuns: 60 },
  )
})
