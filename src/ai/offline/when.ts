import { parse } from 'chrono-node/en'
import { Temporal } from 'temporal-polyfill'
import { type Clock, type Day, earlier, type Hm, minutesOf, wholeMinute } from './clock.ts'
import { PARTS, rule } from './lexicon.ts'
import type { Core, Lead, Piece, Rel, Repeat, ScanOptions } from './pieces.ts'
import { withoutDays } from './repeat.ts'
import { firstDay } from './rhythm.ts'
import { scan } from './scan.ts'

export type RawTime = { hour: number; minute: number; sure: boolean }

/** What a sentence says of time. `date` is filled in where only a time was said; `dateSaid` tells. */
export type When = {
  date?: Day
  time?: Hm
  rel: Rel
  dateSaid: boolean
  weekday?: number
  raw?: RawTime
  part?: string
  start?: { date: Day; time?: Hm }
  zone?: string
  exact?: Temporal.ZonedDateTime
  repeat?: Repeat
  lead?: Lead
  length?: number
}

export type Read = { when?: When; rest: string; pieces: Piece[] }

const MORNING_WORDS = /\b(?:wake|alarm|breakfast|get up|sunrise|morning)\b/i
const SCHOOL_WORDS = /\bschool\b(?<!(?:after|from) school)/i
const EVENING_WORDS = /\b(?:dinner|drinks|supper|party|movie|cinema|concert|bar|pub|date night|theatre|theater)\b/i

/** Whoever is up before this hour means by "at 7" the seven that comes next. */
const SMALL_HOURS = 5

/** A bare 1 to 7 is the afternoon; 8 to 11 the morning while it is still to come. */
export function settleHour(
  raw: RawTime,
  context: { part?: string | undefined; today: boolean; now?: Hm; text?: string; early?: boolean },
): Hm {
  const { hour, minute, sure } = raw
  const pm = { hour: (hour % 12) + 12, minute }
  const am = { hour: hour % 12, minute }
  if (sure) return { hour, minute }
  const part = context.part ?? ''
  if (/morning/.test(part)) return am
  if (/night/.test(part) && (hour === 12 || hour < 5)) return am
  if (/afternoon|evening|night|lunch|noon/.test(part)) return pm
  if (hour === 12) return pm
  const text = context.text ?? ''
  if (hour >= 4 && MORNING_WORDS.test(text)) return am
  if (hour >= 6 && hour <= 9 && SCHOOL_WORDS.test(text)) return am
  if (hour >= 5 && EVENING_WORDS.test(text)) return pm
  if (hour <= 7) return context.early && hour >= 5 ? am : pm
  const past = context.today && context.now !== undefined && minutesOf(am) <= minutesOf(context.now)
  return past && minutesOf(pm) > minutesOf(context.now ?? pm) ? pm : am
}

/** A part of the day as an hour; what has begun already moves to the next full hour. */
function partHour(part: string, today: boolean, now: Hm): Hm {
  const name = part.replace(/^this /, '').replace(/^tonight$/, 'night')
  const p = PARTS[name]
  if (!p) return { hour: 9, minute: 0 }
  if (!today || minutesOf(now) < p.hour * 60 + p.minute || now.hour + 1 >= p.to) {
    const spent = today && name === 'night' && now.hour >= 22
    return spent ? { hour: 23, minute: 59 } : { hour: p.hour, minute: p.minute }
  }
  return { hour: now.hour + 1, minute: 0 }
}

const isDate = (p: Piece) => p.core.kind === 'date' || p.core.kind === 'span' || p.core.kind === 'instant'

function weight(p: Piece, text: string): number {
  const edge = text.slice(p.end).trim() === '' || text.slice(0, p.start).trim() === '' ? 1 : 0
  if (p.rel === 'by' || p.rel === 'before') return 4 + edge
  if (p.preps.includes('about')) return edge
  if (p.preps.includes('for')) return 1 + edge
  return (p.preps.length > 0 ? 2 : 1) + edge
}

const heaviest = (pieces: Piece[], text: string): Piece | undefined =>
  pieces.reduce<Piece | undefined>((best, p) => (best && weight(best, text) >= weight(p, text) ? best : p), undefined)

type Parts = { date?: Piece; time?: Piece; part?: Piece; from?: Piece; until?: Piece; others: Piece[] }

function choose(pieces: Piece[], text: string): Parts {
  const dates = pieces.filter((p) => isDate(p) && !p.possessive)
  const repeat = pieces.find((p) => p.core.kind === 'repeat')
  const from = dates.find((p) => p.rel === 'from')
  const until = dates.find(
    (p) => p !== from && (p.rel === 'until' || (from && p.preps.includes('to')) || (repeat && p.rel === 'by')),
  )
  const rest = dates.filter((p) => p !== from && !(until === p && (repeat || from)))
  const times = pieces.filter((p) => p.core.kind === 'time' || p.core.kind === 'hours')
  return {
    date: heaviest(rest, text),
    time: times.find((p) => p.core.kind === 'hours') ?? times[0],
    part: pieces.find((p) => p.core.kind === 'part'),
    from,
    until: repeat || from ? until : undefined,
    others: pieces.filter((p) => ['repeat', 'lead', 'zone', 'length', 'count', 'except'].includes(p.core.kind)),
  }
}

const dayOf = (core: Core | undefined): Day | undefined =>
  core?.kind === 'date' ? core.date : core?.kind === 'span' ? core.due : core?.kind === 'time' ? core.date : undefined

function one<K extends Core['kind']>(pieces: Piece[], kind: K): Extract<Core, { kind: K }> | undefined {
  return pieces.map((p) => p.core).find((c): c is Extract<Core, { kind: K }> => c.kind === kind)
}

function repeatOf(pieces: Piece[], chosen: Parts, clock: Clock): Repeat | undefined {
  const said = one(pieces, 'repeat')?.repeat
  if (!said) return undefined
  const repeat = { ...said }
  const date = chosen.date?.rel === 'from' ? undefined : dayOf(chosen.date?.core)
  const plain = !repeat.byDay && !repeat.byMonthDay
  if (date && plain && chosen.date?.core.kind === 'date') {
    const { monthly } = chosen.date.core
    if (repeat.freq === 'MONTHLY' && monthly) Object.assign(repeat, monthly)
    else if (repeat.freq === 'MONTHLY') repeat.byMonthDay = date.day === 31 ? '-1' : String(date.day)
    if (repeat.freq === 'WEEKLY') repeat.byDay = ['MO', 'TU', 'WE', 'TH', 'FR', 'SA', 'SU'][date.dayOfWeek - 1] ?? 'MO'
    if (repeat.freq === 'YEARLY') Object.assign(repeat, { byMonth: date.month, byMonthDay: String(date.day) })
  }
  const except = one(pieces, 'except')
  if (except && repeat.freq === 'DAILY' && repeat.interval === 1) Object.assign(repeat, withoutDays(except.days))
  const until = chosen.until?.core
  if (until?.kind === 'span') repeat.until = until.to.subtract({ days: 1 })
  else if (until) repeat.until = dayOf(until)
  const count = one(pieces, 'count')
  if (count && count.times > 0) repeat.count = count.times
  const length = one(pieces, 'length')
  if (length && length.minutes >= 1440)
    repeat.until = (dayOf(chosen.from?.core) ?? clock.today).add({ days: Math.round(length.minutes / 1440) })
  return repeat
}

/** "before friday" is Thursday's; "after friday" begins on Saturday. */
function shifted(date: Day, rel: Rel, timed: boolean, clock: Clock): Day {
  if (timed) return date
  if (rel === 'before')
    return earlier(date.subtract({ days: 1 }), clock.today) ? clock.today : date.subtract({ days: 1 })
  return rel === 'after' ? date.add({ days: 1 }) : date
}

function settle(pieces: Piece[], chosen: Parts, text: string, clock: Clock): When | undefined {
  const { date: datePiece, time: timePiece, part: partPiece } = chosen
  const zone = one(chosen.others, 'zone')?.zone
  const repeat = repeatOf(pieces, chosen, clock)
  const lead = one(chosen.others, 'lead')?.lead
  const length = one(chosen.others, 'length')?.minutes
  if (!datePiece && !timePiece && !partPiece && !repeat && !chosen.from && !lead) return undefined
  const here = zone ? clock.now.withTimeZone(zone) : clock.now
  const rel = datePiece?.rel !== 'on' && datePiece ? datePiece.rel : (timePiece?.rel ?? 'on')
  const when: When = {
    rel,
    dateSaid: Boolean(datePiece),
    ...(zone ? { zone } : {}),
    ...(lead ? { lead } : {}),
    ...(length ? { length } : {}),
  }
  if (datePiece?.core.kind === 'instant') return { ...when, exact: datePiece.core.at, ...(repeat ? { repeat } : {}) }
  if (datePiece?.core.kind === 'date' && datePiece.core.weekday) when.weekday = datePiece.core.weekday
  const today = here.toPlainDate()
  const part = partPiece?.core.kind === 'part' ? partPiece.core.part : undefined
  const said = dayOf(datePiece?.core) ?? dayOf(timePiece?.core)
  const partToday = part !== undefined && /^(?:this|tonight)/.test(part)
  const isToday = said ? said.equals(today) : true
  if (part) when.part = part
  if (timePiece?.core.kind === 'hours') {
    when.start = { date: said ?? today, time: timePiece.core.from }
    when.time = timePiece.core.to
  } else if (timePiece?.core.kind === 'time') {
    when.raw = timePiece.core
    if (timePiece.core.date) when.dateSaid = true
    const early = here.hour < SMALL_HOURS && isToday && (!repeat || repeat.freq === 'DAILY')
    const context = { part: part ?? repeat?.part, today: isToday && !repeat, now: here, text, early }
    when.time = settleHour(timePiece.core, context)
  } else if (part) when.time = partHour(part, isToday && !repeat, here)
  else if (repeat?.time) when.time = repeat.time
  const first = dayOf(chosen.from?.core)
  if (repeat) return repeated(when, repeat, said, first, clock)
  when.date = said ? shifted(said, datePiece?.rel ?? 'on', when.time !== undefined, clock) : undefined
  if (partToday) when.dateSaid = true
  if (partToday && !said) when.date = today
  if (first) when.start = { date: first }
  if (datePiece?.core.kind === 'span' && datePiece.core.starts) when.start = { date: datePiece.core.from }
  if (chosen.until) when.date = dayOf(chosen.until.core)
  if (!when.date && when.time)
    when.date = minutesOf(when.start?.time ?? when.time) > minutesOf(here) ? today : today.add({ days: 1 })
  if (when.start?.time && when.date) when.start.date = when.date
  if (rel === 'after' && when.date) when.start = { date: when.date, ...(when.time ? { time: when.time } : {}) }
  return when
}

function repeated(when: When, repeat: Repeat, said: Day | undefined, from: Day | undefined, clock: Clock): When {
  if (!when.time && (repeat.freq === 'HOURLY' || repeat.freq === 'MINUTELY')) {
    const minutes = repeat.interval * (repeat.freq === 'HOURLY' ? 60 : 1)
    return { ...when, repeat, exact: wholeMinute(clock.now.add({ minutes })) }
  }
  const anchor = from ?? (repeat.byDay || repeat.byMonthDay ? undefined : said)
  const date = firstDay(repeat, anchor, when.start?.time ?? when.time, clock)
  return { ...when, repeat, date, ...(when.start ? { start: { ...when.start, date } } : {}) }
}

/** chrono knows spellings we do not; only its wall-clock fields are believed, and only when it is sure of a day. */
function viaChrono(text: string, clock: Clock): Piece[] {
  if (!/\d/.test(text)) return []
  const { now } = clock
  const instant = new Date(Date.UTC(now.year, now.month - 1, now.day, now.hour, now.minute))
  const [hit] = parse(text.slice(0, 300), { instant, timezone: 0 }, { forwardDate: true })
  if (
    !hit ||
    !rule('\\b(?:{month}|{wd})\\b|\\d[/.-]\\d', 'i').test(hit.text) ||
    !/\s/.test(hit.text) ||
    !(hit.start.isCertain('day') || hit.start.isCertain('weekday'))
  )
    return []
  const [year, month, day] = [hit.start.get('year'), hit.start.get('month'), hit.start.get('day')]
  if (!year || !month || !day) return []
  const place = { start: hit.index, end: hit.index + hit.text.length, rel: 'on' as const, preps: [], possessive: false }
  const pieces: Piece[] = [{ ...place, core: { kind: 'date', date: Temporal.PlainDate.from({ year, month, day }) } }]
  if (hit.start.isCertain('hour')) {
    pieces.push({
      ...place,
      core: { kind: 'time', hour: hit.start.get('hour') ?? 9, minute: hit.start.get('minute') ?? 0, sure: true },
    })
  }
  return pieces
}

function cut(text: string, used: Piece[]): string {
  let rest = text
  for (const p of [...used].sort((a, b) => b.start - a.start))
    rest = `${rest.slice(0, p.start)} \u0000 ${rest.slice(p.end)}`
  return rest
    .replace(/[\s,;]*\u0000(?:[\s,;]*\u0000)*\s*/g, ' ')
    .replace(/\s+([,.;!?])/g, '$1')
    .replace(/\s+/g, ' ')
    .trim()
}

/** The time a text speaks of, and the text without it. */
export function readWhen(text: string, clock: Clock, options: ScanOptions = {}): Read {
  let pieces = scan(text, clock, options)
  if (!pieces.some((p) => ['date', 'span', 'instant', 'time', 'hours', 'part', 'repeat'].includes(p.core.kind))) {
    pieces = [...pieces, ...viaChrono(text, clock)]
  }
  const chosen = choose(pieces, text)
  const when = settle(pieces, chosen, text, clock)
  if (!when) return { rest: text, pieces }
  const kept = [chosen.date, chosen.time, chosen.part, chosen.from, chosen.until].filter((p) => p !== undefined)
  const others = chosen.others.filter((p) => {
    if (p.core.kind === 'count' || p.core.kind === 'except') return Boolean(when.repeat)
    return p.core.kind === 'length' ? Boolean(when.repeat) && p.core.minutes >= 1440 : true
  })
  return { when, rest: cut(text, [...new Set([...kept, ...others])]), pieces }
}
