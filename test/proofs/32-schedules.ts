import type * as core from '#core'
import type * as scheduler from '#scheduler'
import { type Chance, createChance } from './chance.ts'
import { tryRule } from './lib-rule-makers.ts'
import { changesOf, cronOracle, daysOracle, type Fields, offsetMinutes, onceOf, type Walk, walk } from './lib-zones.ts'
import { type Proof, scaled } from './proof.ts'
import { sourceAt, withSource } from './sabotage.ts'

type When = scheduler.When
type Rule = { when: When; expected: number[] }

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
// Clocks of before 1980 are of whole minutes almost everywhere; what lies after 2037 only goes on.
const [FROM_MS, TO_MS] = [Date.parse('1980-01-01'), Date.parse('2038-01-01')]
const AROUND_MS = 30 * 3600_000
const CHANGES_OF_EACH = 4
const RULES_OF_EACH = 8
const SERIES_OF_EACH = 4
const MOST_TIMES = 100
// Where a day was left out or came twice, and where clocks are changed by half an hour or at midnight.
const ODD = ['Pacific/Apia', 'Pacific/Kwajalein', 'Australia/Lord_Howe', 'America/St_Johns', 'Asia/Beirut']

const CRON = 'src/core/cron.ts'
const RULES = 'src/core/recurrence.ts'
export const proof: Proof = {
  id: 32,
  name: 'schedules',
  fast: true,
  sabotages: {
    'an hour that is left out runs at its beginning': [
      { file: CRON, find: 'return exists ? earlier : later', replace: 'return earlier' },
    ],
    'an hour that comes twice runs the second time': [
      { file: CRON, find: 'return exists ? earlier : later', replace: 'return later' },
    ],
    'a cron of every hour is silent in the hour that comes twice': [
      { file: CRON, find: 'return exists ? [earlier, later] : []', replace: 'return exists ? earlier : []' },
    ],
    'a day is always of 24 hours': [
      { file: CRON, find: 'start === startLater && end === endLater && end - start === DAY_MS', replace: 'start > 0' },
    ],
    'both the day and the weekday must fit': [
      { file: CRON, find: 'isMonthDay || isWeekday', replace: 'isMonthDay && isWeekday' },
    ],
    'a rule takes the later of two': [
      {
        file: 'src/core/wall.ts',
        find: "return day.toPlainDateTime(time).toZonedDateTime(timeZone, { disambiguation: 'compatible' }).epochMilliseconds",
        replace:
          "return day.toPlainDateTime(time).toZonedDateTime(timeZone, { disambiguation: 'later' }).epochMilliseconds",
      },
    ],
    'the last of a month is counted from the day after': [
      { file: RULES, find: 'set.has(at - of - 1)', replace: 'set.has(at - of)' },
    ],
    'the last of several is the first but one': [
      { file: RULES, find: 'found.at(n > 0 ? n - 1 : n)', replace: 'found.at(n > 0 ? n - 1 : -n)' },
    ],
    'the last Friday is counted from the first': [
      { file: RULES, find: 'days.has(weekday - fromLast * 7)', replace: 'days.has(weekday - nth * 7)' },
    ],
    'every other month is every month': [
      { file: RULES, find: 'const at = n * rule.interval', replace: 'const at = n' },
    ],
    'a count says how many there are after the first': [
      {
        file: RULES,
        find: 'if (left < 1 || isPastUntil?.(day)) return null',
        replace: 'if (left < 0 || isPastUntil?.(day)) return null',
      },
    ],
    'a series is over before the day it lasts until': [{ file: RULES, find: 'T23:59:59', replace: 'T00:00:00' }],
    'minutes are counted from midnight': [
      {
        file: 'src/scheduler/when.ts',
        find: 'const [first, step] = [from === undefined ? 0',
        replace: 'const [first, step] = [from !== undefined ? 0',
      },
    ],
  },
  /** Around each change of the clocks of each zone: the times of generated rules, and those of whoever walks each minute. */
  async run(world, { seed, share }) {
    const chance = createChance(seed)
    const violations: string[] = []
    let [cases, times, changes] = [0, 0, 0]
    await withSource(world.changes, async (dir) => {
      const { nextTimes, whenProblem } = await sourceAt(dir).load<typeof scheduler>('scheduler')
      const { occurrencesBetween } = await sourceAt(dir).load<typeof core>('core')
      const asked = { nextTimes, whenProblem, occurrencesBetween }
      const zones = chance.shuffle(Intl.supportedValuesOf('timeZone'))
      const wanted = new Set([...ODD, ...zones.slice(0, scaled(zones.length, share))])
      for (const zone of wanted) {
        for (const changeMs of picked(zone, chance)) {
          changes++
          for (let n = 0; n < RULES_OF_EACH; n++) {
            const fromMs = changeMs - AROUND_MS - chance.int(600) * MINUTE_MS
            const walked = walk(zone, fromMs, changeMs + AROUND_MS, changeMs)
            const { when, expected } = MAKES[n % MAKES.length]?.(walked, zone, changeMs, chance) ?? never()
            const problem = whenProblem(when)
            const found = problem ? [] : timesOf(nextTimes, when, walked)
            const shown = expected.slice(0, MOST_TIMES)
            cases++
            times += found.length
            if (problem !== null || found.join() !== shown.join())
              violations.push(`${JSON.stringify(when)} from ${iso(fromMs)}: ${problem ?? differ(found, shown)}`)
          }
          for (let n = 0; n < SERIES_OF_EACH; n++) {
            const tried = tryRule(asked, zone, changeMs, chance)
            cases++
            times += tried.times
            if (tried.problem) violations.push(tried.problem)
          }
        }
      }
    })
    return { cases, violations, notes: [`${times} times around ${changes} changes of clocks`] }
  },
}

/** Some changes of a zone, its last one always; where it has none, any instant. */
function picked(zone: string, chance: Chance): number[] {
  const all = changesOf(zone, FROM_MS, TO_MS).filter((ms) => isPlain(zone, ms))
  const anyMs = FROM_MS + chance.int((TO_MS - FROM_MS) / MINUTE_MS) * MINUTE_MS
  if (all.length === 0) return [anyMs]
  return [...new Set([...chance.shuffle(all).slice(0, CHANGES_OF_EACH - 1), ...all.slice(-1)])]
}

// One change within the walk, and whole minutes: what the walk assumes.
function isPlain(zone: string, ms: number): boolean {
  const at = [-AROUND_MS - DAY_MS, -MINUTE_MS, 0, AROUND_MS + DAY_MS].map((more) => offsetMinutes(zone, ms + more))
  return !at.some(Number.isNaN) && at[0] === at[1] && at[2] === at[3]
}

function timesOf(nextTimes: typeof scheduler.nextTimes, when: When, { fromMs, toMs }: Walk): number[] {
  return nextTimes(when, new Date(fromMs), MOST_TIMES)
    .map((at) => at.getTime())
    .filter((ms) => ms <= toMs)
}

const iso = (ms: number) => new Date(ms).toISOString()
const never = () => {
  throw new Error('there is a rule for each case')
}

function differ(found: number[], expected: number[]): string {
  const [more, less] = [found.filter((ms) => !expected.includes(ms)), expected.filter((ms) => !found.includes(ms))]
  return `${more.length} too many (${more.slice(0, 2).map(iso)}), ${less.length} too few (${less.slice(0, 2).map(iso)})`
}

const wallOf = (ms: number) => {
  const [date = '', time = ''] = iso(ms).split(/[T.]/)
  return { date, time: time.slice(0, 5) }
}

type Make = (walked: Walk, timeZone: string, changeMs: number, chance: Chance) => Rule

// Half of all near the change: that is where it matters.
function minuteOfDay(walked: Walk, changeMs: number, chance: Chance): number {
  const near = Math.floor((changeMs + walked.beforeMs) / MINUTE_MS) + chance.int(240) - 120
  return chance.int(2) === 0 ? chance.int(1440) : ((near % 1440) + 1440) % 1440
}

const all = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, n) => from + n)
const some = (from: number, to: number, most: number, chance: Chance) =>
  chance
    .shuffle(all(from, to))
    .slice(0, 1 + chance.int(most))
    .sort((a, b) => a - b)

function cronRule(fields: Fields, timeZone: string, walked: Walk): Rule {
  const text = [
    fields.minutes.length === 60 ? '*' : fields.minutes.join(),
    fields.hours.length === 24 ? '*' : fields.hours.join(),
    fields.days.length === 31 ? '*' : fields.days.join(),
    fields.months.length === 12 ? '*' : fields.months.join(),
    fields.weekdays.length === 7 ? '*' : fields.weekdays.join(),
  ]
  return { when: { kind: 'cron', cron: text.join(' '), timeZone }, expected: cronOracle(walked, fields) }
}
const EVERY: Fields = {
  minutes: all(0, 59),
  hours: all(0, 23),
  days: all(1, 31),
  months: all(1, 12),
  weekdays: all(0, 6),
}

const MAKES: Make[] = [
  (walked, timeZone, changeMs, chance) => {
    const at = minuteOfDay(walked, changeMs, chance)
    return cronRule({ ...EVERY, minutes: [at % 60], hours: [Math.floor(at / 60)] }, timeZone, walked)
  },
  (walked, timeZone, _, chance) => cronRule({ ...EVERY, minutes: some(0, 59, 2, chance) }, timeZone, walked),
  (walked, timeZone, changeMs, chance) => {
    const hour = Math.floor(minuteOfDay(walked, changeMs, chance) / 60)
    const hours = [...new Set([hour, (hour + 1) % 24, ...some(0, 23, 3, chance)])].sort((a, b) => a - b)
    return cronRule({ ...EVERY, minutes: some(0, 59, 3, chance), hours }, timeZone, walked)
  },
  (walked, timeZone, changeMs, chance) => {
    const day = new Date(changeMs + walked.beforeMs)
    const fields = {
      minutes: some(0, 59, 2, chance),
      hours: some(0, 23, 6, chance),
      days: chance.int(2) === 0 ? EVERY.days : [...new Set([day.getUTCDate(), ...some(1, 31, 4, chance)])],
      months: chance.int(2) === 0 ? EVERY.months : [...new Set([day.getUTCMonth() + 1, 1 + chance.int(12)])],
      weekdays: chance.int(2) === 0 ? EVERY.weekdays : some(0, 6, 4, chance),
    }
    return cronRule(fields, timeZone, walked)
  },
  (walked, timeZone, changeMs, chance) => {
    const [interval, before] = [1 + chance.int(3), chance.int(400)]
    const at = minuteOfDay(walked, changeMs, chance)
    const start = Math.floor((changeMs + walked.beforeMs) / DAY_MS) - before
    const rule = `FREQ=DAILY${interval === 1 && chance.int(2) === 0 ? '' : `;INTERVAL=${interval}`}`
    return {
      when: { kind: 'rrule', start: wallOf(start * DAY_MS + at * MINUTE_MS), rrule: rule, timeZone },
      expected: daysOracle(walked, at, (day) => day >= start && (day - start) % interval === 0),
    }
  },
  (walked, timeZone, changeMs, chance) => {
    const at = minuteOfDay(walked, changeMs, chance)
    const days = some(0, 6, 4, chance)
    const start = Math.floor((changeMs + walked.beforeMs) / DAY_MS) - 7 - chance.int(200)
    const names = days.map((day) => ['SU', 'MO', 'TU', 'WE', 'TH', 'FR', 'SA'][day])
    return {
      when: {
        kind: 'rrule',
        start: wallOf(start * DAY_MS + at * MINUTE_MS),
        rrule: `FREQ=WEEKLY;BYDAY=${names.join()}`,
        timeZone,
      },
      expected: daysOracle(walked, at, (day) => day === start || (day > start && days.includes((day + 4) % 7))),
    }
  },
  (walked, timeZone, changeMs, chance) => {
    const wall = Math.floor((changeMs + walked.beforeMs) / MINUTE_MS + chance.int(600) - 300) * MINUTE_MS
    const ms = onceOf(walked, wall)
    return { when: { kind: 'at', at: wallOf(wall), timeZone }, expected: ms > walked.fromMs ? [ms] : [] }
  },
  (walked, timeZone, changeMs, chance) => {
    const minutes = 17 + chance.int(300)
    const first = changeMs - chance.int(100_000) * MINUTE_MS
    const from = iso(first)
    const expected: number[] = []
    for (let ms = first; ms <= walked.toMs; ms += minutes * MINUTE_MS) if (ms > walked.fromMs) expected.push(ms)
    return { when: { kind: 'every', minutes, from, timeZone }, expected }
  },
]
