import { Temporal } from 'temporal-polyfill'
import type { Clock, Day, Hm } from './clock.ts'
import type { Intent, World } from './intent.ts'
import { numberOf, PARTS, rule, unitOf } from './lexicon.ts'
import { raw, re } from './pattern.ts'
import type { Piece } from './pieces.ts'
import { dayName } from './say.ts'
import { scan } from './scan.ts'

const VERB = raw`(?:undo|revert|reverse|rewind|roll back|unwind|take back)`
const WHO = raw`(?:you|i|we|aurelius)`
const DID = raw`${WHO}(?:'ve| have| had)? (?:just )?(?:did|done|do|made|make|changed|created|added|moved)(?: for me)?`
const ACTS = raw`(?:changes|actions|edits|acts|stuff|things|work)`
const WHAT = raw`(?:(?:all |everything )?(?:of )?(?:the |your |my |these |those )?${ACTS}|everything|all|anything|whatever|what)(?: (?:that )?${DID})?`
const ASKS = [
  re(raw`^${VERB} ${WHAT}[\s,]+(.+)$`),
  re(raw`^(?:take|roll|put) ${WHAT} (.+?) back$`),
  re(raw`^(?:take|roll|put) ${WHAT} back (.+)$`),
  re(raw`^${VERB} (?:all |everything )?(?:of |from )?(today|yesterday|this (?:morning|afternoon|evening))'s ${ACTS}$`),
  re(
    raw`^(?:undo|rewind|revert|roll back) ((?:the )?(?:last|past) .+|today|yesterday|this (?:morning|afternoon|evening|week))$`,
  ),
]
const LAST = rule(
  '^(?:in |over |during |from |for |within |of )*(?:the )?(?:last|past) (?:({num}|half) )?({unit})$',
  'i',
)
const AGO = rule('^(?:since |from |after )?(?:about )?({num}) ?({unit}) ago$', 'i')
const OPEN = /^(?:since|after|starting|beginning|as of)\b/i
const FILLING =
  /\b(?:since|from|after|in|on|at|during|over|the|of|early|starting|beginning|as|and|or so|o'clock)\b|[^\p{L}\p{N}]/giu
const MAX_CHARS = 120

type Window = { since: Temporal.ZonedDateTime; until: Temporal.ZonedDateTime }

const at = (day: Day, { hour, minute }: Hm, clock: Clock) =>
  day.toZonedDateTime({ timeZone: clock.zone, plainTime: new Temporal.PlainTime(hour, minute) })
const begins = (day: Day, clock: Clock) => at(day, { hour: 0, minute: 0 }, clock)
const isPast = (one: Temporal.ZonedDateTime, { now }: Clock) => Temporal.ZonedDateTime.compare(one, now) < 0
const sooner = (a: Temporal.ZonedDateTime, b: Temporal.ZonedDateTime) =>
  Temporal.ZonedDateTime.compare(a, b) < 0 ? a : b

/** Of what happened a bare hour is the last such hour there was. */
function hourBefore({ hour, minute, sure }: { hour: number; minute: number; sure: boolean }, day: Day, clock: Clock) {
  const hours = sure ? [hour] : [(hour % 12) + 12, hour % 12]
  return hours.map((one) => at(day, { hour: one, minute }, clock)).find((one) => isPast(one, clock))
}

function ofPart(part: string, day: Day, clock: Clock): Window | undefined {
  const found = PARTS[part.replace(/^this /, '').replace(/^tonight$/, 'night')]
  if (!found) return undefined
  const from = part.endsWith('morning') ? 0 : found.from
  const to = found.to === 24 ? begins(day.add({ days: 1 }), clock) : at(day, { hour: found.to, minute: 0 }, clock)
  return { since: at(day, { hour: from, minute: 0 }, clock), until: to }
}

const core = <K extends Piece['core']['kind']>(pieces: Piece[], kind: K) =>
  pieces.map((p) => p.core).find((one): one is Extract<Piece['core'], { kind: K }> => one.kind === kind)

function whole(pieces: Piece[], clock: Clock): Window | undefined {
  const span = core(pieces, 'span')
  if (span) return { since: begins(span.from, clock), until: begins(span.to, clock) }
  const said = core(pieces, 'date')?.date
  const [time, hours, part] = [core(pieces, 'time'), core(pieces, 'hours'), core(pieces, 'part')?.part]
  const day = said ?? clock.today
  if (hours) return { since: at(day, hours.from, clock), until: at(day, hours.to, clock) }
  if (time) {
    const morning = part?.endsWith('morning') ? { ...time, sure: true } : time
    const since =
      hourBefore(morning, day, clock) ?? (said ? undefined : hourBefore(morning, day.subtract({ days: 1 }), clock))
    return since && { since, until: clock.now }
  }
  if (part) {
    const window = ofPart(part, day, clock)
    if (window && !said && !part.startsWith('this') && !isPast(window.since, clock))
      return ofPart(part, day.subtract({ days: 1 }), clock)
    return window
  }
  return said && { since: begins(said, clock), until: begins(said.add({ days: 1 }), clock) }
}

/** The stretch of the past that this speaks of, and nothing else. */
function readWindow(tail: string, clock: Clock): Window | undefined {
  const said = tail
    .replace(/^since (?=lunch$|breakfast$|dinner$)/i, 'after ')
    .replace(/\blast night\b/i, 'yesterday night')
  const few = LAST.exec(said) ?? AGO.exec(said)
  if (few) {
    const { unit, times } = unitOf(few[2] ?? '')
    const n = Math.round((numberOf(few[1] ?? 'one') ?? 1) * times * (unit === 'hours' ? 60 : 1))
    const since = clock.now.subtract({ [unit === 'hours' ? 'minutes' : unit]: n })
    return { since, until: clock.now }
  }
  const pieces = scan(said, clock, { bare: true, lean: 'past', ranges: true })
  let rest = said
  for (const { start, end } of pieces.toReversed()) rest = `${rest.slice(0, start)} ${rest.slice(end)}`
  const window = rest.replace(FILLING, '') === '' ? whole(pieces, clock) : undefined
  if (!window || !isPast(window.since, clock)) return undefined
  return { ...window, until: OPEN.test(said) && !core(pieces, 'hours') ? clock.now : sooner(window.until, clock.now) }
}

const shown = (one: Temporal.ZonedDateTime, clock: Clock) =>
  `${one.toPlainTime().toString({ smallestUnit: 'minute' })} ${dayName(one.toPlainDate(), clock)}`

/** "undo everything since 9", "take back what you did this morning": all of a stretch of the past. */
export function readUndoSince(c: string, { clock }: World): Intent | undefined {
  const t = c.replace(/[.!?\s]+$/, '')
  if (t.length > MAX_CHARS) return undefined
  const windows = ASKS.map((one) => {
    const tail = one.exec(t)?.[1]
    return tail === undefined ? undefined : readWindow(tail, clock)
  })
  const window = windows.find((one) => one !== undefined)
  if (!window) return undefined
  const { since, until } = window
  const name = until.equals(clock.now)
    ? `since ${shown(since, clock)}`
    : `between ${shown(since, clock)} and ${shown(until, clock)}`
  return { kind: 'undo-since', since: since.toInstant().toString(), until: until.toInstant().toString(), name }
}
