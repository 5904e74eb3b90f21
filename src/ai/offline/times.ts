import { type Hm, minutesOf } from './clock.ts'
import { numberOf, PARTS, partOf, rule } from './lexicon.ts'
import { raw, re } from './pattern.ts'
import { type Core, hasPrep, type Rule, type Spot } from './pieces.ts'
import { aroundEvent, endOfDay, later, midnight, named, time } from './times-named.ts'

const halves = (hour: number, ap: string) => (/^p/i.test(ap) ? (hour % 12) + 12 : hour % 12)

function clocked(hour: number, minute: number, ap: string | undefined): Core | undefined {
  if (!ap) return time(hour, minute, false)
  return hour > 12 ? time(hour, minute, true) : time(halves(hour, ap), minute, true)
}

const AT_PREPS = ['at', 'by', 'before', 'after', 'until', 'around', 'about', 'from', 'to', 'for', 'till', 'since']
const HOUR_MAY_END = re(
  raw`^\s*(?:$|[,.;!?)]|(?:on|to|for|and|or|with|tomorrow|today|tonight|in the|this|next|every|`,
  raw`each|sharp|please|then|instead|so|that|because|but|daily|weekly|weekdays|mon\w*|tue\w*|`,
  raw`wed\w*|thu\w*|fri\w*|sat\w*|sun\w*|call|remind|not|thanks|until|is|works|latest|if|when|`,
  raw`tops|my|your|the|a|i|about|at|from)\b)`,
)
const NOT_AN_HOUR = re(
  raw`^\s*(?:%|percent|people|persons|euros?|dollars?|bucks|items?|things?|times?|pieces?|min|`,
  raw`mins|minutes?|hours?|hrs?|days?|weeks?|months?|years?|miles?|km|kg|pounds?|lbs?|pages?|`,
  raw`copies|units?|points?|guys|more|of|x|\/|-\d|:\S|\$|\u20ac|\u00a3|(?:st|nd|rd|th)\b)`,
)

/** A lone number is an hour only where an hour can stand. */
function bareHour(hour: number, minute: number, spot: Spot): Core | undefined {
  if (hour < 1 || hour > 23 || NOT_AN_HOUR.test(spot.after)) return undefined
  if (spot.options.bare) return time(hour, minute, false)
  if (hasPrep(spot, 'at')) return time(hour, minute, false)
  if (hasPrep(spot, 'by', 'before', 'after', 'until', 'around') && HOUR_MAY_END.test(spot.after))
    return time(hour, minute, false)
  if (hasPrep(spot, 'about', 'for', 'from') && spot.near && HOUR_MAY_END.test(spot.after))
    return time(hour, minute, false)
  if (spot.near && (spot.last === 'part' || HOUR_MAY_END.test(spot.after))) return time(hour, minute, false)
  return /^\s*(?:tomorrow|tonight|today|in the (?:morning|afternoon|evening))\b/i.test(spot.after) &&
    spot.preps.length > 0
    ? time(hour, minute, false)
    : undefined
}

function wordHour(words: string, tail: string, spot: Spot): Core | undefined {
  const minute = /thirty/i.test(tail) ? 30 : /forty/i.test(tail) ? 45 : /fifteen/i.test(tail) ? 15 : 0
  return bareHour(numberOf(words) ?? 0, minute, spot)
}

function pastTo(minutes: number, direction: string, hourText: string, ap: string | undefined): Core | undefined {
  const hour = numberOf(hourText) ?? 0
  if (hour < 1 || hour > 12) return undefined
  const to = /to|of|till|before/i.test(direction)
  const total = ((ap ? halves(hour, ap) : hour) * 60 + (to ? -minutes : minutes) + 1440) % 1440
  const named = Math.floor(total / 60)
  return { kind: 'time', hour: ap || named > 0 ? named : 12, minute: total % 60, sure: Boolean(ap) }
}

/** "2-3pm": the half of the day is said once, and the hours must run forward. */
function hours(from: [string, string?, string?], to: [string, string?, string?], spot: Spot): Core | undefined {
  const [a, b] = [Number(from[0]), Number(to[0])]
  if (a > 24 || b > 24) return undefined
  const led = hasPrep(spot, 'from', 'between') || spot.near || spot.options.bare
  const dated =
    /^\s*(?:today|tomorrow|tonight|on (?:mon|tue|wed|thu|fri|sat|sun)|(?:mon|tue|wed|thu|fri|sat|sun)\w*\b)/i.test(
      spot.after,
    )
  if (!led && !dated && !from[2] && !to[2] && !(from[1] && to[1])) return undefined
  const end = to[2] ? halves(b, to[2]) : b
  let start = from[2] ? halves(a, from[2]) : a
  if (!from[2] && to[2] && a <= 12) {
    start = halves(a, to[2])
    if (start > end) start = halves(a, 'a')
  }
  const first: Hm = { hour: start, minute: Number(from[1] ?? 0) }
  const last: Hm = { hour: end, minute: Number(to[1] ?? 0) }
  if (!from[2] && !to[2] && a <= 12 && b <= 12) {
    if (a <= 7) first.hour = (a % 12) + 12
    if (b <= 7 || b < a || (b === a && last.minute <= first.minute) || first.hour >= 12) last.hour = (b % 12) + 12
    if (spot.options.bare) return { kind: 'hours', from: { ...first, hour: a }, to: { ...last, hour: b } }
  } else if (from[2] && !to[2] && minutesOf(last) <= minutesOf(first) && b < 12 && !spot.options.bare)
    last.hour = b + 12
  return { kind: 'hours', from: first, to: last }
}

const partLed = (spot: Spot) =>
  spot.near || hasPrep(spot, 'in', 'this', 'during', 'by', 'on', 'late', 'before', 'for', 'at', 'until', 'after', 'to')

export const TIME_RULES: Rule[] = [
  {
    re: rule('(\\d{1,2})[:.](\\d{2}) ?({ap})?\\b(?![:./]\\d)'),
    read: (m, s) => (m[0].includes(':') || m[3] || hasPrep(s, ...AT_PREPS) || s.near ? clockedLiteral(m) : undefined),
  },
  {
    re: rule('(\\d{1,2}) ?({ap})\\b(?!-)'),
    read: (m, s) =>
      Number(m[1]) > 12 || (m[2]?.length === 1 && m[0].includes(' '))
        ? undefined
        : /^\s*\w/.test(s.after) && m[2]?.length === 1 && !HOUR_MAY_END.test(s.after)
          ? undefined
          : clocked(Number(m[1]), 0, m[2]),
  },
  { re: rule('(\\d{1,2})(\\d{2}) ?(am|pm)\\b'), read: (m) => clocked(Number(m[1]), Number(m[2]), m[3]) },
  { re: rule('([01]\\d|2[0-3])([0-5]\\d) ?(?:hrs|h|hours)\\b'), read: (m) => time(Number(m[1]), Number(m[2]), true) },
  {
    re: rule('(\\d{1,2})([0-5]\\d)\\b'),
    read: (m, s) =>
      ((hasPrep(s, 'at', 'by', 'around', 'until') || s.near || s.options.bare) &&
        HOUR_MAY_END.test(s.after) &&
        !/^20[2-4]/.test(m[0])) ||
      (/(?:00|15|30|45)$/.test(m[0]) &&
        Number(m[1]) <= 23 &&
        Number(m[1]) > 0 &&
        /^\s*(?:today|tomorrow|tonight|on (?:mon|tue|wed|thu|fri|sat|sun)|sharp)/i.test(s.after))
        ? time(Number(m[1]), Number(m[2]), m[0].length === 4)
        : undefined,
  },
  { re: rule('(\\d{1,2})h([0-5]\\d)\\b'), read: (m) => time(Number(m[1]), Number(m[2]), true) },
  {
    re: rule('(\\d{1,2})h\\b'),
    read: (m, s) => (hasPrep(s, 'at', 'by', 'around') ? time(Number(m[1]), 0, true) : undefined),
  },
  {
    re: rule("(?:the )?(\\d{1,2}|{hourword}) ?o'? ?clock\\b"),
    read: (m) => time(numberOf(m[1] ?? '') ?? 99, 0, false),
  },
  {
    re: rule('(\\d{1,2}|{hourword})(?::(\\d\\d))? ?({ap})?[ -]?ish\\b'),
    read: (m) => clocked(numberOf(m[1] ?? '') ?? 99, Number(m[2] ?? 0), m[3]),
  },
  { re: rule('half past (\\d{1,2}|{hourword}) ?({ap})?\\b'), read: (m) => pastTo(30, 'past', m[1] ?? '', m[2]) },
  {
    re: rule('half (\\d{1,2}|{hourword})\\b'),
    read: (m, s) =>
      hasPrep(s, 'at', 'by', 'around', 'until') || s.near || s.options.bare
        ? pastTo(30, 'past', m[1] ?? '', undefined)
        : undefined,
  },
  {
    re: rule('(?:a )?quarter (past|after|to|of|till|before) (\\d{1,2}|{hourword}) ?({ap})?\\b'),
    read: (m) => pastTo(15, m[1] ?? '', m[2] ?? '', m[3]),
  },
  {
    re: rule(
      '(five|ten|twenty(?:[ -]five)?|5|10|15|20|25)(?: min(?:ute)?s?)? (past|to|till) (\\d{1,2}|' +
        '{hourword}) ?({ap})?\\b(?!:)',
    ),
    read: (m, s) =>
      /past/i.test(m[2] ?? '') || hasPrep(s, 'at', 'by', 'before', 'around')
        ? pastTo(numberOf(m[1] ?? '') ?? 0, m[2] ?? '', m[3] ?? '', m[4])
        : undefined,
  },
  {
    re: rule(
      '(\\d{1,2})(?::(\\d\\d))? ?(am|pm|a|p)? ?(-|to|until|till|and) ?(\\d{1,2})(?::(\\d\\d))? ?(am|' +
        'pm|a|p)?\\b(?![:/-]\\d)',
    ),
    read: (m, s) =>
      NOT_AN_HOUR.test(s.after)
        ? undefined
        : m[4] === 'and' && !hasPrep(s, 'between', 'from')
          ? undefined
          : hours([m[1] ?? '', m[2], m[3]], [m[5] ?? '', m[6], m[7]], s),
  },
  {
    re: rule('({hourword}) ?(thirty|forty[ -]?five|fifteen)?\\b'),
    read: (m, s) => wordHour(m[1] ?? '', m[2] ?? '', s),
  },
  { re: rule('(\\d{1,2})\\b(?![:./]\\d)'), read: (m, s) => bareHour(Number(m[1]), 0, s) },
  { re: rule('(?:12 ?)?(?:noon|midday)\\b'), read: () => time(12, 0, true) },
  { re: rule('(?:12 ?)?midnight\\b'), read: (_, s) => midnight(s) },
  { re: rule('first thing(?: in the morning)?\\b'), read: (m) => named(m[0]) },
  {
    re: rule('(?:eod|cob|close of business|(?:the )?end of (?:the |my )?(?:work(?:ing)? )?day)\\b'),
    read: (_, s) => endOfDay(s),
  },
  {
    re: rule('(?:lunch ?time|lunch|breakfast|dinner ?time|bed ?time|sunrise|sunset|dawn|dusk)\\b'),
    read: (m, s) =>
      hasPrep(s, 'at', 'over', 'around', 'during') ||
      (/time$/i.test(m[0]) && (s.preps.length > 0 || s.near || /^\s*(?:$|[,.!?])/.test(s.after)))
        ? named(m[0])
        : undefined,
  },
  { re: rule('(breakfast|lunch|dinner|work|school|bed)\\b'), read: (m, s) => aroundEvent(m[1] ?? '', s) },
  {
    re: rule('(?:a bit |bit )?later(?: on)?(?: today)?\\b'),
    read: (m, s) => (/^\s*(?:$|[.,!?]|to\b)/.test(s.after) || /today/i.test(m[0]) ? later(s) : undefined),
  },
  {
    re: rule('(am|pm)\\b'),
    read: (m, s) =>
      s.near && (s.last === 'date' || s.last === 'span')
        ? { kind: 'part', part: /^a/i.test(m[1] ?? '') ? 'morning' : 'afternoon' }
        : undefined,
  },
  {
    re: rule('late tonight\\b'),
    read: (_, s) => ({ kind: 'time', hour: 22, minute: 0, sure: true, date: s.clock.today }),
  },
  { re: rule('tonight\\b'), read: () => ({ kind: 'part', part: 'tonight' }) },
  {
    re: rule('this (morning|afternoon|evening)\\b'),
    read: (m) => ({ kind: 'part', part: `this ${m[1]?.toLowerCase()}` }),
  },
  {
    re: rule('(?:the )?({part})\\b'),
    read: (m, s) =>
      /^the/i.test(m[0]) && s.preps.length === 0
        ? undefined
        : partLed(s) && PARTS[partOf(m[1] ?? '')]
          ? { kind: 'part', part: partOf(m[1] ?? '') }
          : undefined,
  },
]

/** "09:30" with its zero is a 24-hour clock. */
function clockedLiteral(m: RegExpExecArray): Core | undefined {
  if (!m[3] && m[1]?.startsWith('0')) return time(Number(m[1]), Number(m[2]), true)
  return clocked(Number(m[1]), Number(m[2]), m[3])
}
