import { Temporal } from 'temporal-polyfill'
import type { Moment } from './clock.ts'
import { asTask, list, record, text } from './conversation.ts'
import { waits } from './do-end.ts'
import type { Call, EventIntent, Intent, Outcome, Result, Script, World } from './intent.ts'
import { dateText, dayName, plural, quote, titles, trouble } from './say.ts'
import { tokens } from './words.ts'

export type Known = { id: string; title: string; occurrence: string | null; date: string; from: string; to: string }
type Of<K extends EventIntent['kind']> = Extract<EventIntent, { kind: K }>
/** What is made of it where the calendar has no part in it. */
type Play = (intent: Intent, world: World) => Script

const LOOKED_DAYS = 60

export function knownIn(result: Result | undefined): Known[] {
  if (!result?.ok) return []
  return list(record(result.output).items).map((item) => {
    const { id, title, occurrence, start, end } = record(item)
    const [from, to] = [record(start), record(end)]
    return {
      ...{ id: text(id), title: text(title), occurrence: text(occurrence) || null },
      ...{ date: text(from.date), from: text(from.time).slice(0, 5), to: text(to.time).slice(0, 5) },
    }
  })
}

const failed = (what: string, result: Result | undefined) => ({
  text: `I couldn't ${what}: ${result ? trouble(result) : 'no answer'}.`,
})

const dayOf = (date: string, { clock }: World) => dayName(Temporal.PlainDate.from(date), clock)
export const lineOf = ({ title, date, from, to }: Known, { clock }: World) =>
  `${dateText(Temporal.PlainDate.from(date), clock)}${from ? ` ${from}${to ? `-${to}` : ''}` : ''} ${title}`

export function doCalendar(intent: EventIntent, world: World, play: Play): Script {
  switch (intent.kind) {
    case 'event-create':
      return doCreate(intent, world)
    case 'event-list':
      return doList(intent, world, play)
    case 'event-free':
      return doFree(intent, world)
    case 'event-busy':
      return doBusy(intent, world)
    case 'event-move':
      return doMove(intent, world, play)
    case 'event-cancel':
      return doCancel(intent, world, play)
  }
}

function* doCreate({ kind: _, minutes, ...asked }: Of<'event-create'>, world: World): Script {
  const placed = minutes === undefined ? asked : yield* fitted(asked, minutes)
  if (!placed) {
    const { title, start } = asked
    const none = `I found no ${minutes} minutes free ${dayOf(start.date, world)}`
    return { text: `${none}, so ${quote(title)} is not in your calendar. Say it again with a time to put it there.` }
  }
  const input = placed
  const [result] = yield [{ name: 'create_event', input }]
  if (!result?.ok) return failed(`put ${quote(input.title)} into your calendar`, result)
  const { start, end } = input
  const hours = start.time ? ` ${start.time}${end?.time ? `-${end.time}` : ''}` : ''
  const again = input.recurrence ? ', and again' : ''
  return { text: `In your calendar: ${quote(input.title)}, ${dayOf(start.date, world)}${hours}${again}.`, wrote: true }
}

/** So many minutes of a day without an hour: where they are free. */
function* fitted<T extends { start: Moment }>(
  input: T,
  minutes: number,
): Generator<Call[], (T & { end?: Moment }) | undefined, Result[]> {
  const from = input.start.date
  const to = Temporal.PlainDate.from(from).add({ days: 1 }).toString()
  const [result] = yield [{ name: 'find_time', input: { from, to, minutes, limit: 1 } }]
  const [slot] = result?.ok ? list(record(result.output).slots) : []
  const { local, localEnd } = record(slot)
  const [start, end] = [wallAt(local), wallAt(localEnd)]
  return start.time && end.time ? { ...input, start, end } : undefined
}

function wallAt(value: unknown): { date: string; time: string } {
  const { date, time } = record(value)
  return { date: text(date), time: text(time).slice(0, 5) }
}

function* doList(intent: Of<'event-list'>, world: World, play: Play): Script {
  const { from, to, name, text: named, isNext, plain } = intent
  const [result] = yield [{ name: 'list_events', input: { from, ...(to !== undefined && { to }), limit: 50 } }]
  if (!result?.ok) return failed('read your calendar', result)
  const all = knownIn(result)
  const found = named === undefined ? all : chosen(all, { text: named })
  // A name no event bears may be a task's.
  if (named !== undefined && found.length === 0) return yield* play(plain, world)
  const shown = named !== undefined || isNext ? found.slice(0, 1) : found
  const of = name ? ` ${name}` : ''
  if (shown.length === 0 && plain.kind !== 'find') return { text: `Nothing is in your calendar${of}.` }
  if (shown.length === 0) {
    const { text: rest, ...outcome } = yield* play(plain, world)
    return { ...outcome, text: `Nothing is in your calendar${of}. ${rest}` }
  }
  const lines = shown.map((event) => lineOf(event, world)).join('\n')
  if (shown.length === 1) return { text: `${lines}.` }
  return { text: `${plural(shown.length, 'event')}${of}:\n${lines}` }
}

const HALF_HOUR = 30
const MOST_SLOTS = 50
const MOST_SPANS = 10

/** Slots that adjoin are one span; they come best first and are told in order. */
function spansOf(slots: unknown[]): { date: string; from: string; to: string }[] {
  const spans: { date: string; from: string; to: string }[] = []
  const all = slots.map((slot) => {
    const { local, localEnd } = record(slot)
    const { date, time: from } = wallAt(local)
    return { date, from, to: wallAt(localEnd).time }
  })
  for (const slot of all.toSorted((one, other) =>
    `${one.date}${one.from}`.localeCompare(`${other.date}${other.from}`),
  )) {
    const last = spans.at(-1)
    if (last?.date === slot.date && last.to === slot.from) last.to = slot.to
    else spans.push(slot)
  }
  return spans
}

function* doFree({ from, to, name, minutes }: Of<'event-free'>, world: World): Script {
  const input = { from, to, minutes: minutes ?? HALF_HOUR, limit: MOST_SLOTS }
  const [result] = yield [{ name: 'find_time', input }]
  if (!result?.ok) return failed('look for time', result)
  const slots = list(record(result.output).slots)
  const spans = spansOf(slots)
  const of = name ? ` ${name}` : ''
  if (spans.length === 0) return { text: `There are no ${input.minutes} minutes free${of}.` }
  const lines = spans.slice(0, MOST_SPANS).map(({ date, from, to }) => `${dayOf(date, world)} ${from} to ${to}`)
  const more = slots.length === MOST_SLOTS || spans.length > MOST_SPANS ? '\nThere may be more after that.' : ''
  const head = minutes === undefined ? 'You are free' : `${minutes} minutes are free`
  return { text: `${head}${of}:\n${lines.join('\n')}${more}` }
}

function* doBusy({ date, time }: Of<'event-busy'>, world: World): Script {
  const to = Temporal.PlainDate.from(date).add({ days: 1 }).toString()
  const [result] = yield [{ name: 'list_events', input: { from: date, to, limit: 50 } }]
  if (!result?.ok) return failed('read your calendar', result)
  const met = knownIn(result).filter(
    (event) => event.date === date && event.from !== '' && event.from <= time && time < event.to,
  )
  const at = `${dayOf(date, world)} at ${time}`
  if (met.length === 0) return { text: `You are free ${at}: nothing is in your calendar then.` }
  return { text: `You are busy ${at}: ${met.map((event) => lineOf(event, world)).join(', ')}.` }
}

const GENERIC = new Set([
  'meeting',
  'meetings',
  'appointment',
  'appointments',
  'event',
  'events',
  'call',
  'class',
  'session',
  'the',
  'my',
  'with',
  'a',
  'an',
  'of',
])

/** The events that are meant: by all the words of the name that say something, by day and time. */
function chosen(all: Known[], { text: name, date, time }: { text: string; date?: string; time?: string }): Known[] {
  const said = tokens(name)
  const telling = said.filter((word) => !GENERIC.has(word))
  const here = all.filter(
    (one) => (date === undefined || one.date === date) && (time === undefined || one.from === time),
  )
  if (telling.length > 0) return here.filter(({ title }) => telling.every((word) => tokens(title).includes(word)))
  if (date === undefined && time === undefined) return []
  const kinds = said.filter((word) => /^(?:call|class|session)$/.test(word))
  const typed = here.filter(({ title }) => kinds.every((word) => tokens(title).includes(word)))
  const met = typed.length > 0 ? typed : here
  // "My 10am meeting" is the next one, not every one at ten.
  return date === undefined ? met.filter((one) => one.date === met[0]?.date) : met
}

function* search(
  intent: Of<'event-move' | 'event-cancel'>,
  { clock }: World,
): Generator<{ name: string; input: Record<string, unknown> }[], Known[], Result[]> {
  const to = clock.today.add({ days: LOOKED_DAYS }).toString()
  const [result] = yield [{ name: 'list_events', input: { from: clock.today.toString(), to, limit: 100 } }]
  const { ids } = intent
  const found = chosen(knownIn(result), intent).filter(({ id }) => ids?.includes(id) ?? true)
  // Of a series the next one.
  return found.filter((event, n) => found.findIndex(({ id }) => id === event.id) === n)
}

const MOST_CHOICES = 10

function which(found: Known[], intent: Of<'event-move' | 'event-cancel'>, world: World): Outcome {
  const shown = found.slice(0, MOST_CHOICES)
  const all = intent.kind === 'event-cancel' ? ' Or say \u201call\u201d.' : ''
  const tasks = shown.flatMap(({ id, title, date, from }) => asTask({ id, title, due: { date, time: from } }) ?? [])
  const lines = shown.map((event) => lineOf(event, world)).join('; ')
  return { text: `Which one: ${lines}?${all}`, ask: { kind: 'which', tasks, intent } }
}
const named = ({ id, occurrence }: Known) => ({ id, ...(occurrence !== null && { occurrence }) })

function* doMove(intent: Of<'event-move'>, world: World, play: Play): Script {
  const found = yield* search(intent, world)
  const [event] = found
  if (!event) return yield* play(intent.plain, world)
  if (found.length > 1) return which(found, intent, world)
  const time = intent.to.time ?? event.from
  const start = { date: intent.to.date ?? event.date, ...(time && { time }) }
  const [result] = yield [{ name: 'move_event', input: { ...named(event), start } }]
  if (!result?.ok) return failed(`move ${quote(event.title)}`, result)
  return {
    text: `Moved ${quote(event.title)} to ${dayOf(start.date, world)}${time ? ` at ${time}` : ''}.`,
    wrote: true,
  }
}

function* doCancel(intent: Of<'event-cancel'>, world: World, play: Play): Script {
  const found = yield* search(intent, world)
  const [event] = found
  if (!event) return yield* play(intent.plain, world)
  if (found.length > 1 && !intent.ids && !intent.all) return which(found, intent, world)
  const results = yield found.map((one) => ({ name: 'delete_event', input: named(one) }))
  const of = (is: (result: Result | undefined) => boolean) => found.filter((_, n) => is(results[n]))
  const gone = of((result) => result?.ok === true)
  const waiting = of(waits)
  const kept = of((result) => result?.ok === false && result.code === 'declined')
  const bad = results.find((result) => !result.ok && result.code !== 'declined' && !waits(result))
  const lines = waiting.map((one) => `${quote(one.title)} (${lineOf(one, world)})`).join(', ')
  const parts = [
    gone.length > 0 ? `Cancelled ${titles(gone)}.` : '',
    kept.length > 0 ? `Okay, ${titles(kept)} ${kept.length > 1 ? 'stay' : 'stays'}.` : '',
    bad ? failed(`delete ${titles(of((result) => result === bad))}`, bad).text : '',
    lines ? `I need your yes before I delete ${lines}. Shall I?` : '',
  ]
  return { text: parts.filter(Boolean).join(' '), wrote: gone.length > 0 }
}
