import fc from 'fast-check'
import { expect, test } from 'vitest'
import { cpuMs } from '#test/cpu'
import { nowIn } from './cel-functions.ts'
import { openExpressions } from './expression.ts'

const cel = await openExpressions()
const tasks = [
  {
    title: 'Call the dentist',
    priority: 'high',
    estimateMinutes: 30,
    dueAt: '2026-11-20T09:00:00.000Z',
    labels: ['x'],
  },
  { title: 'Pay rent', priority: 'low', estimateMinutes: null, dueAt: '2026-11-22T09:00:00.000Z', labels: [] },
]
const scope = cel.scope({
  params: { days: 3 },
  now: nowIn(new Date('2026-11-23T23:30:00Z'), 'Europe/Berlin'),
  facts: { overdue: tasks, count: 2, share: 0.5 },
  trigger: {},
})
const value = (expression: string) => {
  const made = cel.evaluate(expression, scope)
  if (!made.ok) throw new Error(made.problem)
  return made.value
}
const problem = (expression: string) => {
  const made = cel.evaluate(expression, scope)
  return made.ok ? undefined : made.problem
}

test('facts are read, filtered and counted, and what comes out is JSON', () => {
  expect(value('facts.overdue.filter(t, t.priority == "high").map(t, t.title)')).toEqual(['Call the dentist'])
  expect(value('size(facts.overdue) + facts.count')).toBe(4)
  expect(value('facts.overdue.exists(t, has(t.estimateMinutes) && t.estimateMinutes == null)')).toBe(true)
  expect(value('{"n": facts.count, "share": facts.share}')).toEqual({ n: 2, share: 0.5 })
})

test('now is the wall clock of the person', () => {
  expect(value('now.date + " " + now.time + " " + now.weekday')).toBe('2026-11-24 00:30 tuesday')
})

test('the helpers say days, lists and money as people do', () => {
  expect(value('facts.overdue.filter(t, daysBetween(t.dueAt, now.date) >= params.days).size()')).toBe(1)
  expect(value('plural(facts.count, "task", "tasks")')).toBe('2 tasks')
  expect(value('join(facts.overdue.map(t, t.title))')).toBe('Call the dentist and Pay rent')
  expect(value('money(123456, "EUR") + " " + money(500, "JPY")')).toBe('\u20ac1,234.56 \u00a5500')
  expect(value('clock("2026-11-23T09:05:00Z", "Asia/Tokyo") + " " + day("2026-11-23T20:00:00Z", "Asia/Tokyo")')).toBe(
    '18:05 2026-11-24',
  )
  expect(value('cronAt("08:30", "1-5") + "; " + cronAt("17:00", "friday")')).toBe('30 8 * * 1-5; 0 17 * * 5')
  expect(value('weekday("2026-11-23")')).toBe('monday')
  expect(value('orElse(facts.overdue[1].estimateMinutes, 15)')).toBe(15)
})

test('a template that is one expression keeps its type, in a text it is words', () => {
  const render = (template: unknown) => {
    const made = cel.render(template, scope)
    return made.ok ? made.value : made.problem
  }
  expect(
    render({ n: '{{ facts.count }}', of: ['{{ [1, 2] }}'], said: 'You have {{ facts.count }}: {{ [1, 2] }}' }),
  ).toEqual({
    n: 2,
    of: [[1, 2]],
    said: 'You have 2: 1, 2',
  })
  expect(render('{{ {"a": {"b": "}}"}} }}')).toEqual({ a: { b: '}}' } })
  expect(render('no end {{ facts.count')).toBe('a {{ is not closed by }}')
})

const HOSTILE: Record<string, string> = {
  'lists in lists': 'facts.big.map(a, facts.big.map(b, facts.big.map(c, a + b + c))).size() > 0',
  'a quantifier that swallows the end of the budget':
    'facts.big.exists(a, facts.big.exists(b, facts.big.exists(c, a + b + c < 0)))',
  'a text that doubles': '[facts.long].map(a, [a+a+a+a+a+a].map(b, [b+b+b+b+b+b].map(c, c+c+c+c+c+c)))',
  'a list that doubles': '[facts.big].map(a, [a+a+a+a+a+a].map(b, [b+b+b+b+b+b].map(c, c+c+c+c+c+c)))',
  'equal things compared again and again': 'facts.big.exists(a, facts.deep == facts.twin && facts.deep != facts.twin)',
  'one text joined a thousand times': 'join(facts.big.map(a, facts.long), "").size() > 0',
  'zones asked for again and again': 'facts.big.map(a, facts.big.map(b, clock("2026-11-23T09:05:00Z", "Asia/Tokyo")))',
  'two lists joined again and again': 'facts.big.map(a, facts.big.map(b, size([b] + facts.big))).size() > 0',
  'an answer that is a thousand times the facts': 'facts.big.map(a, [facts.deep, facts.deep, facts.deep])',
}
const deep = Array.from({ length: 500 }, (_, n) => ({ title: `t${n}`, notes: 'x'.repeat(100), labels: ['a', 'b'] }))
const hostile = cel.scope({
  facts: {
    big: Array.from({ length: 1000 }, (_, n) => n),
    long: 'x'.repeat(15_000),
    deep,
    twin: structuredClone(deep),
  },
})

test.each(Object.entries(HOSTILE))('%s ends soon', (_, expression) => {
  const began = cpuMs()
  const made = cel.evaluate(expression, hostile)
  const tookMs = cpuMs() - began
  expect(made).toMatchObject({ ok: false, problem: expect.stringMatching(/too (much|long)/) })
  // Measured at 3 to 30 ms.
  expect(tookMs).toBeLessThan(1000)
})

test('what shares its work ends soon together, and says so of the rest', () => {
  const shared = cel.scope({ facts: { big: Array.from({ length: 1000 }, (_, n) => n) } })
  const dear = 'facts.big.filter(a, a % 7 == 3).map(b, b * 2).exists(c, c == -1)'
  const all = Array.from({ length: 1000 }, () => cel.holds(dear, shared))
  expect(all[0]).toEqual({ ok: true, value: false })
  expect(all.at(-1)).toEqual({ ok: false, problem: 'takes too much work' })
  const done = all.filter(({ ok }) => ok).length
  expect([done > 50, done < 500]).toEqual([true, true])
  expect(
    cel.render(Object.fromEntries(all.map((_, n) => [n, `{{ ${dear} }}`])), cel.scope({ facts: { big: [1] } })).ok,
  ).toBe(true)
})

test('what does not end soon by nature is not offered', () => {
  expect(problem('"aaaa".matches("(a+)+$")')).toBe('matches() is not offered')
  expect(problem('cel.bind(a, facts.count, a + a)')).toBe('bind() is not offered')
  expect(problem('bytes("x").size() > 0')).toBe('bytes() is not offered')
  expect(problem('[1].map(a, [1].map(b, [1].map(c, [1].map(d, d))))')).toMatch(/3 deep/)
  expect(problem(`[${'1,'.repeat(60)}1]`)).toMatch(/maxListElements/)
  expect(problem(`${'('.repeat(60)}1${')'.repeat(60)}`)).toMatch(/maxDepth/)
  expect(problem(Array.from({ length: 200 }, () => '1').join('+'))).toMatch(/maxAstNodes/)
})

test('the meter and what belongs to the language of the host are out of reach', () => {
  for (const expression of [
    'meter__.left',
    'over__(meter__, 1, [1])',
    '[1].map(meter__, [1].map(b, b))',
    'facts.constructor',
    'facts["__proto__"]',
  ])
    expect(cel.evaluate(expression, scope).ok).toBe(false)
  const own = cel.scope(JSON.parse('{"facts": {"__proto__": {"x": 1}}}'))
  expect(cel.evaluate('has(facts.x)', own)).toEqual({ ok: true, value: false })
})

test('before anything runs it is known what can be read, and of which type', () => {
  const readable = { params: { days: 'int' }, facts: { overdue: 'list' }, now: { date: 'string', hour: 'int' } }
  expect(cel.check('facts.overdue.size() > params.days', readable)).toEqual({
    ok: true,
    type: 'bool',
    uses: [
      { root: 'facts', member: 'overdue' },
      { root: 'params', member: 'days' },
    ],
  })
  for (const [expression, why] of [
    ['facts.overdeu.size() > 1', 'No such key: overdeu'],
    ['params.days > "3"', /no such overload: int > string/],
    ['now.hour + now.date == 1', /no such overload: int \+ string/],
    ['steps.a.id', 'steps cannot be read here'],
    ['google.protobuf == 1', 'google cannot be read here'],
    ['facts.overdue.exists(t, t.x) + 1', /no such overload/],
    ['1 +', /Unexpected/],
  ] as const)
    expect(cel.check(expression, readable)).toEqual({ ok: false, problem: expect.stringMatching(why) })
})

test('a comprehension may call its variable like something else that can be read', () => {
  expect(cel.check('facts.overdue.exists(params, params.x == 1)', { facts: { overdue: 'list' } })).toMatchObject({
    uses: [{ root: 'facts', member: 'overdue' }],
  })
})

test('whatever is written, a problem is said and nothing is thrown', () => {
  const word = fc.constantFrom(
    ...[
      'facts',
      '.',
      'overdue',
      '(',
      ')',
      '[',
      ']',
      '{',
      '}',
      ',',
      'map',
      't',
      '"x"',
      '1',
      '+',
      '==',
      '&&',
      '?',
      ':',
      'has',
      'in',
      '-',
      '{{',
      '}}',
    ],
  )
  const written = fc.oneof(
    fc.string({ maxLength: 60 }),
    fc.array(word, { maxLength: 25 }).map((all) => all.join('')),
  )
  fc.assert(
    fc.property(written, (text) => {
      for (const made of [cel.evaluate(text, scope), cel.render(text, scope), cel.check(text, { facts: 'map' })])
        expect(typeof made.ok).toBe('boolean')
    }),
    { numRuns: 2000 },
  )
})
