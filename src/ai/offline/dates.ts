import { Temporal } from 'temporal-polyfill'
import { type Clock, type Day, earlier, endOfMonth, startOfWeek, weekdayAfter, weekdayBefore } from './clock.ts'
import { monthOf, numberOf, ordinalOf, rule, unitOf, weekdayOf } from './lexicon.ts'
import { raw, re } from './pattern.ts'
import { type Core, hasPrep, type Rule, type Spot } from './pieces.ts'

const date = (day: Day | undefined): Core | undefined => (day ? { kind: 'date', date: day } : undefined)

/** "friday" said on a Friday is next week's, unless one asks about it. */
function weekday(n: number, which: string, spot: Spot): Day {
  const { today } = spot.clock
  const w = which.toLowerCase()
  if (w === 'next' || w === 'following') return startOfWeek(today).add({ days: 6 + n })
  if (w === 'last' || w === 'past' || w === 'previous') return weekdayBefore(today, n)
  if (w === 'this' && today.dayOfWeek === n) return today
  if (spot.options.lean === 'past') return today.dayOfWeek === n ? today : weekdayBefore(today, n)
  if (spot.options.ranges && today.dayOfWeek === n) return today
  return weekdayAfter(today, n)
}

function calendarDay(year: number, month: number, day: number): Day | undefined {
  if (month < 1 || month > 12 || day < 1 || day > 31) return undefined
  const found = Temporal.PlainDate.from({ year, month, day })
  return found.day === day ? found : undefined
}

/** Without a year: the next such day, or the last one when one looks back. */
function yearly(month: number, day: number, spot: Spot): Day | undefined {
  const { today } = spot.clock
  const here = [0, 1, 2, 3, 4, 8].map((n) => calendarDay(today.year + n, month, day)).find((d) => d !== undefined)
  if (!here) return undefined
  if (spot.options.lean === 'past') return earlier(today, here) ? here.subtract({ years: 1 }) : here
  return earlier(here, today) ? (calendarDay(today.year + 1, month, day) ?? here.add({ years: 1 })) : here
}

function dated(month: number | undefined, day: number, year: string | undefined, spot: Spot): Core | undefined {
  if (!month) return undefined
  if (!year) return date(yearly(month, day, spot))
  const y = Number(year.replace("'", ''))
  return date(calendarDay(y < 100 ? 2000 + y : y, month, day))
}

/** 12/4 is December for an American and April for nearly everyone else. */
function slashed(a: number, b: number, year: string | undefined, spot: Spot): Core | undefined {
  const american = /-(US|PH)\b/i.test(spot.clock.locale) || spot.clock.locale === 'en'
  const monthFirst = a > 12 ? false : b > 12 ? true : american
  return monthFirst ? dated(a, b, year, spot) : dated(b, a, year, spot)
}

function dayOfMonth(day: number, spot: Spot): Day | undefined {
  const { today } = spot.clock
  if (day < 1 || day > 31) return undefined
  if (spot.options.lean === 'past') {
    for (let back = 0; back < 12; back++) {
      const month = today.with({ day: 1 }).subtract({ months: back })
      if (month.daysInMonth >= day && !earlier(today, month.with({ day }))) return month.with({ day })
    }
  }
  for (let ahead = 0; ahead < 12; ahead++) {
    const month = today.with({ day: 1 }).add({ months: ahead })
    if (month.daysInMonth < day) continue
    const found = month.with({ day })
    if (earlier(today, found) || (spot.options.ranges && found.equals(today))) return found
  }
  return undefined
}

const NOT_A_DAY = re(
  raw`^\s*(?:time|one|ones|task|item|option|floor|draft|grade|street|st|avenue|ave|chapter|`,
  raw`quarter|birthday|anniversary|version|half|year|week|place|attempt|episode|season|page|round|`,
  raw`thing|two|three|few|reminder|edition|gen|generation|class|step|part|point)\b`,
)
const DAY_MAY_END = re(
  raw`^\s*(?:$|[,.;!?)]|(?:at|by|in the|of|on|and|or|to|for|from|until|about|with|remind|please|`,
  raw`every|morning|afternoon|evening|night|noon|of (?:the|this|next) month|instead|then|so|`,
  raw`\d{1,2}(?::\d\d)?\s?[ap]m)\b)`,
)

function ordinalDay(text: string, the: boolean, spot: Spot): Core | undefined {
  const n = ordinalOf(text)
  if (n === undefined || NOT_A_DAY.test(spot.after)) return undefined
  const spelled = /^[a-z]/i.test(text)
  const led =
    hasPrep(spot, 'on', 'by', 'before', 'until', 'after', 'from', 'due', 'since', 'starting') ||
    (the && hasPrep(spot, 'for', 'to'))
  if (spelled && !(the && led)) return undefined
  if (!led && !(the || spot.near) && !DAY_MAY_END.test(spot.after)) return undefined
  if (!led && !DAY_MAY_END.test(spot.after)) return undefined
  return date(dayOfMonth(n, spot))
}

function holiday(name: string, clock: Clock): Day | undefined {
  const n = name.toLowerCase().replace(/[^a-z ]/g, '')
  const fixed: [RegExp, number, number][] = [
    [/christmas eve|xmas eve/, 12, 24],
    [/christmas|xmas/, 12, 25],
    [/boxing/, 12, 26],
    [/eve|nye/, 12, 31],
    [/new year/, 1, 1],
    [/halloween/, 10, 31],
    [/valentine/, 2, 14],
  ]
  const hit = fixed.find(([re]) => re.test(n))
  if (hit) return nextYearly(clock.today, (year) => calendarDay(year, hit[1], hit[2]))
  return nextYearly(clock.today, (year) => nthWeekday(year, 11, 4, 4))
}

function nextYearly(today: Day, of: (year: number) => Day | undefined): Day | undefined {
  const here = of(today.year)
  return here && !earlier(here, today) ? here : of(today.year + 1)
}

function nthWeekday(year: number, month: number, weekdayNumber: number, n: number): Day {
  const first = Temporal.PlainDate.from({ year, month, day: 1 })
  if (n < 0) return weekdayBefore(endOfMonth(first).add({ days: 1 }), weekdayNumber)
  return weekdayAfter(first.subtract({ days: 1 }), weekdayNumber).add({ weeks: n - 1 })
}

/** "sat", "sun", "mon", "wed" are also English words: believed only where a day can stand. */
function shortDayFits(name: string, spot: Spot): boolean {
  if (!/^(?:sun|sat|mon|wed)$/i.test(name)) return true
  if (spot.preps.length > 0 || spot.near) return true
  return re(
    raw`^\s*(?:$|[,.;!?)]|(?:at|morning|afternoon|evening|night|noon|lunch|from|by|before|after|and|`,
    raw`or|\d|instead|please)\b|\d)`,
  ).test(spot.after)
}

const nthOf = (nth: string) => (/^last/i.test(nth) ? -1 : (ordinalOf(nth) ?? 1))

function nthOfMonth(nth: string, wd: string, month: Day): Day {
  const n = nth.toLowerCase() === 'last' ? -1 : (ordinalOf(nth) ?? 1)
  return nthWeekday(month.year, month.month, weekdayOf(wd) ?? 1, n)
}

function monthNamed(text: string, spot: Spot): Day {
  const { today } = spot.clock
  const t = text.toLowerCase()
  if (/^(?:the|this) month/.test(t)) return today.with({ day: 1 })
  if (/month/.test(t)) return today.with({ day: 1 }).add({ months: 1 })
  const month = today.with({ day: 1, month: monthOf(t) ?? today.month })
  return earlier(month, today.with({ day: 1 })) ? month.add({ years: 1 }) : month
}

/** "dec 14 to 18": it begins on the first and is over with the last. */
function stretch(month: string, first: number, last: number, spot: Spot): Core | undefined {
  const from = yearly(monthOf(month) ?? 1, first, spot)
  if (!from || last <= first || last > from.daysInMonth) return undefined
  const due = from.with({ day: last })
  return { kind: 'span', from, to: due.add({ days: 1 }), due, starts: true }
}

export const DATE_RULES: Rule[] = [
  {
    re: rule('(?:the )?day after (?:tomorrow|tmrw)\\b|\\bovermorrow\\b'),
    read: (_, s) => date(s.clock.today.add({ days: 2 })),
  },
  { re: rule('(?:the )?day before yesterday\\b'), read: (_, s) => date(s.clock.today.subtract({ days: 2 })) },
  {
    re: rule('(?:(?:a|one) week (?:from )?tomorrow|tomorrow week)\\b'),
    read: (_, s) => date(s.clock.today.add({ days: 8 })),
  },
  {
    re: rule('(?:(?:a|one) week (?:from )?today|today week)\\b'),
    read: (_, s) => date(s.clock.today.add({ days: 7 })),
  },
  { re: rule('today\\b'), read: (_, s) => date(s.clock.today) },
  {
    re: rule(
      '({month})\\.? (\\d{1,2})(?:st|nd|rd|th)? ?(?:-|to|until|through|till) ?(?:{month} )?(\\d{1,2})(?:st|nd|rd|th)?\\b(?! ?(?:am|pm|:))',
    ),
    read: (m, s) => stretch(m[1] ?? '', Number(m[2]), Number(m[3]), s),
  },
  { re: rule('tomorrow\\b'), read: (_, s) => date(s.clock.today.add({ days: 1 })) },
  { re: rule('yesterday\\b'), read: (_, s) => date(s.clock.today.subtract({ days: 1 })) },
  { re: rule('({wd}) week\\b'), read: (m, s) => date(weekday(weekdayOf(m[1] ?? '') ?? 1, '', s).add({ weeks: 1 })) },
  {
    re: rule('({num}) weeks? (?:from|after) (?:this |next |on )?({wd})\\b'),
    read: (m, s) =>
      date(
        weekday(weekdayOf(m[2] ?? '') ?? 1, /next/i.test(m[0]) ? 'next' : '', s).add({
          weeks: numberOf(m[1] ?? '') ?? 1,
        }),
      ),
  },
  {
    re: rule('({num}) (days?|weeks?|months?) (?:from|after) tomorrow\\b'),
    read: (m, s) => date(s.clock.today.add({ days: 1 }).add({ [unitOf(m[2] ?? 'd').unit]: numberOf(m[1] ?? '') ?? 1 })),
  },
  {
    re: rule('(?:the )?({wd}) after next\\b'),
    read: (m, s) => date(weekdayAfter(s.clock.today, weekdayOf(m[1] ?? '') ?? 1).add({ weeks: 1 })),
  },
  {
    re: rule('({wd}),? (?:of |the )?(this|next|the following|last) week\\b'),
    read: (m, s) => date(inWeek(m[1] ?? '', m[2] ?? '', s)),
  },
  { re: rule('(this|next|last) week,? (?:on )?({wd})\\b'), read: (m, s) => date(inWeek(m[2] ?? '', m[1] ?? '', s)) },
  {
    re: rule('({wd}) in ({num}) weeks?\\b'),
    read: (m, s) =>
      date(
        startOfWeek(s.clock.today.add({ weeks: numberOf(m[2] ?? '') ?? 1 })).add({
          days: (weekdayOf(m[1] ?? '') ?? 1) - 1,
        }),
      ),
  },
  {
    re: rule('(?:the )?({nth}|last) ({wd}) (?:of|in) ((?:the |this |next )?(?:month|{month}))\\b'),
    read: (m, s) => ({
      kind: 'date',
      date: nthOfMonth(m[1] ?? '', m[2] ?? '', monthNamed(m[3] ?? '', s)),
      monthly: {
        byDay: `${nthOf(m[1] ?? '')}${(m[2] ?? '').slice(0, 2).toUpperCase()}`,
      },
    }),
  },
  {
    re: rule('(?:the )?({nth}|last) day of ((?:the |this |next )?(?:month|{month}))\\b'),
    read: (m, s) =>
      date(
        /^last/i.test(m[1] ?? '')
          ? endOfMonth(monthNamed(m[2] ?? '', s))
          : monthNamed(m[2] ?? '', s).add({ days: (ordinalOf(m[1] ?? '') ?? 1) - 1 }),
      ),
  },
  {
    re: rule('(?:the )?({nth}) (?:of )?(this|next) month\\b'),
    read: (m, s) => date(monthNamed(`${m[2]} month`, s).add({ days: (ordinalOf(m[1] ?? '') ?? 1) - 1 })),
  },
  {
    re: rule("({month})\\.? (?:the )?({nth}|\\d{1,2})(?![\\d:])(?:st|nd|rd|th)?\\b(?:,? (?:of )?(20\\d\\d|'\\d\\d))?"),
    read: (m, s) => dated(monthOf(m[1] ?? ''), ordinalOf(m[2] ?? '') ?? 0, m[3], s),
  },
  {
    re: rule("(?:the )?({nth}|\\d{1,2}) ?(?:of )?({month})\\b\\.?(?:,? (20\\d\\d|'\\d\\d))?"),
    read: (m, s) => dated(monthOf(m[2] ?? ''), ordinalOf(m[1] ?? '') ?? 0, m[3], s),
  },
  { re: rule('({wd}),? (?:the )?({nth})\\b'), read: (m, s) => date(dayOfMonth(ordinalOf(m[2] ?? '') ?? 0, s)) },
  {
    re: rule('(20\\d\\d)-(\\d{1,2})-(\\d{1,2})(?:T[\\d:]+)?\\b'),
    read: (m) => date(calendarDay(Number(m[1]), Number(m[2]), Number(m[3]))),
  },
  {
    re: rule('(\\d{1,2})/(\\d{1,2})(?:/(\\d{4}|\\d\\d))?\\b(?!/)'),
    read: (m, s) => slashed(Number(m[1]), Number(m[2]), m[3], s),
  },
  {
    re: rule('(\\d{1,2})\\.(\\d{1,2})\\.(\\d{4}|\\d\\d)?(?!\\d)'),
    read: (m, s) => dated(Number(m[2]), Number(m[1]), m[3], s),
  },
  { re: rule('(\\d{1,2})-(\\d{1,2})-(20\\d\\d)\\b'), read: (m, s) => slashed(Number(m[1]), Number(m[2]), m[3], s) },
  {
    re: rule('(?:(this|next|coming|following|last|past|previous|on) )?(?:coming )?({wd})\\b'),
    read: (m, s) => {
      const led = m[1] ? { ...s, preps: [...s.preps, m[1]] } : s
      if (!shortDayFits(m[2] ?? '', led)) return undefined
      const n = weekdayOf(m[2] ?? '') ?? 1
      const plain = !m[1] || /^(?:on|this)$/i.test(m[1])
      return { kind: 'date', date: weekday(n, m[1] ?? '', s), ...(plain ? { weekday: n } : {}) }
    },
  },
  {
    re: rule('(\\d{1,2})\\b(?! ?[\\d:./ap])'),
    read: (m, s) => (s.options.bare && hasPrep(s, 'on') ? date(dayOfMonth(Number(m[1]), s)) : undefined),
  },
  { re: rule('(the )?({nth})\\b'), read: (m, s) => ordinalDay(m[2] ?? '', Boolean(m[1]), s) },
  {
    re: rule(
      "(?:christmas eve|xmas eve|christmas(?: day)?|xmas|boxing day|new year'?s eve|nye|new " +
        "year'?s(?: day)?|new year|halloween|valentine'?s(?: day)?|thanksgiving)\\b",
    ),
    read: (m, s) =>
      hasPrep(s, 'by', 'before', 'on', 'until', 'after', 'for', 'since', 'from', 'to') || s.options.ranges
        ? date(holiday(m[0], s.clock))
        : undefined,
  },
]

function inWeek(wd: string, which: string, spot: Spot): Day {
  const shift = /last/i.test(which) ? -1 : /this/i.test(which) ? 0 : 1
  return startOfWeek(spot.clock.today).add({ weeks: shift, days: (weekdayOf(wd) ?? 1) - 1 })
}
