import type { Part, Week } from './moment.ts'

/** What a person did about a suggestion. `ignored`: it ran out before they decided. */
export type Act = 'accepted' | 'edited' | 'dismissed' | 'snoozed' | 'undone' | 'ignored'
/** Beta counts of one kind in one part of the day and of the week, decayed to now. */
export type Tally = { kind: string; part: string; week: string; yes: number; no: number }
export type Line = {
  kind: string
  part: Part | null
  week: Week | null
  says: string
  yes: number
  no: number
  expected: number
  state: 'learned' | 'muted' | 'pinned'
}

const HALF_LIFE_MS = 30 * 24 * 3600_000
/** How many decisions even odds weigh in a kind as a whole, and that in each of its cells. */
const PRIOR = 6
const CELL_PRIOR = 3

/** After a month half of a decision is left. */
export function halved(count: number, ageMs: number): number {
  return count * 0.5 ** (Math.max(0, ageMs) / HALF_LIFE_MS)
}

/** A later act of the same suggestion adds to an earlier one: undone takes back that it was accepted. */
export function effectOf(act: Act): { yes: number; no: number } {
  switch (act) {
    case 'accepted':
      return { yes: 1, no: 0 }
    case 'edited':
      return { yes: 0.75, no: 0.25 }
    case 'dismissed':
      return { yes: 0, no: 1 }
    case 'snoozed':
      return { yes: 0, no: 0.25 }
    case 'undone':
      return { yes: -1, no: 1 }
    case 'ignored':
      return { yes: 0, no: 0.5 }
  }
}

const sum = (all: Tally[]) =>
  all.reduce((to, { yes, no }) => ({ yes: to.yes + yes, no: to.no + no }), { yes: 0, no: 0 })

/** The Beta counts of a cell, which leans on its kind as a whole, and that on even odds; an empty part or week is any. */
export function meanOf(all: Tally[], part: string, week: string) {
  const kind = sum(all)
  const overall = (kind.yes + PRIOR / 2) / (kind.yes + kind.no + PRIOR)
  const own = sum(all.filter((tally) => (part === '' || tally.part === part) && (week === '' || tally.week === week)))
  const [yes, no] = [own.yes + CELL_PRIOR * overall, own.no + CELL_PRIOR * (1 - overall)]
  return { mean: yes / (yes + no), yes, no, seen: own.yes + own.no, said: own }
}

/** A draw from Beta(yes, no), by two of Gamma. */
export function draw(yes: number, no: number, chance: () => number): number {
  const [a, b] = [gamma(yes, chance), gamma(no, chance)]
  return a + b === 0 ? 0 : a / (a + b)
}

// Marsaglia and Tsang 2000; under 1 the shape is raised by one and the draw brought down.
function gamma(shape: number, chance: () => number): number {
  if (shape < 1) return gamma(shape + 1, chance) * (1 - chance()) ** (1 / shape)
  const d = shape - 1 / 3
  const c = 1 / Math.sqrt(9 * d)
  for (;;) {
    const x = normal(chance)
    const v = (1 + c * x) ** 3
    if (v > 0 && Math.log(1 - chance()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v
  }
}

const normal = (chance: () => number): number =>
  Math.sqrt(-2 * Math.log(1 - chance())) * Math.cos(2 * Math.PI * chance())

type Rule = { kind: string; part: string; week: string; rule: string }

const PARTS: (Part | '')[] = ['', 'morning', 'afternoon', 'evening', 'night']
const WEEKS: (Week | '')[] = ['', 'weekday', 'weekend']
const TIMES = PARTS.flatMap((part) => WEEKS.map((week) => ({ part, week })))
const NAMES: Record<string, string> = {
  weekday: 'on weekdays',
  weekend: 'on weekends',
  morning: 'in the morning',
  afternoon: 'in the afternoon',
  evening: 'in the evening',
  night: 'at night',
}
const LEAST_SEEN = 3
const APART = 0.2

/** What is believed, in words: each kind as a whole, the times at which it is otherwise, and what was said of any. */
export function explain(all: Tally[], rules: Rule[], muteBelow: number): Line[] {
  const kinds = new Set([...all, ...rules].map(({ kind }) => kind))
  return [...kinds].sort().flatMap((kind) => {
    const theirs = all.filter((tally) => tally.kind === kind)
    const whole = meanOf(theirs, '', '').mean
    return TIMES.flatMap(({ part, week }): Line[] => {
      const { mean, seen, said } = meanOf(theirs, part, week)
      const rule = rules.find((one) => one.kind === kind && one.part === part && one.week === week)?.rule
      const isApart = seen >= LEAST_SEEN && Math.abs(mean - whole) >= APART && (part === '') !== (week === '')
      const isTold = isApart || rule !== undefined || (part === '' && week === '' && seen > 0)
      if (!isTold) return []
      const isMuted = rule === 'mute' || (rule === undefined && mean < muteBelow)
      const state = rule === 'pin' ? 'pinned' : isMuted ? 'muted' : 'learned'
      const says = inWords(kind, part, week, seen < LEAST_SEEN ? null : mean, rule)
      const counts = { yes: round(said.yes), no: round(said.no), expected: round(mean) }
      return [{ kind, part: part || null, week: week || null, says, ...counts, state }]
    })
  })
}

const round = (value: number) => Math.round(value * 100) / 100

function inWords(kind: string, part: string, week: string, mean: number | null, rule: string | undefined): string {
  const when = [NAMES[part], NAMES[week]].filter(Boolean).join(' ')
  const what = `${kind.replaceAll(/[_.-]/g, ' ')} ideas${when && ` ${when}`}`
  if (rule === 'pin') return `you want ${what}`
  if (rule === 'mute') return `you want no ${what}`
  if (mean === null) return `too little is known of ${what} yet`
  if (mean >= 0.8) return `you take ${what}`
  if (mean >= 0.6) return `you mostly take ${what}`
  if (mean > 0.4) return `you take about half of the ${what}`
  if (mean > 0.2) return `you mostly dismiss ${what}`
  return `you dismiss ${what}`
}
