import type { Clock } from './clock.ts'
import { DATE_RULES } from './dates.ts'
import { numberOf, rule, unitOf } from './lexicon.ts'
import type { Core, Piece, Rel, Rule, ScanOptions, Spot } from './pieces.ts'
import { REPEAT_RULES } from './repeat.ts'
import { lengthOf, SPAN_RULES } from './spans.ts'
import { TIME_RULES } from './times.ts'
import { ZONE_ABBREVIATION, zoneOf } from './zones.ts'

const PREPS =
  'on|at|by|before|after|from|since|until|till|til|through|to|for|in|within|around|about|approximately|approx|' +
  'roughly|during|over|starting|beginning|due|no later than|not later than|latest by|as of|between|sometime|anytime|late|say|' +
  'like|maybe|come|this coming|sharp|exactly|@|~'
const PREP = new RegExp(`(?:${PREPS})(?![\\w'])\\s*`, 'iy')
const MAX_PREPS = 3

function zone(text: string | undefined): Core | undefined {
  const found = text ? zoneOf(text) : undefined
  return found ? { kind: 'zone', zone: found } : undefined
}

const OTHER_RULES: Rule[] = [
  {
    re: new RegExp(`(${ZONE_ABBREVIATION})(?: time)?\\b`, 'iy'),
    read: (m, s) => (s.last === 'time' || s.last === 'hours' ? zone(m[1]) : undefined),
  },
  { re: rule('(?:my|local) time\\b'), read: () => undefined },
  {
    re: rule("([a-z]+(?: (?!time)[a-z]+)?)(?:'s)? time\\b"),
    read: (m, s) => (s.last === 'time' || s.last === 'hours' || s.preps.includes('in') ? zone(m[1]) : undefined),
  },
  {
    re: rule(
      '({num}) ?({unit}|h|m)( and a half)? (?:before(?:hand)?|ahead(?: of time)?|in advance|' +
        'prior)(?: (?:it|that|then))?\\b',
    ),
    read: (m, s) => (/^\s*(?:$|[,.;!])/.test(s.after) ? lead(m[1] ?? '', m[2] ?? '', Boolean(m[3])) : undefined),
  },
  {
    re: rule('the (?:day|night|evening|morning) before\\b'),
    read: (_, s) => (/^\s*(?:$|[,.;!])/.test(s.after) ? { kind: 'lead', lead: { days: 1, minutes: 0 } } : undefined),
  },
  { re: rule('({num}) times\\b'), read: (m) => ({ kind: 'count', times: Math.round(numberOf(m[1] ?? '') ?? 1) }) },
  {
    re: rule(
      '(?:the next )?(?:{num} ?-?(?:{unit}|h|m)\\b(?: and (?:a )?(?:half|quarter)\\b| ?(?:and ' +
        ')?\\d{1,2} ?(?:minutes?|mins?|m)\\b)?|half an hour\\b)',
    ),
    read: (m, s) => length(m[0], s),
  },
]

function lead(count: string, unitText: string, half: boolean): Core {
  const { unit, times } = unitOf(unitText)
  const n = ((numberOf(count) ?? 1) + (half ? 0.5 : 0)) * times
  if (unit === 'days') return { kind: 'lead', lead: { days: n, minutes: 0 } }
  if (unit === 'weeks') return { kind: 'lead', lead: { days: 7 * n, minutes: 0 } }
  return { kind: 'lead', lead: { days: 0, minutes: Math.round(n * (unit === 'hours' ? 60 : 1)) } }
}

function length(text: string, spot: Spot): Core | undefined {
  if (!spot.preps.some((p) => p === 'for' || p === 'about' || p === 'around')) return undefined
  const minutes = lengthOf(text.replace(/^the next /i, ''))
  return minutes ? { kind: 'length', minutes } : undefined
}

const RULES: Rule[] = [...REPEAT_RULES, ...DATE_RULES, ...SPAN_RULES, ...TIME_RULES, ...OTHER_RULES]
const IS_LATE =
  /\b(?:running|being?|am|is|are|was|were|i'?m|(?:s?he|it)'?s|(?:we|they|you)'?re|too|so|come|comes|coming|arrive|arriving)\s+$/i
const RELS: [RegExp, Rel][] = [
  [/\bbefore\b/, 'before'],
  [/\bafter\b/, 'after'],
  [/\b(?:from|since|starting|beginning|as of)\b/, 'from'],
  [/\b(?:until|till|til|through)\b/, 'until'],
  [/\b(?:by|due|no later than|not later than)\b/, 'by'],
]

function prepsAt(text: string, from: number): { preps: string[]; end: number }[] {
  const steps: { preps: string[]; end: number }[] = [{ preps: [], end: from }]
  for (let i = 0, end = from; i < MAX_PREPS; i++) {
    PREP.lastIndex = end
    const m = PREP.exec(text)
    if (!m) break
    end = PREP.lastIndex
    const word = m[0]
      .trim()
      .toLowerCase()
      .replace(/^(?:till|til)$/, 'until')
    steps.push({ preps: [...(steps.at(-1)?.preps ?? []), word], end })
  }
  return steps.reverse()
}

function coreAt(text: string, at: number, spot: Omit<Spot, 'after'>): { core: Core; end: number } | undefined {
  let best: { core: Core; end: number } | undefined
  for (const { re, read } of RULES) {
    re.lastIndex = at
    const m = re.exec(text)
    if (!m || m[0] === '' || re.lastIndex <= (best?.end ?? at)) continue
    const end = re.lastIndex
    const core = read(m, { ...spot, after: text.slice(end, end + 40) })
    if (core) best = { core, end }
  }
  return best
}

const seen = new WeakMap<Clock, Map<string, Piece[]>>()

/** Every phrase about time in the text, in order, longest reading first; the same text is read once for a clock. */
export function scan(text: string, clock: Clock, options: ScanOptions = {}): Piece[] {
  const known = seen.get(clock) ?? new Map<string, Piece[]>()
  seen.set(clock, known)
  const key = `${options.bare ? 'b' : ''}${options.ranges ? 'r' : ''}${options.lean ?? ''}|${text}`
  const pieces = known.get(key) ?? find(text, clock, options)
  known.set(key, pieces)
  return pieces
}

function find(text: string, clock: Clock, options: ScanOptions): Piece[] {
  const found: Piece[] = []
  const starts = /[A-Za-z0-9@~]+(?:'[a-z]+)?/g
  let free = 0
  for (let m = starts.exec(text); m; m = starts.exec(text)) {
    if (m.index < free || /[#@\w]/.test(text[m.index - 1] ?? ' ')) continue
    // Who is late on Friday is not to be reminded late on Friday.
    if (/^late$/i.test(m[0]) && IS_LATE.test(text.slice(0, m.index))) continue
    const previous = found.at(-1)
    const near = previous !== undefined && /^[\s,(]*$/.test(text.slice(previous.end, m.index))
    for (const { preps, end: at } of prepsAt(text, m.index)) {
      const hit = coreAt(text, at, { clock, preps, near, last: near ? previous.core.kind : undefined, options })
      if (!hit) continue
      const possessive = text.startsWith("'s", hit.end)
      const end = hit.end + (possessive ? 2 : 0)
      const rel = RELS.find(([re]) => re.test(preps.join(' ')))?.[1] ?? 'on'
      found.push({ start: m.index, end, rel, preps, possessive, core: hit.core })
      free = end
      break
    }
  }
  return found
}
