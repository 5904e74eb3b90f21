import { type Clock, type Day, earlier, instantText } from './clock.ts'
import type { Piece, ScanOptions } from './pieces.ts'
import { dateText, dayName } from './say.ts'
import { scan } from './scan.ts'
import { settleHour } from './when.ts'

/** Half-open, as the tools want it: local dates, or instants where an hour was named. */
export type Range = { after?: string; before?: string; name: string; day?: Day; part?: string; rest: string }

type Edges = { from?: Day; to?: Day }

const ofPiece = (p: Piece): { from: Day; to: Day } | undefined => {
  if (p.core.kind === 'date') return { from: p.core.date, to: p.core.date.add({ days: 1 }) }
  if (p.core.kind === 'span') return { from: p.core.from, to: p.core.to }
  if (p.core.kind === 'instant') return { from: p.core.at.toPlainDate(), to: p.core.at.toPlainDate().add({ days: 1 }) }
  return undefined
}

function edges(p: Piece, own: { from: Day; to: Day }): Edges {
  if (p.rel === 'before') return { to: own.from }
  if (p.rel === 'after') return { from: own.to }
  if (p.rel === 'from' && !p.preps.includes('from')) return { from: own.from }
  if (p.rel === 'by' && p.preps.some((w) => /^(?:by|no later|not later|latest)/.test(w))) return { to: own.to }
  return p.rel === 'until' ? { to: own.to } : own
}

function withoutPieces(text: string, pieces: Piece[]): string {
  let rest = text
  for (const p of [...pieces].sort((a, b) => b.start - a.start)) rest = `${rest.slice(0, p.start)} ${rest.slice(p.end)}`
  return rest
    .replace(/\s+/g, ' ')
    .replace(/\s+([?.,!])/g, '$1')
    .trim()
}

function nameOf(text: string, p: Piece, clock: Clock): string {
  const words = text
    .slice(p.start, p.end)
    .toLowerCase()
    .replace(/^(?:on|for|in|at|due|during|over) /, '')
  if (p.core.kind !== 'date') return /^(?:week|weekend|month)$/.test(words) ? `this ${words}` : words
  if (p.rel === 'on' || p.preps.includes('due') || p.preps.includes('from'))
    return dayName(p.core.date, clock).replace(/ \(.*/, '')
  return `${p.rel} ${dateText(p.core.date, clock)}`
}

/** The stretch of days a question is about. */
export function readRange(text: string, clock: Clock, options: ScanOptions = {}): Range | undefined {
  const pieces = scan(text, clock, { ranges: true, ...options })
  const dated = pieces.flatMap((p) => {
    const own = ofPiece(p)
    return own ? [{ p, own }] : []
  })
  const part = pieces.flatMap((p) => (p.core.kind === 'part' ? [p.core.part] : []))[0]
  const time = pieces.find((p) => p.core.kind === 'time')
  const [first, second] = dated
  const used = [...dated.map((d) => d.p), ...pieces.filter((p) => p.core.kind === 'part' || p === time)]
  const rest = withoutPieces(text, used)
  const partOfToday = part && /^(?:this|tonight)/.test(part)
  if (!first) {
    if (partOfToday)
      return {
        after: clock.today.toString(),
        before: clock.today.add({ days: 1 }).toString(),
        name: part,
        day: clock.today,
        part,
        rest,
      }
    return time && (time.rel === 'before' || time.rel === 'by' || time.rel === 'after')
      ? timed(time, clock.today, clock, rest)
      : undefined
  }
  const joined =
    second &&
    (/\b(?:between|from)\b/i.test(text) || first.p.end < second.p.start) &&
    /\b(?:and|to|until|through|-)\b|-/.test(text.slice(first.p.start, second.p.end))
  if (second && joined) {
    const from = first.own.from
    const weeks = earlier(from, second.own.to)
      ? 0
      : Math.ceil((second.own.to.until(from, { largestUnit: 'days' }).days + 1) / 7)
    const to = second.own.to.add({ weeks })
    return {
      after: from.toString(),
      before: to.toString(),
      name: `${dateText(from, clock)} to ${dateText(to.subtract({ days: 1 }), clock)}`,
      rest,
    }
  }
  if (time && first.p.core.kind === 'date' && time.rel !== 'on') return timed(time, first.p.core.date, clock, rest)
  const { from, to } = edges(first.p, first.own)
  const single = first.p.core.kind === 'date' && from && to ? { day: first.p.core.date } : {}
  return {
    ...(from ? { after: from.toString() } : {}),
    ...(to ? { before: to.toString() } : {}),
    name: nameOf(text, first.p, clock),
    ...single,
    ...(part ? { part } : {}),
    rest,
  }
}

function timed(p: Piece, day: Day, clock: Clock, rest: string): Range | undefined {
  if (p.core.kind !== 'time') return undefined
  const time = settleHour(p.core, { today: day.equals(clock.today), now: clock.now })
  const at = instantText(day, time, clock.zone)
  const name = `${p.rel} ${String(time.hour).padStart(2, '0')}:${String(time.minute).padStart(2, '0')}`
  if (p.rel === 'after') return { after: at, before: day.add({ days: 1 }).toString(), name, rest }
  return { after: day.toString(), before: at, name, rest }
}
