import { type Clock, type Day, type Hm, hm, minutesOf, moment } from './clock.ts'
import type { Days, EventIntent, Intent, World } from './intent.ts'
import { raw, re } from './pattern.ts'
import { readRange } from './ranges.ts'
import { titleOf } from './read-create.ts'
import { rruleOf } from './rhythm.ts'
import { lengthOf } from './spans.ts'
import { readWhen, type When } from './when.ts'
import { sentence } from './words.ts'

const IN_CALENDAR =
  / ?\b(?:in|on|to|onto|into|from|off|for) (?:my |the )?calendar\b| ?\bas an? (?:calendar )?event\b|\bmy calendar\b/gi
const MAKES_EVENT = re(
  raw`^(?:(?:please|can you|could you) )*(?:(?:create|make|add|set up|schedule|plan)(?: me)? (?:a |an |the )?(?:new )?(?:calendar )?event\b|new event\b|calendar:|`,
  raw`(?:put|add|save|mark|enter|note|book|schedule|block|pencil)\b.*\bcalendar\b|add (?:a |an |my )?appointment\b|block\b(?: out)?|pencil in\b)|`,
  raw`\b(?:put\b.*\bin|in) (?:my |the )calendar$`,
)
const PUTS_TIMED = /^(?:please )?put (?!off\b|down\b|back\b)/i
const BOOKS = /^(?:please )?(?:book|schedule)\b/i
const LEADING =
  /^(?:(?:please|can you|could you) )*(?:(?:create|make|add|set up|schedule|plan|put|save the date|save|mark|enter|note|book|block(?: out| off)?|pencil in|new|calendar)\b:?(?: me)?[\s,:]*)(?:(?:to|in|on) (?:my |the )?calendar[\s,:]*)?(?:(?:a |an |the )?(?:new )?(?:calendar )?event\b(?: called| named| titled| for)?[\s,:]*)?/i
const LENGTH =
  /\b(?:for )?(?:about )?((?:\d+(?:[.,]\d+)?[ -]?|(?:an?|one|two|three|four|half an?|a half)[ -])(?:and a half )?(?:hours?|hrs?|h|minutes?|mins?|min|m)\b|half an hour)/i

const ASKS_LIST = re(
  raw`\b(?:my|the|on|in) calendar\b|^calendar\b|\b(?:meetings?|appointments?|events?)\b.*(?:do i have|have i|are there|are on|scheduled)|`,
  raw`^(?:do i have|have i got|is there|are there|any|what|which|how many|show|list|when)\b.*\b(?:meetings?|appointments?|events?)\b|`,
  raw`^what(?:'s| is) (?:scheduled|booked)\b`,
)
const ASKS_WHEN = /^(?:when|what time)(?:'s| is) (?:my |the )?(.+?)\??$/i
const ASKS_FREE = re(
  raw`^(?:when|what times?|where|which (?:times?|slots?)|what slots?) (?:am|are|could|can|do|might) i\b.*\b(?:free|available|fit|squeeze)|`,
  raw`\bfree (?:time|slots?|hours?)\b|^(?:find|look for|suggest|search for)(?: me)?\b.*\b(?:slot|gap|opening|time|hours?|minutes?|mins?)\b|`,
  raw`^do i have (?:a |an |any )?(?:free )?(?:\w+ )?(?:hours?|minutes?) free|^do i have (?:a |an )?free (?:hour|half hour|slot)|\bgood time for\b`,
)
const ASKS_BUSY = re(
  raw`^am i (?:busy|free|available|booked|occupied)\b|^do i have (?:anything|something)(?: on| planned)?\b|^is .+ (?:still )?(?:free|available|taken)\??$`,
)
const MOVES = re(
  raw`^(?:(?:please|can you|could you) )*(?:move|reschedule|push(?: back)?|shift|postpone|change|bring)\s+(?:my |the )?(.+?)(?: appointment| meeting| event)?(?: forward| back)?`,
  raw` (?:to|until|till) (.+)$`,
)
const CANCELS = re(
  raw`^(?:(?:please|can you|could you) )*(?:cancel|delete|remove|call off|drop|scrap|take)\s+(?:my |the )?(.+?)(?: off)?$`,
)

const DAY_MINUTES = 1440
const lengthIn = (text: string): number | undefined => {
  const said = LENGTH.exec(text)?.[1]
  if (said === undefined) return undefined
  const [, hours] = /^(\d+[.,]\d+) ?-?h/i.exec(said) ?? []
  return hours ? Math.round(Number(hours.replace(',', '.')) * 60) : lengthOf(said.replace('-', ' '))
}

/** What a sentence wants of the calendar; `plain` is what is made of it where it is none of the calendar's. */
export function readCalendar(c: string, world: World, plain: () => Intent): Intent | undefined {
  if (!world.can('create_event') || c.length > 200) return undefined
  const asks = /\?\s*$/.test(c)
  return (
    (asks ? undefined : (move(c, world, plain) ?? cancel(c, world, plain))) ??
    busy(c, world, plain) ??
    free(c, world, plain) ??
    make(c, world) ??
    listed(c, world, plain)
  )
}

function make(c: string, { clock }: World): EventIntent | undefined {
  if (/^(?:show|what|which|when|do|is|are|how|any|list|check|tell|read|open|my|find)\b/i.test(c)) return undefined
  const length = lengthIn(c)
  const { when, rest } = readWhen(c.replace(IN_CALENDAR, ' ').replace(LENGTH, ' ').replace(/\s+/g, ' ').trim(), clock)
  const isTimed = when?.time !== undefined && length !== undefined
  const isRound =
    isTimed && when?.repeat !== undefined && /^(?:every|each|daily)\b/i.test(c) && !/\b(?:task|remind)/i.test(c)
  if (!when || !(MAKES_EVENT.test(c) || (isTimed && (PUTS_TIMED.test(c) || BOOKS.test(c))) || isRound)) return undefined
  const name = titleOf(
    rest
      .replace(LEADING, '')
      .replace(/^\s*(?:on|for|in|with a|an?|the|as an?|my|out|:|,)\s+/i, '')
      .replace(/^[\s:,]+|[\s:,]+$/g, '')
      .replace(/\s+(?:on|at|for|as)$/i, ''),
  )
  const { date, time, zone, start } = when
  const day = start?.date ?? date
  if (!day) return undefined
  const from = start?.time ?? time
  return {
    kind: 'event-create',
    title: sentence(name.replace(/^(?:for|an?|the|in|as an?)\s+/i, '')) || 'Busy',
    start: moment(day, from, clock.zone, zone),
    ...(!from && length !== undefined && length <= DAY_MINUTES && { minutes: length }),
    ...ending(day, from, start?.time ? time : undefined, length, clock),
    ...(when.repeat && { recurrence: rruleOf(when.repeat) }),
  }
}

function ending(day: Day, from: Hm | undefined, to: Hm | undefined, length: number | undefined, clock: Clock) {
  if (!from) return {}
  const minutes = to ? minutesOf(to) - minutesOf(from) : length
  if (minutes === undefined || minutes <= 0) return {}
  const at = day.toPlainDateTime({ hour: from.hour, minute: from.minute }).add({ minutes })
  return { end: moment(at.toPlainDate(), { hour: at.hour, minute: at.minute }, clock.zone) }
}

const DATE_CHARS = 10
const OF_TASKS = /\b(?:due|tasks?|to-?dos?|deadlines?|overdue|reminders?)\b/i

/** A question about days that does not ask for tasks alone asks for their events too. */
export function withEvents(intent: Intent, c: string, world: World): Intent {
  if (intent.kind !== 'find' || !world.can('list_events') || OF_TASKS.test(c)) return intent
  const { filter, view } = intent
  const { text, priority, projectId, label, status, overdue, dueBefore: to } = filter
  const isOther = text ?? priority ?? projectId ?? label ?? status ?? overdue
  if (isOther !== undefined || to === undefined || (view !== 'agenda' && view !== 'free')) return intent
  const from = filter.dueAfter ?? world.clock.today.toString()
  const part = readRange(c, world.clock)?.part
  const events: Days = { from, to, ...(part !== undefined && { part: part.replace(/^this /, '') }) }
  // An hour is an instant, whose UTC day may be another than the day it is asked with.
  const isHour = from.length > DATE_CHARS || to.length > DATE_CHARS
  return isHour || from < to ? { ...intent, events } : intent
}

type Window = { from: string; to?: string; name: string }

function windowOf(c: string, clock: Clock): Window {
  const range = readRange(c, clock)
  const day = (given: string | undefined) => (given !== undefined && given.length > 10 ? given.slice(0, 10) : given)
  const today = clock.today.toString()
  const [from = today, to] = [day(range?.after), day(range?.before)]
  return {
    from: from < today && (to ?? from) > today ? today : from,
    ...(to !== undefined && to > from && { to }),
    name: range?.name ?? '',
  }
}

function listed(c: string, world: World, plain: () => Intent): EventIntent | undefined {
  const { clock } = world
  const named = ASKS_WHEN.exec(c)
  if (named?.[1] && !/\b(?:due|next|it|that|now)\b/i.test(named[1]) && !/\b(?:task|reminder|deadline)/i.test(c))
    return { kind: 'event-list', from: clock.today.toString(), name: '', text: named[1], plain: plain() }
  if (!ASKS_LIST.test(c) || /\b(?:task|remind|todo)/i.test(c)) return undefined
  return {
    kind: 'event-list',
    ...windowOf(c, clock),
    isNext: /\bnext (?:meeting|appointment|event)\b/i.test(c),
    plain: plain(),
  }
}

function free(c: string, { clock }: World, plain: () => Intent): EventIntent | undefined {
  if (!ASKS_FREE.test(c) || /\btasks?\b/i.test(c)) return undefined
  const minutes = lengthIn(c) ?? (/\bfree hour\b/i.test(c) ? 60 : undefined)
  if (
    /^(?:find|look for|suggest|search for)\b/i.test(c) &&
    minutes === undefined &&
    !/\b(?:free|slot|gap|opening)\b/i.test(c)
  )
    return undefined
  const { from, to, name } = windowOf(c.replace(LENGTH, ' '), clock)
  return {
    kind: 'event-free',
    from,
    to: to ?? clock.today.add({ days: 7 }).toString(),
    name,
    ...(minutes !== undefined && { minutes }),
    plain: plain(),
  }
}

function busy(c: string, { clock }: World, plain: () => Intent): EventIntent | undefined {
  if (!ASKS_BUSY.test(c)) return undefined
  const { when } = readWhen(c.replace(/\?+$/, ''), clock)
  if (!when?.date || !when.time || !when.raw) return undefined
  return { kind: 'event-busy', date: when.date.toString(), time: hm(when.time), plain: plain() }
}

function move(c: string, world: World, plain: () => Intent): EventIntent | undefined {
  const met = MOVES.exec(c)
  const said = met?.[2]?.replace(/^(?=\d{1,2}(?::\d\d)?\??$)/, 'at ')
  const { when } = said ? readWhen(said, world.clock) : {}
  if (!met?.[1] || SPOKEN_OF.test(met[1]) || !when || when.repeat || (!when.date && !when.time)) return undefined
  return { kind: 'event-move', ...target(met[1], world), to: placed(when), plain: plain() }
}

const placed = ({ dateSaid, date, time }: When) => ({
  ...(dateSaid && date && { date: date.toString() }),
  ...(time && { time: hm(time) }),
})

function cancel(c: string, world: World, plain: () => Intent): EventIntent | undefined {
  const met = CANCELS.exec(c.replace(/[.!]+$/, ''))
  const name = met?.[1]?.replace(ALL_EVENTS, '')
  if (!name || SPOKEN_OF.test(name)) return undefined
  return { kind: 'event-cancel', ...target(name, world), all: name !== met?.[1], plain: plain() }
}

// Tasks, or what was spoken of before.
const SPOKEN_OF =
  /\b(?:tasks?|reminders?|projects?|alarm|everything|all|it|that|this|them|those|these|both|first|second|third|last|one|ones)\b/i
const ALL_EVENTS = /^all (?:of )?(?:my |the )?(?=(?:meetings|appointments|events)\b)/i
const OF_DAY = /\b(today|tomorrow|(?:mon|tues|wednes|thurs|fri|satur|sun)day)'s\s+(.*)$/i

/** "my meeting at 10 tomorrow": what it is called, and when it is. */
function target(text: string, { clock }: World): { text: string; date?: string; time?: string } {
  const { when, rest } = readWhen(text.replace(IN_CALENDAR, ' ').replace(OF_DAY, '$2 $1').trim(), clock)
  return {
    text: rest.replace(/'s\b/g, '').trim(),
    ...(when?.dateSaid && when.date && { date: when.date.toString() }),
    ...(when?.time && when.raw && { time: hm(when.time) }),
  }
}
