import { expect, test } from 'vitest'
import { createLife } from '#test/run-world'
import { Definition } from './definition.ts'
import { runTasa } from './run.ts'
import { MAX_PASSED } from './walk.ts'

const BASE = {
  ...{ triggers: [{ kind: 'manual' }], priority: 'routine', gather: [], analysis: null, suggestion: null, actions: [] },
}
const ALLOWED = { create_task: 'act_silently', send_mail: 'act_silently' } as const
const task = (id: string, title: string, more: object = {}) => ({ id, do: 'create_task', input: { title }, ...more })
const SUGGESTION = { kind: 'idea', title: 'An idea', body: 'Do it?', expiresMinutes: 60 }

function lifeOf(given: object) {
  const life = createLife({ definition: Definition().parse({ ...BASE, ...given }) })
  life.levels = ALLOWED
  return life
}
const pause = (until: string) => ({ id: 'pause', wait: { until } })

test('a moment to wait for that is past is no wait', async () => {
  const life = await lifeOf({ actions: [task('one', 'A'), pause('2020-01-01'), task('two', 'B')] }).run(runTasa)
  expect([life.log, life.end?.status]).toEqual([['do one', 'do two'], 'done'])
})

test('an instance that is lost while it waits is followed by one that goes on after the wait', async () => {
  const actions = [{ id: 'mail', do: 'send_mail', input: {} }, { id: 'pause', wait: { minutes: 30 } }, task('two', 'B')]
  for (const step of ['mail:hold 0', 'pause:sleep'])
    for (const fate of ['kill', 'wake'] as const)
      for (const phase of ['before', 'after'] as const) {
        const life = await lifeOf({ actions }).run(runTasa, [{ step, phase, fate }])
        expect([step, fate, phase, life.log, life.end?.status]).toEqual([
          ...[step, fate, phase],
          ...[['do mail', 'do two'], 'done'],
        ])
      }
})

test('nothing waits for more than a year', async () => {
  const life = await lifeOf({ actions: [task('one', 'A'), pause('2028-01-01')] }).run(runTasa)
  expect(life.end).toMatchObject({ status: 'compensated', error: { code: 'expression', step: 'pause' } })
})

test('a suggestion whose steps hang on an answer, or on a list not known yet, is more than told', async () => {
  const ask = { id: 'q', ask: { question: 'Do it?' } }
  // biome-ignore lint/suspicious/noThenProperty: the name of a definition's list
  const way = { id: 'way', branch: [{ when: 'steps.q.answer == "yes"', then: [task('one', 'A')] }] }
  const life = lifeOf({ suggestion: SUGGESTION, actions: [ask, way] })
  life.answers = { q: 'yes' }
  await life.run(runTasa)
  expect([life.log, life.end?.outcome]).toEqual([['do one'], 'acted'])
  const first = task('first', '{{ facts.n }}', { when: 'facts.n > 0' })
  const each = { id: 'each', forEach: 'steps.first.list', as: 'one', max: 5, steps: [task('make', '{{ one }}')] }
  const listed = lifeOf({ suggestion: SUGGESTION, actions: [{ id: 'q', ask: { question: 'x' } }, first, each] })
  listed.facts = { n: 0 }
  listed.answers = { q: 'yes' }
  await listed.run(runTasa)
  expect([listed.suggestions.size, listed.end?.error?.code]).toEqual([0, 'expression'])
  const only = await lifeOf({ suggestion: SUGGESTION, actions: [] }).run(runTasa)
  expect([only.suggestions.size, only.end?.outcome]).toEqual([1, 'suggested'])
})

test('loops in loops that make more steps than one run passes end it before anything is done', async () => {
  const inner = { id: 'inner', forEach: 'facts.items', as: 'two', max: 50, steps: [task('make', '{{ two }}')] }
  const life = lifeOf({ actions: [{ id: 'outer', forEach: 'facts.items', as: 'one', max: 50, steps: [inner] }] })
  life.facts = { items: Array.from({ length: 50 }, (_, n) => `T${n}`) }
  await life.run(runTasa)
  expect([life.log, life.end?.error]).toMatchObject([[], { code: 'too_many_steps', step: expect.any(String) }])
  const fewer = lifeOf({ actions: [{ id: 'outer', forEach: 'facts.items', as: 'one', max: 50, steps: [inner] }] })
  fewer.facts = { items: Array.from({ length: 16 }, (_, n) => `T${n}`) }
  await fewer.run(runTasa)
  expect([fewer.end?.status, fewer.end?.evidence.length]).toEqual(['done', 256])
  expect(MAX_PASSED).toBeGreaterThan(256)
})

test.each(['constructor', 'toString', 'valueOf', 'hasOwnProperty'])('a step may be called %s', async (name) => {
  const life = await lifeOf({ actions: [task(name, 'A')] }).run(runTasa)
  expect([life.log, life.end?.status]).toEqual([[`do ${name}`], 'done'])
})

test('of what is not known to be done there is one line among what is left', async () => {
  const life = lifeOf({ actions: [task('one', 'A')] })
  life.unknown.add('create_task')
  await life.run(runTasa)
  expect(life.end).toMatchObject({ status: 'failed', error: { code: 'unknown' }, parked: [{ step: 'one' }] })
  expect(life.end?.parked).toHaveLength(1)
})

const hook = { id: 'hook', do: 'call_webhook', input: { url: 'https://x.example', text: '{{ steps.q.answer }}' } }
const asksFirst = (...actions: object[]) => [{ id: 'q', ask: { question: 'Which?' } }, ...actions]

test.each([
  ['did something', [task('one', 'A'), hook], ['do one']],
  ['did nothing', [hook], []],
])('a run that %s does what was withheld after all, by a yes that comes late', async (_, actions, first) => {
  const life = lifeOf({ actions: asksFirst(...actions) })
  life.answers = { q: 'this one' }
  life.withheld = 'quiet_hours'
  await life.run(runTasa)
  expect([life.log, life.steps.get('hook'), life.end?.status]).toEqual([first, 'skipped', 'done'])
  const input = { url: 'https://x.example', text: 'this one' }
  const offer = { id: 'hook', kind: 'call_webhook', input, says: '', outward: true, reversible: false }
  life.late.set('sug_run:run_1:hook', { decision: 'approved', actions: [offer] })
  life.end = null
  await life.run(runTasa)
  expect([life.log, life.end]).toMatchObject([
    [...first, 'do hook'],
    { status: 'done', outcome: 'acted', evidence: actions.map((one) => ({ step: one.id })) },
  ])
  expect(life.settled).toEqual([{ id: 'sug_run:run_1:hook', status: 'done' }])
})

test('a yes that comes while a run ends is looked for once more, after its end', async () => {
  const life = lifeOf({ actions: asksFirst(hook) })
  life.answers = { q: 'x' }
  life.withheld = 'quiet_hours'
  const offer = { id: 'hook', kind: 'call_webhook', input: { url: 'https://x.example' }, says: '', outward: true }
  await life.run(async (port) => {
    await runTasa({
      ...port,
      step: async (name, work) => {
        if (name === ':end')
          life.late.set('sug_run:run_1:hook', { decision: 'approved', actions: [{ ...offer, reversible: false }] })
        return await port.step(name, work)
      },
    })
  })
  expect([life.log, life.end?.outcome]).toEqual([['do hook'], 'acted'])
})

test.each([
  ['a question nobody answers', { actions: [task('one', 'A'), { id: 'ask', ask: { question: 'Go on?' } }] }, 'done'],
  ['a step that fails', { actions: [task('one', 'A'), task('bad', '{{ facts.no.such }}')] }, 'failed'],
])('what the person allowed is settled where %s ends the run', async (_, given, status) => {
  const life = lifeOf(given)
  life.levels = {}
  await life.run(runTasa)
  expect(life.settled).toEqual([{ id: 'sug_run:run_1:', status }])
})

test('and where the instance that failed is lost while it takes back', async () => {
  const life = lifeOf({ actions: [task('one', 'A'), task('bad', '{{ facts.no.such }}')] })
  life.levels = {}
  await life.run(runTasa, [{ step: 'one:undo', phase: 'after', fate: 'kill' }])
  expect([life.end?.status, life.settled]).toEqual(['compensated', [{ id: 'sug_run:run_1:', status: 'failed' }]])
})
