import { Temporal } from 'temporal-polyfill'
import { type Day, earlier, endOfMonth, startOfWeek, wholeMinute } from './clock.ts'
import { monthOf, numberOf, rule, unitOf } from './lexicon.ts'
import { type Core, hasPrep, type Rule, type Spot } from './pieces.ts'

const span = (from: Day, to: Day, due: Day): Core => ({ kind: 'span', from, to, due })
const date = (day: Day): Core => ({ kind: 'date', date: day })

/** The working week's last day, or Sunday once it has passed. */
function weekEnd(monday: Day, today: Day): Day {
  const friday = monday.add({ days: 4 })
  return earlier(friday, today) ? monday.add({ days: 6 }) : friday
}

function week(which: string, { clock: { today } }: Spot): Core {
  const shift = /next|coming|following/.test(which) ? 1 : /last|past|previous/.test(which) ? -1 : 0
  const monday = startOfWeek(today).add({ weeks: shift })
  return span(monday, monday.add({ weeks: 1 }), shift === 0 ? weekEnd(monday, today) : monday)
}

function weekend(which: string, { clock: { today } }: Spot): Core {
  const shift = /next/.test(which) ? 1 : /last|past|previous/.test(which) ? -1 : 0
  const saturday = startOfWeek(today).add({ days: 5 + 7 * shift })
  return span(saturday, saturday.add({ days: 2 }), shift === 0 && today.dayOfWeek === 7 ? today : saturday)
}

function month(which: string, { clock: { today } }: Spot): Core {
  const shift = /next|coming|following/.test(which) ? 1 : /last|past|previous/.test(which) ? -1 : 0
  const first = today.with({ day: 1 }).add({ months: shift })
  return span(first, first.add({ months: 1 }), shift === 0 ? endOfMonth(first) : first)
}

function year(which: string, { clock: { today } }: Spot): Core {
  const shift = /next|coming/.test(which) ? 1 : /last/.test(which) ? -1 : 0
  const first = Temporal.PlainDate.from({ year: today.year + shift, month: 1, day: 1 })
  return span(first, first.add({ years: 1 }), shift === 0 ? first.with({ month: 12, day: 31 }) : first)
}

function namedMonth(text: string, which: string, spot: Spot): Core | undefined {
  const { today } = spot.clock
  const led =
    which !== '' ||
    (spot.options.ranges && !/^(?:may|mar|march)$/i.test(text)) ||
    hasPrep(spot, 'for') ||
    hasPrep(spot, 'in', 'by', 'before', 'until', 'since', 'during', 'after', 'from', 'end of')
  if (!led) return undefined
  let first = today.with({ day: 1, month: monthOf(text) ?? 1 })
  const past = spot.options.lean === 'past' || /last/.test(which)
  if (past && earlier(today, first)) first = first.subtract({ years: 1 })
  if (!past && earlier(first, today.with({ day: 1 }))) first = first.add({ years: 1 })
  return span(first, first.add({ months: 1 }), earlier(first, today) ? endOfMonth(first) : first)
}

function edgeOf(edge: string, what: string, spot: Spot): Core {
  const { today } = spot.clock
  const early = /start|begin|early/i.test(edge)
  const middle = /mid/i.test(edge)
  const w = what.toLowerCase()
  const next = /next/.test(w)
  if (/week/.test(w)) {
    const monday = startOfWeek(today).add({ weeks: next ? 1 : 0 })
    if (early) return date(next ? monday : earlier(monday, today) ? today : monday)
    if (middle) return date(monday.add({ days: 2 }))
    return date(next ? monday.add({ days: 4 }) : weekEnd(monday, today))
  }
  if (/quarter/.test(w)) {
    const first = today.with({ day: 1, month: Math.floor((today.month - 1) / 3) * 3 + 1 }).add({ months: next ? 3 : 0 })
    return date(early ? first : endOfMonth(first.add({ months: 2 })))
  }
  if (/year/.test(w)) {
    const first = Temporal.PlainDate.from({ year: today.year + (next || early ? 1 : 0), month: 1, day: 1 })
    return date(early ? first : first.with({ month: 12, day: 31 }))
  }
  const named = monthOf(w)
  let first = today.with({ day: 1 })
  if (named) {
    first = today.with({ day: 1, month: named })
    if (earlier(endOfMonth(first), today)) first = first.add({ years: 1 })
  } else if (next || (early && today.day > 1)) first = first.add({ months: 1 })
  if (early) return date(first)
  return date(middle ? first.with({ day: 15 }) : endOfMonth(first))
}

/** "in 2 hours and 15 minutes", "in an hour and a half": exact time for hours and minutes, a day for the rest. */
function offset(count: string, unitText: string, tail: string, spot: Spot): Core | undefined {
  const { unit, times } = unitOf(unitText)
  const n = (numberOf(count) ?? 0) * times
  if (!Number.isFinite(n) || n <= 0 || n > 2000) return undefined
  if (unit === 'minutes' || unit === 'hours')
    return exact(n * (unit === 'hours' ? 60 : 1) + extraMinutes(tail, unit), spot)
  const half = /half/.test(tail) ? 0.5 : 0
  const { today } = spot.clock
  if (unit === 'days') return date(today.add({ days: Math.ceil(n + half) }))
  if (unit === 'weeks') return date(today.add({ days: Math.round((n + half) * 7) }))
  if (unit === 'months') return date(today.add({ months: Math.floor(n), days: n % 1 || half ? 15 : 0 }))
  return date(today.add({ years: Math.floor(n), months: n % 1 || half ? 6 : 0 }))
}

const exact = (minutes: number, spot: Spot): Core => ({
  kind: 'instant',
  at: wholeMinute(spot.clock.now.add({ minutes: Math.round(minutes) })),
})

function extraMinutes(tail: string, unit: string): number {
  if (/half/.test(tail)) return unit === 'hours' ? 30 : 0.5
  if (/quarter/.test(tail)) return 15
  const m = /(\d{1,2}|[a-z]+(?: five)?)\s?(?:m|min|mins|minutes?)?$/i.exec(tail.trim())
  return m ? (numberOf(m[1] ?? '') ?? 0) : 0
}

function lastFew(count: string, unitText: string, spot: Spot): Core {
  const { unit, times } = unitOf(unitText)
  const { today } = spot.clock
  const n = Math.min(400, Math.max(1, Math.round((numberOf(count) ?? 1) * times)))
  return span(today.subtract({ [unit]: n }), today.add({ days: 1 }), today)
}

function nextFew(count: string, unitText: string, spot: Spot): Core {
  const { unit, times } = unitOf(unitText)
  const { today } = spot.clock
  const n = Math.min(400, Math.max(1, Math.round((numberOf(count) ?? 1) * times)))
  const to = today.add({ [unit]: n })
  return span(today, unit === 'days' ? to : to.add({ days: 1 }), to)
}

const within = (spot: Spot) => hasPrep(spot, 'in', 'within')

export const SPAN_RULES: Rule[] = [
  {
    re: rule('(this|the|my|next|coming|the coming|the following|last|past|the last|previous) week\\b(?! of|-?end)'),
    read: (m, s) => week(m[1]?.toLowerCase() ?? '', s),
  },
  {
    re: rule('(?:the )?rest of (?:the|this) week\\b'),
    read: (_, s) =>
      span(
        s.clock.today,
        startOfWeek(s.clock.today).add({ weeks: 1 }),
        weekEnd(startOfWeek(s.clock.today), s.clock.today),
      ),
  },
  {
    re: rule('later this week\\b'),
    read: (_, s) =>
      span(
        s.clock.today,
        startOfWeek(s.clock.today).add({ weeks: 1 }),
        weekEnd(startOfWeek(s.clock.today), s.clock.today),
      ),
  },
  {
    re: rule('(?:(this|the|next|coming|last|past|previous) )?(?:coming )?weekend\\b'),
    read: (m, s) =>
      m[1] || s.preps.length > 0 || s.near || s.options.ranges ? weekend(m[1]?.toLowerCase() ?? '', s) : undefined,
  },
  {
    re: rule('(this|my|next|coming|the coming|the following|last|past|previous) month\\b'),
    read: (m, s) => month(m[1]?.toLowerCase() ?? '', s),
  },
  { re: rule('(this|next|coming|last) year\\b'), read: (m, s) => year(m[1]?.toLowerCase() ?? '', s) },
  {
    re: rule('(?:(this|next|last) )?({month})\\b(?! ?\\d)'),
    read: (m, s) => namedMonth(m[2] ?? '', m[1]?.toLowerCase() ?? '', s),
  },
  {
    re: rule('(?:the )?week of (?:the )?({month}) (\\d{1,2})\\b'),
    read: (m, s) => weekOf(monthOf(m[1] ?? '') ?? 1, Number(m[2]), s),
  },
  {
    re: rule(
      '(?:the )?(end|start|beginning|middle|mid|early)(?:[ -]of)?[ -]((?:the |this |next |of ' +
        ')?(?:week|month|quarter|year|{month}))\\b',
    ),
    read: (m, s) =>
      /^(?:early|mid)$/i.test(m[1] ?? '') || /of/i.test(m[0]) || s.preps.length > 0
        ? edgeOf(m[1] ?? '', m[2] ?? '', s)
        : undefined,
  },
  { re: rule('(?:the )?(month|week|year|quarter)[ -]end\\b'), read: (m, s) => edgeOf('end', m[1] ?? '', s) },
  { re: rule('eow\\b'), read: (_, s) => edgeOf('end', 'week', s) },
  { re: rule('eom\\b'), read: (_, s) => edgeOf('end', 'month', s) },
  { re: rule('eoq\\b'), read: (_, s) => edgeOf('end', 'quarter', s) },
  { re: rule('eoy\\b'), read: (_, s) => edgeOf('end', 'year', s) },
  {
    re: rule('(?:the )?(?:next|coming) ({num}) (days?|weeks?|months?)\\b'),
    read: (m, s) => nextFew(m[1] ?? '', m[2] ?? '', s),
  },
  {
    re: rule('(?:the )?(?:last|past|previous) ({num}) (days?|weeks?|months?)\\b'),
    read: (m, s) => lastFew(m[1] ?? '', m[2] ?? '', s),
  },
  {
    re: rule(
      '(?![ap]m\\b)(?:about |around |like |another )?({num}) ?({unit}|h|m)\\b( and (?:a )?(?:half|' +
        'quarter)| ?(?:and )?\\d{1,2} ?(?:minutes?|mins?|m)\\b| and {num} (?:minutes?|mins?)\\b| or ' +
        'so)?',
    ),
    read: (m, s) => (within(s) ? offset(m[1] ?? '', m[2] ?? '', m[3] ?? '', s) : undefined),
  },
  { re: rule('(?:a )?half (?:an |a )?hour\\b'), read: (_, s) => (within(s) ? exact(30, s) : undefined) },
  { re: rule('(?:a )?quarter of an hour\\b'), read: (_, s) => (within(s) ? exact(15, s) : undefined) },
  { re: rule('(?:a )?three quarters of an hour\\b'), read: (_, s) => (within(s) ? exact(45, s) : undefined) },
  {
    re: rule('(\\d{1,2})\\b(?! ?[\\d:.%/-])'),
    read: (m, s) =>
      within(s) && Number(m[1]) >= 5 && /^\s*(?:$|[,.!]|to\b)/i.test(s.after) ? exact(Number(m[1]), s) : undefined,
  },
  {
    re: rule('(?:the )?week after next\\b'),
    read: (_, s) => {
      const monday = startOfWeek(s.clock.today).add({ weeks: 2 })
      return span(monday, monday.add({ weeks: 1 }), monday)
    },
  },
  {
    re: rule('(?:the next|an?) (half )?hour\\b'),
    read: (m, s) => (within(s) && /next/i.test(m[0]) ? exact(m[1] ? 30 : 60, s) : undefined),
  },
  {
    re: rule('({num}) ({unit})( and a half)? (?:from now|hence)\\b'),
    read: (m, s) => offset(m[1] ?? '', m[2] ?? '', m[3] ?? '', s),
  },
  { re: rule('(?:an?|half an) hour (?:from now)\\b'), read: (m, s) => exact(/half/i.test(m[0]) ? 30 : 60, s) },
  {
    re: rule('({num}) (days?|weeks?|months?) ago\\b'),
    read: (m, s) => date(s.clock.today.subtract({ [unitOf(m[2] ?? 'd').unit]: Math.round(numberOf(m[1] ?? '') ?? 1) })),
  },
]

function weekOf(monthNumber: number, day: number, { clock: { today } }: Spot): Core | undefined {
  const inMonth = today.with({ day: 1, month: monthNumber })
  if (day < 1 || day > inMonth.daysInMonth) return undefined
  const here = inMonth.with({ day })
  const monday = startOfWeek(earlier(here, today) ? here.add({ years: 1 }) : here)
  return span(monday, monday.add({ weeks: 1 }), monday)
}

/** A length of time on its own: "for 20 min", "2 hours". Minutes. */
export function lengthOf(text: string): number | undefined {
  const m = rule(
    '^(?![ap]m\\b)(?:about |around |like )?({num}) ?-?({unit}|h|m)\\b(?: and (a )?(half|quarter)| ' +
      '?(?:and )?(\\d{1,2}) ?(?:minutes?|mins?|m)\\b)?',
    'i',
  ).exec(text)
  if (!m) return /^(?:a )?half (?:an |a )?hour\b/i.test(text) ? 30 : undefined
  const { unit, times } = unitOf(m[2] ?? '')
  const per = { minutes: 1, hours: 60, days: 1440, weeks: 10_080, months: 43_200, years: 525_600 }[unit] * times
  const extra = m[4] ? per * (m[4].toLowerCase() === 'half' ? 0.5 : 0.25) : m[5] ? Number(m[5]) : 0
  const total = Math.round((numberOf(m[1] ?? '') ?? 0) * per + extra)
  return total > 0 ? total : undefined
}
