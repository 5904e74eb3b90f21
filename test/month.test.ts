import { expect, test } from 'vitest'
import { fallsOf, lateness, type Month, merged, total, violationsOf } from './month/figures.ts'
import { SABOTAGES } from './month/sabotages.ts'
import { simulateMonth } from './month/simulate.ts'

const SEED = 20_261_123
const DAYS_MS = 240_000

// The whole of it is `npm run month`.
test(
  'three days of six people are as promised',
  async () => {
    const month = await simulateMonth({ seed: SEED, people: 6, days: 3, isSmall: true })
    expect(violationsOf(month)).toEqual([])
    expect(total(month.events)).toBeGreaterThan(200)
    expect(month.reminders.expected).toBeGreaterThan(5)
    expect(month.suggestions.offered).toBeGreaterThan(5)
  },
  DAYS_MS,
)

test(
  'reminders that ring late are noticed',
  async () => {
    const changes = SABOTAGES['timers of reminders ring late'] ?? []
    const month = await simulateMonth({ seed: SEED, people: 8, days: 4, isSmall: true, changes })
    expect(violationsOf(month)).toEqual([expect.stringMatching(/^a reminder was \d+ ms off$/)])
  },
  DAYS_MS,
)

test(
  'reminders that are given as often as somebody asks are noticed',
  async () => {
    const changes = SABOTAGES['a reminder is given as often as somebody asks'] ?? []
    const month = await simulateMonth({ seed: SEED, people: 6, days: 3, isSmall: true, changes })
    expect(violationsOf(month).join()).toMatch(/\d+ reminders were given that nobody expected/)
  },
  DAYS_MS,
)

const month = (shares: number[], over: Partial<Month> = {}): Month => ({
  ...{
    engine: 'none',
    people: 1,
    days: shares.length * 7,
    wallS: 1,
    undispatched: 0,
    delivered: 1,
    runs: 1,
    failedRuns: 0,
  },
  ...{ events: { task: 2 }, repeated: 0, modelCalls: 1, oldCalls: 0, trouble: [] },
  reminders: { expected: 1, missed: 0, twice: 0, unasked: 0, late: [3] },
  suggestions: { offered: 1, perDay: [5, 1], mostOpen: 1, tooSoon: 0, withheld: { learned: 1 } },
  weeks: shares.map((share, n) => ({ week: n + 1, days: 7, offered: 400, liked: 400 * share })),
  ...over,
})

test('a curve that rises and levels off is one; one that falls, or ends where it began, is none', () => {
  expect(fallsOf(month([0.5, 0.7, 0.85, 0.84]))).toEqual([])
  expect(fallsOf(month([0.5, 0.9, 0.7, 0.9]))).toHaveLength(1)
  expect(fallsOf(month([0.5, 0.51, 0.52, 0.53]))).toHaveLength(1)
})

test('months of different people are one month of all of them', () => {
  const other = month([0.7], { events: { task: 1, run: 4 }, wallS: 9 })
  const both = merged([month([0.5], { reminders: { ...other.reminders, late: [1, 9, -20] } }), other])
  expect([total(both.events), both.people, both.wallS, both.weeks[0]?.liked]).toEqual([7, 2, 9, 480])
  expect([lateness(both), both.suggestions.perDay]).toEqual([{ p50: 3, max: 20 }, [10, 2]])
  expect(violationsOf(both)).toEqual([])
})
