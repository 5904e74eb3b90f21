import { expect, test } from 'vitest'
import { createChance } from '#test/proofs/chance'
import { memorySql } from '#test/steward'
import { type Act, draw } from './acceptance.ts'
import { type Edit, LEARNING_MIGRATIONS, learning } from './learning.ts'

const DAY_MS = 86_400_000
const MORNING = 'morning/weekday'
const LATER = ['afternoon/weekday', 'evening/weekday']

/** What is learned of one person, with a clock to move on. */
function mind(chance = () => 0.5) {
  const sql = memorySql(LEARNING_MIGRATIONS)
  const at = { ms: 0 }
  let heard = 0
  return {
    at,
    hears: (kind: string, cell: string, ...acts: Act[]) =>
      learning(sql, { do: 'learn', heard: acts.map((act) => ({ id: `${heard++}`, kind, cell, act })) }, at.ms, chance),
    hearsAgain: (id: string, act: Act) =>
      learning(sql, { do: 'learn', heard: [{ id, kind: 'triage', cell: MORNING, act }] }, at.ms, chance),
    weigh(kind: string, cell = MORNING, later: string[] = []) {
      const { weighed } = learning(sql, { do: 'weigh', kind, cell, later }, at.ms, chance)
      if (!weighed) throw new Error('nothing was weighed')
      return weighed
    },
    edit: (...edits: Edit[]) => learning(sql, { do: 'edit', edits }, at.ms, chance).lines,
    reset: () => learning(sql, { do: 'reset' }, at.ms, chance).lines,
    lines: () => learning(sql, { do: 'show' }, at.ms, chance).lines,
    says: () => learning(sql, { do: 'show' }, at.ms, chance).lines.map(({ says }) => says),
  }
}

test('of what nothing is known even odds are expected', () => {
  expect(mind().weigh('triage')).toEqual({ speak: true, expected: 0.5, better: null })
})

test('each act moves what is expected its own way', () => {
  const after = (...acts: Act[]) => {
    const one = mind()
    one.hears('triage', MORNING, ...acts)
    return one.weigh('triage').expected
  }
  const order = [
    after('accepted', 'accepted'),
    after('accepted'),
    after('edited'),
    0.5,
    after('snoozed'),
    after('ignored'),
    after('dismissed'),
    after('dismissed', 'dismissed'),
  ]
  expect(order).toEqual([...order].sort((a, b) => b - a))
  expect(new Set(order).size).toBe(order.length)
  // Undone takes back that it was accepted, and is held against it.
  expect(after('accepted', 'undone')).toBe(after('dismissed'))
})

test('what is always dismissed is no longer offered, and is tried again now and then', () => {
  const often = (chance: () => number) => {
    const one = mind(chance)
    one.hears('triage', MORNING, ...Array<Act>(5).fill('dismissed'))
    return Array.from({ length: 1000 }, () => one.weigh('triage').speak).filter(Boolean).length
  }
  const tries = often(createChance(3).next)
  expect(tries).toBeGreaterThan(0)
  expect(tries).toBeLessThan(150)
})

test('an hour at which it is dismissed says little of another', () => {
  const one = mind()
  one.hears('triage', MORNING, ...Array<Act>(8).fill('dismissed'))
  one.hears('triage', 'evening/weekday', ...Array<Act>(8).fill('accepted'))
  expect(one.weigh('triage').speak).toBe(false)
  expect(one.weigh('triage', 'evening/weekday')).toMatchObject({ speak: true, better: null })
  // Not known of the weekend: what is known of the kind as a whole.
  expect(one.weigh('triage', 'morning/weekend').expected).toBeCloseTo(0.5)
})

test('the better hour of the day is known, where it is much better and well known', () => {
  const one = mind()
  one.hears('triage', MORNING, ...Array<Act>(4).fill('dismissed'), 'accepted')
  one.hears('triage', 'evening/weekday', ...Array<Act>(4).fill('accepted'))
  expect(one.weigh('triage', MORNING, LATER).better).toBe('evening/weekday')
  expect(one.weigh('triage', MORNING, ['afternoon/weekday']).better).toBeNull()
  expect(one.weigh('another', MORNING, LATER).better).toBeNull()
})

test('half of it is forgotten in a month', () => {
  const one = mind()
  one.hears('triage', MORNING, ...Array<Act>(8).fill('dismissed'))
  const [before] = one.lines()
  one.at.ms += 30 * DAY_MS
  const [after] = one.lines()
  expect([before?.no, after?.no]).toEqual([8, 4])
  one.at.ms += 300 * DAY_MS
  expect(one.weigh('triage').expected).toBeGreaterThan(0.48)
})

test('one act is heard once', () => {
  const one = mind()
  for (let n = 0; n < 3; n++) one.hearsAgain('sug_1.2.suggestion.decided', 'dismissed')
  expect(one.lines()).toMatchObject([{ no: 1 }])
})

test('it is told in words, the whole of a kind and the times at which it is otherwise', () => {
  const one = mind()
  one.hears('finance', 'morning/weekday', ...Array<Act>(8).fill('accepted'))
  one.hears('finance', 'morning/weekend', ...Array<Act>(8).fill('dismissed'))
  one.hears('overdue_triage', MORNING, ...Array<Act>(30).fill('accepted'))
  expect(one.says()).toEqual([
    'you take about half of the finance ideas',
    'you take finance ideas on weekdays',
    'you dismiss finance ideas on weekends',
    'you take overdue triage ideas',
  ])
  expect(one.lines()[2]).toMatchObject({ kind: 'finance', part: null, week: 'weekend', yes: 0, no: 8 })
})

test('of what was decided once or twice nothing is claimed', () => {
  const one = mind()
  one.hears('finance', MORNING, 'dismissed')
  expect(one.says()).toEqual(['too little is known of finance ideas yet'])
  one.hears('finance', MORNING, ...Array<Act>(3).fill('dismissed'))
  expect(one.says()).not.toContain('too little is known of finance ideas yet')
})

test('what the person says goes before what was learned, the closest first', () => {
  const one = mind()
  one.hears('finance', MORNING, ...Array<Act>(9).fill('dismissed'))
  expect(one.weigh('finance').speak).toBe(false)
  one.edit({ kind: 'finance', set: 'pin' })
  expect(one.weigh('finance').speak).toBe(true)
  const lines = one.edit({ kind: 'finance', week: 'weekend', set: 'mute' })
  expect(lines.map(({ says, state }) => [says, state])).toEqual([
    ['you want finance ideas', 'pinned'],
    ['you want no finance ideas on weekends', 'muted'],
  ])
  expect(one.weigh('finance', 'morning/weekend').speak).toBe(false)
  expect(one.weigh('finance', 'morning/weekday').speak).toBe(true)
})

test('what is to be forgotten is, at that time alone or all of it; what others were heard of stays', () => {
  const one = mind()
  for (const kind of ['finance', 'triage'])
    for (const cell of ['morning/weekday', 'morning/weekend']) one.hears(kind, cell, 'dismissed', 'dismissed')
  one.edit({ kind: 'finance', week: 'weekend', set: 'mute' }, { kind: 'finance', week: 'weekend', set: 'forget' })
  expect(one.lines()).toMatchObject([
    { kind: 'finance', no: 2, state: 'learned' },
    { kind: 'triage', no: 4 },
  ])
  one.edit({ kind: 'finance', set: 'forget' })
  expect(one.lines()).toMatchObject([{ kind: 'triage' }])
  expect(one.reset()).toEqual([])
})

test('draws are those of the distribution', () => {
  const { next } = createChance(11)
  const mean = (yes: number, no: number) =>
    Array.from({ length: 4000 }, () => draw(yes, no, next)).reduce((sum, value) => sum + value, 0) / 4000
  expect(mean(2, 6)).toBeCloseTo(0.25, 1)
  expect(mean(0.5, 0.5)).toBeCloseTo(0.5, 1)
  expect(mean(30, 10)).toBeCloseTo(0.75, 1)
})
