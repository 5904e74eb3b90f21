import { type Clock, type Day, earlier, type Hm } from './clock.ts'
import type { Repeat } from './pieces.ts'

const WORK_DAYS = 'MO,TU,WE,TH,FR'

export function rruleOf(r: Repeat): string {
  const parts = [`FREQ=${r.freq}`]
  if (r.interval > 1) parts.push(`INTERVAL=${r.interval}`)
  if (r.byMonth) parts.push(`BYMONTH=${r.byMonth}`)
  if (r.byMonthDay) parts.push(`BYMONTHDAY=${r.byMonthDay}`)
  if (r.byDay) parts.push(`BYDAY=${r.byDay}`)
  if (r.bySetPos) parts.push(`BYSETPOS=${r.bySetPos}`)
  if (r.count) parts.push(`COUNT=${r.count}`)
  else if (r.until) parts.push(`UNTIL=${r.until.toString().replaceAll('-', '')}`)
  return parts.join(';')
}

const CODES = ['MO', 'TU', 'WE', 'TH', 'FR', 'SA', 'SU']
/** From one 29 February to the next. */
const FARTHEST_DAYS = 1500

/** "FR" is any Friday, "1FR" the first of the month, "-1FR" the last. */
function isDay(code: string, day: Day): boolean {
  if (CODES[day.dayOfWeek - 1] !== code.slice(-2)) return false
  const nth = Number(code.slice(0, -2))
  if (nth === 0) return true
  return nth > 0 ? Math.ceil(day.day / 7) === nth : Math.ceil((day.daysInMonth - day.day + 1) / 7) === -nth
}

const onDay = (r: Repeat, day: Day) => !r.byDay || r.byDay.split(',').some((code) => isDay(code, day))

function atPosition(r: Repeat, day: Day): boolean {
  if (!r.bySetPos) return true
  const all = Array.from({ length: day.daysInMonth }, (_, i) => day.with({ day: i + 1 })).filter((d) => onDay(r, d))
  return all.at(r.bySetPos > 0 ? r.bySetPos - 1 : r.bySetPos)?.equals(day) ?? false
}

function fits(r: Repeat, day: Day): boolean {
  const dates = r.byMonthDay?.split(',').map(Number)
  const dated = !dates || dates.includes(day.day) || dates.includes(day.day - day.daysInMonth - 1)
  return dated && onDay(r, day) && atPosition(r, day) && (!r.byMonth || r.byMonth === day.month)
}

/** The first day of the rhythm, not before `from`; today counts only while its time is still ahead. */
export function firstDay(r: Repeat, from: Day | undefined, time: Hm | undefined, clock: Clock): Day {
  const passed =
    time !== undefined &&
    (time.hour < clock.now.hour || (time.hour === clock.now.hour && time.minute <= clock.now.minute))
  const soonest = passed ? clock.today.add({ days: 1 }) : clock.today
  const start = from && earlier(soonest, from) ? from : soonest
  if (!r.byDay && !r.byMonthDay && !r.byMonth) return start
  for (let n = 0; n < FARTHEST_DAYS; n++) {
    const day = start.add({ days: n })
    if (fits(r, day)) return day
  }
  return start
}

const STEP = { DAILY: 'days', WEEKLY: 'weeks', MONTHLY: 'months', YEARLY: 'years' } as const
const partOf = (rrule: string, name: string) => new RegExp(`(?:^|;)${name}=([^;]+)`).exec(rrule)?.[1]

/** Whether the rule's interval, counted from `from`, takes in the week or month of `day`. */
function inStep(unit: 'days' | 'weeks' | 'months' | 'years', n: number, from: Day, day: Day): boolean {
  const start = (d: Day) => (unit === 'weeks' ? d.subtract({ days: d.dayOfWeek - 1 }) : d.with({ day: 1 }))
  if (unit === 'days') return from.until(day, { largestUnit: 'days' }).days % n === 0
  if (unit === 'years') return (day.year - from.year) % n === 0
  return start(from).until(start(day), { largestUnit: unit })[unit] % n === 0
}

/** The day after `from`, and after today, on which the rule comes round again. */
export function following(rrule: string, from: Day, today: Day): Day | undefined {
  const freq = partOf(rrule, 'FREQ')
  if (freq !== 'DAILY' && freq !== 'WEEKLY' && freq !== 'MONTHLY' && freq !== 'YEARLY') return undefined
  const n = Number(partOf(rrule, 'INTERVAL') ?? 1)
  const byDay = partOf(rrule, 'BYDAY') ?? (freq === 'WEEKLY' ? CODES[from.dayOfWeek - 1] : undefined)
  const inMonth = freq === 'MONTHLY' || freq === 'YEARLY'
  const byMonthDay = partOf(rrule, 'BYMONTHDAY') ?? (inMonth && !byDay ? String(from.day) : undefined)
  const month = Number(partOf(rrule, 'BYMONTH') ?? (freq === 'YEARLY' ? from.month : 0))
  const setPos = Number(partOf(rrule, 'BYSETPOS') ?? 0)
  const rule: Repeat = {
    freq,
    interval: n,
    ...(byDay ? { byDay } : {}),
    ...(byMonthDay ? { byMonthDay } : {}),
    ...(month ? { byMonth: month } : {}),
    ...(setPos ? { bySetPos: setPos } : {}),
  }
  for (let i = 1; i < FARTHEST_DAYS; i++) {
    const day = from.add({ days: i })
    if (earlier(today, day) && fits(rule, day) && inStep(STEP[freq], n, from, day)) return day
  }
  return undefined
}

const DAY_NAMES: Record<string, string> = {
  MO: 'Monday',
  TU: 'Tuesday',
  WE: 'Wednesday',
  TH: 'Thursday',
  FR: 'Friday',
  SA: 'Saturday',
  SU: 'Sunday',
}

/** The rule in words, for the reply. */
export function rhythm(rrule: string): string {
  const part = (name: string) => new RegExp(`(?:^|;)${name}=([^;]+)`).exec(rrule)?.[1] ?? ''
  const n = Number(part('INTERVAL') || 1)
  const unit =
    { MINUTELY: 'minute', HOURLY: 'hour', DAILY: 'day', WEEKLY: 'week', MONTHLY: 'month', YEARLY: 'year' }[
      part('FREQ')
    ] ?? 'time'
  const days = part('BYDAY')
  const every = n === 1 ? `every ${unit}` : n === 2 ? `every other ${unit}` : `every ${n} ${unit}s`
  const names = days.split(',').map((d) => `${ordinalWord(d)}${DAY_NAMES[d.slice(-2)] ?? d}`)
  const list = names.length > 1 ? `${names.slice(0, -1).join(', ')} and ${names.at(-1)}` : (names[0] ?? '')
  const until = part('UNTIL')
  const end = until
    ? `, until ${until.slice(0, 4)}-${until.slice(4, 6)}-${until.slice(6, 8)}`
    : part('COUNT')
      ? `, ${part('COUNT')} times`
      : ''
  if (days === WORK_DAYS && unit === 'week') return `every weekday${end}`
  if (days) return (unit === 'week' && n === 1 ? `every ${list}` : `${every} on ${list}`) + end
  const monthDay = part('BYMONTHDAY')
  if (monthDay && unit === 'month')
    return `${every} on ${monthDay === '-1' ? 'the last day' : `day ${monthDay.replace(',', ' and ')}`}${end}`
  return every + end
}

function ordinalWord(code: string): string {
  const n = code.slice(0, -2)
  return n === ''
    ? ''
    : n === '-1'
      ? 'the last '
      : `${['', 'the first ', 'the second ', 'the third ', 'the fourth ', 'the fifth '][Number(n)] ?? ''}`
}
