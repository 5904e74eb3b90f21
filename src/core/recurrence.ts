import { RRuleTemporal } from 'rrule-temporal'
import { Temporal } from 'temporal-polyfill'

/** A wall clock in its zone: a whole day when there is no time. */
export type Wall = { date: string; time: string | null; timeZone: string }

const DAY = '(MO|TU|WE|TH|FR|SA|SU)'
const WEEK = '([1-9]|[1-4]\\d|5[0-3])'
const listOf = (item: string, more: number) => new RegExp(`^${item}(,${item}){0,${more}}$`)

// Rules repeat by days: the time of day is that of the first occurrence, so no part below a day is taken.
const PARTS: Record<string, RegExp> = {
  FREQ: /^(DAILY|WEEKLY|MONTHLY|YEARLY)$/,
  INTERVAL: /^[1-9]\d{0,2}$/,
  COUNT: /^[1-9]\d{0,2}$/,
  UNTIL: /^\d{8}(T\d{6}Z?)?$/,
  BYDAY: listOf(`([+-]?${WEEK})?${DAY}`, 19),
  BYMONTHDAY: listOf('[+-]?([1-9]|[12]\\d|3[01])', 61),
  BYYEARDAY: listOf('[+-]?([1-9]\\d?|[12]\\d\\d|3[0-5]\\d|36[0-6])', 19),
  BYWEEKNO: listOf(`[+-]?${WEEK}`, 52),
  BYMONTH: listOf('([1-9]|1[0-2])', 11),
  BYSETPOS: listOf('[+-]?([1-9]\\d?|[12]\\d\\d|3[0-5]\\d|36[0-6])', 19),
  WKST: new RegExp(`^${DAY}$`),
}
const MAX_DATE = '9999-12-30'
// Eight years of days: from one 29 February to the next across 1900. A rule that needs more has no next.
const MAX_PERIODS = 3000
const DAY_MS = 86_400_000

type Parts = Map<string, string>

function parse(rule: string): Parts | string {
  const parts: Parts = new Map()
  for (const part of rule.split(';')) {
    const [name = '', value = ''] = part.split('=', 2)
    if (!PARTS[name]?.test(value)) return `${part.slice(0, 40)} is not a part this API repeats by`
    if (parts.has(name)) return `${name} is given twice`
    parts.set(name, value)
  }
  if (!parts.has('FREQ')) return 'FREQ is missing'
  if (parts.has('COUNT') && parts.has('UNTIL')) return 'COUNT and UNTIL exclude each other'
  return parts
}

/** Why this is no rule to repeat by (RFC 5545, FREQ of a day or longer); undefined when it is one. */
export function recurrenceProblem(rule: string): string | undefined {
  const parts = parse(rule)
  if (typeof parts === 'string') return parts
  try {
    readUntil(parts.get('UNTIL'))
    unbounded(parts, '2000-01-01', '00:00:00')
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message.slice(0, 200) : 'is not a recurrence rule'
  }
}

type Until = { instantMs: number } | { wall: string } | undefined

function readUntil(value: string | undefined): Until {
  if (value === undefined) return undefined
  const [, y, m, d, , hh, mm, ss, zulu] = /^(\d{4})(\d\d)(\d\d)(T(\d\d)(\d\d)(\d\d)(Z?))?$/.exec(value) ?? []
  const date = Temporal.PlainDate.from(`${y}-${m}-${d}`).toString()
  if (hh === undefined) return { wall: `${date}T23:59:59` }
  const wall = Temporal.PlainDateTime.from(`${date}T${hh}:${mm}:${ss}`).toString({ smallestUnit: 'second' })
  return zulu === 'Z' ? { instantMs: Temporal.Instant.from(`${wall}Z`).epochMilliseconds } : { wall }
}

// The rule on a clock without a zone: what repeats is the wall clock, and the zone says later which instant that is.
function unbounded(parts: Parts, date: string, time: string): RRuleTemporal {
  const bare = [...parts]
    .filter(([name]) => name !== 'COUNT' && name !== 'UNTIL')
    .map(([name, value]) => `${name}=${value}`)
  const start = `${date}T${time}`.replaceAll(/[-:]/g, '')
  return new RRuleTemporal({
    rruleString: `DTSTART:${start}Z\nRRULE:${bare.join(';')}`,
    strict: true,
    maxIterations: MAX_PERIODS,
  })
}

/** The instant a wall clock means, as `wall_instant` of the database says; a whole day ends at its last millisecond. */
function instantMs({ date, time, timeZone }: Wall): number {
  const day = Temporal.PlainDate.from(date)
  if (time !== null)
    return day.toPlainDateTime(time).toZonedDateTime(timeZone, { disambiguation: 'compatible' }).epochMilliseconds
  return (
    day.add({ days: 1 }).toPlainDateTime().toZonedDateTime(timeZone, { disambiguation: 'compatible' })
      .epochMilliseconds - 1
  )
}

/**
 * The first day after `due` on which the rule falls at an instant after both `due` and `now`, and the rule as it
 * stands from that day on (COUNT tells what is left, `due` being one of it). Null when the rule has ended.
 */
export function nextOccurrence(rule: string, due: Wall, now: Date): { date: string; rule: string } | null {
  const parts = parse(rule)
  if (typeof parts === 'string') return null
  const until = readUntil(parts.get('UNTIL'))
  const count = parts.get('COUNT')
  const left = count === undefined ? undefined : Number(count)
  const time = due.time ?? '00:00:00'
  const clock = unbounded(parts, due.date, time.length === 5 ? `${time}:00` : time)
  const least = Math.max(instantMs(due), now.getTime())
  // COUNT must see every occurrence; without it those of long ago are jumped over.
  let after = new Date(`${due.date}T${time}Z`).getTime()
  if (left === undefined) after = Math.max(after, wallNowMs(now, due.timeZone) - 2 * DAY_MS)
  for (let used = 1; left === undefined || used < left; used++) {
    const found = following(clock, after)
    if (found === undefined) return null
    const date = found.slice(0, 10)
    const at = instantMs({ ...due, date })
    if (until && isPast(until, { ...due, date, time })) return null
    if (at > least) return { date, rule: left === undefined ? rule : withCount(parts, left - used) }
    after = new Date(found).getTime()
  }
  return null
}

// A whole day still counts when it begins by then.
function isPast(until: NonNullable<Until>, wall: Wall): boolean {
  return 'wall' in until ? `${wall.date}T${wall.time}` > until.wall : instantMs(wall) > until.instantMs
}

function wallNowMs(now: Date, timeZone: string): number {
  const wall = Temporal.Instant.fromEpochMilliseconds(now.getTime()).toZonedDateTimeISO(timeZone).toPlainDateTime()
  return new Date(`${wall.toString({ smallestUnit: 'second' })}Z`).getTime()
}

// The package throws where it gives up looking: such a rule has no next that anyone waits for.
function following(clock: RRuleTemporal, afterMs: number): string | undefined {
  try {
    const text = clock.next(new Date(afterMs))?.toString().slice(0, 19)
    return text !== undefined && /^\d{4}-/.test(text) && text.slice(0, 10) <= MAX_DATE ? `${text}Z` : undefined
  } catch (error) {
    if (error instanceof Error && /exceeded/.test(error.message)) return undefined
    throw error
  }
}

function withCount(parts: Parts, left: number): string {
  return [...parts].map(([name, value]) => `${name}=${name === 'COUNT' ? left : value}`).join(';')
}
