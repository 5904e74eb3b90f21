import { monthOf, numberOf, ordinalOf, PARTS, partOf, rule, weekdayOf } from './lexicon.ts'
import { raw, re } from './pattern.ts'
import { type Core, hasPrep, type Repeat, type Rule, type Spot } from './pieces.ts'

const CODES = ['MO', 'TU', 'WE', 'TH', 'FR', 'SA', 'SU']
const WORK_DAYS = 'MO,TU,WE,TH,FR'
const LIST = '{wd}s?(?:(?: ?, ?(?:and )?| and | & | ?/ ?| ){wd}s?){0,6}'

const repeat = (freq: Repeat['freq'], more: Partial<Repeat> = {}): Core => ({
  kind: 'repeat',
  repeat: { freq, interval: 1, ...more },
})

const daysIn = (text: string): number[] =>
  [...text.toLowerCase().matchAll(rule('\\b{wd}s?\\b', 'gi'))].map((m) => weekdayOf(m[0]) ?? 1)
const codes = (days: number[]) =>
  [...new Set(days)]
    .sort((a, b) => a - b)
    .map((d) => CODES[d - 1])
    .join(',')

function intervalOf(text: string | undefined): number {
  const t = (text ?? '').trim().toLowerCase()
  if (!t) return 1
  if (/other|second|2nd|alternate/.test(t)) return 2
  return ordinalOf(t) ?? Math.round(numberOf(t) ?? 1)
}

function everyUnit(interval: number, unit: string): Core | undefined {
  const u = unit.toLowerCase()
  if (interval < 1 || interval > 999) return undefined
  if (u.startsWith('min')) return repeat('MINUTELY', { interval })
  if (u.startsWith('h')) return repeat('HOURLY', { interval })
  if (u.startsWith('d')) return repeat('DAILY', { interval })
  if (u.startsWith('w')) return repeat('WEEKLY', { interval })
  if (u.startsWith('fort')) return repeat('WEEKLY', { interval: interval * 2 })
  if (u.startsWith('mo')) return repeat('MONTHLY', { interval })
  if (u.startsWith('q')) return repeat('MONTHLY', { interval: interval * 3 })
  return repeat('YEARLY', { interval })
}

/** "every third friday" is monthly, "every second friday" is each fortnight, "of the month" decides. */
function everyWeekday(which: string | undefined, list: string, ofMonth: boolean): Core {
  const days = daysIn(list)
  const n = intervalOf(which)
  const last = /last/i.test(which ?? '')
  if (last || ofMonth || n > 2)
    return repeat('MONTHLY', { byDay: days.map((d) => `${last ? -1 : n}${CODES[d - 1]}`).join(',') })
  return repeat('WEEKLY', { interval: n, byDay: codes(days) })
}

function nthOfMonth(which: string, what: string): Core {
  const n = /last/i.test(which) ? -1 : (ordinalOf(which) ?? 1)
  if (/work|week|business/i.test(what)) return repeat('MONTHLY', { byDay: WORK_DAYS, bySetPos: n })
  if (/^day/i.test(what)) return repeat('MONTHLY', { byMonthDay: String(n) })
  return repeat('MONTHLY', { byDay: `${n}${CODES[(weekdayOf(what) ?? 1) - 1]}` })
}

const monthDays = (...texts: (string | undefined)[]): Core =>
  repeat('MONTHLY', {
    byMonthDay: texts
      .flatMap((t) => (t ? [ordinalOf(t) ?? 1] : []))
      .map((d) => (d === 31 ? -1 : d))
      .join(','),
  })

function dayList(text: string, spot: Spot): Core | undefined {
  const days = daysIn(text)
  const plural =
    rule('(?:day|mon|tue|tues|thu|thur|fri|sat|sun)s\\b', 'i').test(text) &&
    !/^tues$/i.test(text) &&
    /days\b|(?:mon|fri|sat|sun|thu)s\b/i.test(text)
  if (plural) return repeat('WEEKLY', { byDay: codes(days) })
  if (spot.options.ranges || days.length < 2 || hasPrep(spot, 'between', 'from')) return undefined
  const apart = Math.abs((days[1] ?? 0) - (days[0] ?? 0))
  if (days.length === 2 && (apart < 2 || apart === 6)) return undefined
  return repeat('WEEKLY', { byDay: codes(days) })
}

function yearlyOn(month: string, day: string): Core | undefined {
  const [m, d] = [monthOf(month), ordinalOf(day)]
  return m && d && d <= 31 ? repeat('YEARLY', { byMonth: m, byMonthDay: String(d) }) : undefined
}

function dayPart(text: string): Core {
  const part = PARTS[partOf(text)]
  return repeat('DAILY', part ? { time: { hour: part.hour, minute: part.minute }, part: partOf(text) } : {})
}

const ADVERBS: Record<string, [Repeat['freq'], number]> = {
  hourly: ['HOURLY', 1],
  daily: ['DAILY', 1],
  everyday: ['DAILY', 1],
  nightly: ['DAILY', 1],
  weekly: ['WEEKLY', 1],
  biweekly: ['WEEKLY', 2],
  fortnightly: ['WEEKLY', 2],
  monthly: ['MONTHLY', 1],
  bimonthly: ['MONTHLY', 2],
  quarterly: ['MONTHLY', 3],
  yearly: ['YEARLY', 1],
  annually: ['YEARLY', 1],
}

/** "the weekly report" is a name, "weekly" elsewhere a rhythm. */
function adverb(text: string, spot: Spot): Core | undefined {
  const found = ADVERBS[text.toLowerCase().replace(/[^a-z]/g, '')]
  const attributive = re(
    raw`^\s+(?!tasks?\b|reminder|thing|event|habit|one\b|on|at|by|from|until|starting|for|in|mon|`,
    raw`tue|wed|thu|fri|sat|sun|and|please|every|instead|then|the|now|remind|to|around|before|`,
    raw`after|morning|night|evening|afternoon)[a-z]`,
  ).test(spot.after)
  if (!found || attributive) return undefined
  return repeat(found[0], {
    interval: found[1],
    ...(/^night/i.test(text) ? { time: { hour: 20, minute: 0 }, part: 'night' } : {}),
  })
}

/** "every day except sunday". */
export const withoutDays = (days: number[]): Partial<Repeat> => ({
  freq: 'WEEKLY',
  byDay: codes([1, 2, 3, 4, 5, 6, 7].filter((d) => !days.includes(d))),
})

export const REPEAT_RULES: Rule[] = [
  {
    re: rule(
      '(?:twice (?:a|per|every|each) month )?on (?:the )?({nth}),? (?:and|&) (?:the )?({nth})(?: of ' +
        '(?:the|each|every) month)?\\b|twice (?:a|per|every|each) month\\b',
    ),
    read: (m) => (/twice|month/i.test(m[0]) ? monthDays(m[1] ?? '1st', m[2] ?? '15th') : undefined),
  },
  {
    re: rule(
      '(?:(?:every|each|on) (?:single )?)?(?:week ?days|work ?days)\\b|(?:every|each) (?:single ' +
        ')?(?:week ?day|work ?day|working day|business day|school ?day)\\b',
    ),
    read: () => repeat('WEEKLY', { byDay: WORK_DAYS }),
  },
  {
    re: rule('(?:every |each )?mon(?:day)?s? ?(?:-|to|through|thru) ?fri(?:day)?s?\\b'),
    read: (_, s) => (s.options.ranges ? undefined : repeat('WEEKLY', { byDay: WORK_DAYS })),
  },
  {
    re: rule('(?:all days|all the days|every single day|each and every day|day by day|day after day)\\b'),
    read: () => repeat('DAILY'),
  },
  {
    re: rule(`(?:except|excluding|but not|not)(?: on| for)? (?:the )?(weekends?|weekdays|${LIST})\\b`),
    read: (m) => ({
      kind: 'except',
      days: /^weekend/i.test(m[1] ?? '') ? [6, 7] : /^weekday/i.test(m[1] ?? '') ? [1, 2, 3, 4, 5] : daysIn(m[1] ?? ''),
    }),
  },
  { re: rule('(?:every|each) weekend\\b|weekends\\b'), read: () => repeat('WEEKLY', { byDay: 'SA,SU' }) },
  {
    re: rule(
      '(?:every|each) (other |second |2nd |alternate |{nth} |single |{num} )?(min(?:ute)?|hour|hr|' +
        'day|week|fortnight|month|quarter|year)s?\\b',
    ),
    read: (m) => everyUnit(/single/i.test(m[1] ?? '') ? 1 : intervalOf(m[1]), m[2] ?? ''),
  },
  {
    re: rule('(?:every|each) (early morning|late morning|morning|lunch ?time|lunch|afternoon|evening|night)s?\\b'),
    read: (m) => dayPart(m[1] ?? ''),
  },
  {
    re: rule(
      `(?:every|each) (?:single )?(other |second |2nd |alternate |last |{nth} )?(${LIST})\\b( of ` +
        `(?:the|each|every) month| in the month)?`,
    ),
    read: (m) => everyWeekday(m[1], m[2] ?? '', Boolean(m[3])),
  },
  { re: rule(`alternate (${LIST})\\b`), read: (m) => everyWeekday('other', m[1] ?? '', false) },
  {
    re: rule(
      '(?:every |each |on )?(?:the )?(last|{nth}) ({wd}|day|(?:week|work|working|business) ?day) ' +
        '(?:of |in )?(?:every|each|the|a) month\\b',
    ),
    read: (m, s) => (/every|each|a month/i.test(m[0]) || s.near ? nthOfMonth(m[1] ?? '', m[2] ?? '') : undefined),
  },
  {
    re: rule('(?:every|each) month on (?:the )?(last|{nth}) ({wd}|day|(?:week|work|working|business) ?day)\\b'),
    read: (m) => nthOfMonth(m[1] ?? '', m[2] ?? ''),
  },
  {
    re: rule('monthly on (?:the )?(last|{nth}) ({wd}|day|(?:week|work|working|business) ?day)\\b'),
    read: (m) => nthOfMonth(m[1] ?? '', m[2] ?? ''),
  },
  { re: rule('(?:at )?(?:the )?end of (?:every|each) month\\b'), read: () => monthDays('31st') },
  { re: rule('(?:at )?(?:the )?(?:start|beginning) of (?:every|each) month\\b'), read: () => monthDays('1st') },
  {
    re: rule('(?:on )?(?:the )?({nth})(?:(?:,| and| &) (?:the )?({nth}))? (?:day )?(?:of )?(?:every|each) month\\b'),
    read: (m) => monthDays(m[1], m[2]),
  },
  {
    re: rule(
      '(?:every|each) ({nth})(?:(?:,| and| &) (?:the )?({nth}))?(?: of (?:the|each|every) ' +
        'month)?\\b(?! (?:day|week|month|year|mon|tue|wed|thu|fri|sat|sun))',
    ),
    read: (m) => monthDays(m[1], m[2]),
  },
  {
    re: rule('(?:every|each) month on (?:the )?({nth})(?:(?:,| and| &) (?:the )?({nth}))?\\b(?! (?:{wd}|day|week))'),
    read: (m) => monthDays(m[1], m[2]),
  },
  {
    re: rule('(?:every|each) (?:year on )?({month}) (?:the )?({nth}|\\d{1,2})\\b'),
    read: (m) => yearlyOn(m[1] ?? '', m[2] ?? ''),
  },
  {
    re: rule('(?:every|each) (?:year on )?(?:the )?({nth}|\\d{1,2}) (?:of )?({month})\\b'),
    read: (m) => yearlyOn(m[2] ?? '', m[1] ?? ''),
  },
  { re: rule('once (?:a|every|per) (day|week|month|year|fortnight)\\b'), read: (m) => everyUnit(1, m[1] ?? '') },
  {
    re: rule(`(?:bi-weekly|biweekly|fortnightly|weekly) on (?:the )?(${LIST})\\b`),
    read: (m) => everyWeekday(/^w/i.test(m[0]) ? '' : 'other', m[1] ?? '', false),
  },
  {
    re: rule(
      '(?:hourly|daily|nightly|everyday|weekly|bi-?weekly|fortnightly|monthly|bi-?monthly|quarterly|' +
        'yearly|annually)\\b',
    ),
    read: (m, s) => adverb(m[0], s),
  },
  { re: rule(`(${LIST})\\b`), read: (m, s) => dayList(m[1] ?? '', s) },
]
