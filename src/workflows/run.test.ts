import { expect, test } from 'vitest'
import { createLife } from '#test/run-world'
import { Definition } from './definition.ts'
import { runTasa } from './run.ts'

const made = () =>
  Definition().parse({
    triggers: [{ kind: 'manual' }],
    priority: 'routine',
    gather: [],
    analysis: null,
    suggestion: null,
    actions: [],
  })
const lifeOf = (given: object) => createLife({ definition: Definition().parse({ ...made(), ...given }) })
const task = (id: string, title: string, more: object = {}) => ({ id, do: 'create_task', input: { title }, ...more })
const ALLOWED = { create_task: 'act_silently', send_mail: 'act_silently', call_webhook: 'act_silently' } as const

test('what the person allows is done in order, each step reading what the ones before gave, with evidence of each', async () => {
  const life = lifeOf({ actions: [task('one', 'A'), task('two', 'after {{ steps.one.title }}')] })
  life.levels = ALLOWED
  await life.run(runTasa)
  expect(life.log).toEqual(['do one', 'do two'])
  expect(life.end).toMatchObject({ status: 'done', outcome: 'acted', isAccepted: null })
  expect(life.end?.evidence.map(({ step, id }) => [step, id])).toEqual([
    ['one', 'ext_run_1:one'],
    ['two', 'ext_run_1:two'],
  ])
  expect([...life.effects.values()][1]?.input).toEqual({ title: 'after A' })
  expect(life.suggestions.size).toBe(0)
})

test('a run that does nothing says so, and why', async () => {
  const idle = async (given: object, set: (life: ReturnType<typeof lifeOf>) => void = () => undefined) => {
    const life = lifeOf(given)
    set(life)
    await life.run(runTasa)
    expect([life.log, life.end?.evidence, life.end?.status, life.end?.outcome]).toEqual([[], [], 'done', 'nothing'])
    return life.end?.reason
  }
  const rules = { kind: 'rules', findings: [{ when: 'true', title: 'x', confidence: 1 }] }
  const suggestion = { kind: 'idea', title: 'An idea', body: 'Do it?', expiresMinutes: 60 }
  expect(await idle({ analysis: rules, actions: [task('one', 'A')] })).toBe('no_findings')
  expect(await idle({ analysis: rules, suggestion, actions: [] }, (life) => (life.gate = 'quiet_hours'))).toBe(
    'no_findings',
  )
  expect(await idle({ actions: [task('one', 'A', { when: 'false' })] })).toBe('no_action_applies')
  expect(await idle({ actions: [task('one', 'A')] }, (life) => (life.levels = { create_task: 'never' }))).toBe(
    'never_allowed',
  )
  expect(await idle({ suggestion, actions: [] }, (life) => (life.gate = 'quiet_hours'))).toBe('quiet_hours')
  expect(await idle({ suggestion, actions: [] }, (life) => (life.withheld = 'too_many_today'))).toBe('too_many_today')
})

test('what the clock alone set off waits for the batch its analysis is left to; what has ended, and anything else, does not', async () => {
  const found = { kind: 'model', ask: 'What?', maxFindings: 3 }
  const marksOf = async (triggerKind: string, set: object = {}, priority = 'routine') => {
    const definition = Definition().parse({ ...made(), analysis: found, actions: [task('one', 'A')], priority })
    const life = createLife({ definition, triggerKind })
    Object.assign(life, { levels: ALLOWED, findings: [{ title: 'x', confidence: 1 }], ...set })
    const untilMs = life.nowMs + 5_400_000
    life.left = { callId: 'aic_1', untilMs }
    await life.run(runTasa)
    expect(life.end).toMatchObject({ outcome: 'acted' })
    return { marks: life.marks, isPast: life.nowMs >= untilMs, isLeft: life.kept.has(':leave') }
  }
  expect(await marksOf('cron')).toMatchObject({ marks: ['waiting', 'running'], isPast: true })
  expect(await marksOf('cron', { hasEnded: true })).toEqual({ marks: ['running'], isPast: false, isLeft: true })
  const now = { marks: ['running'], isPast: false, isLeft: false }
  for (const triggerKind of ['manual', 'event', 'webhook', 'condition']) expect(await marksOf(triggerKind)).toEqual(now)
  expect(await marksOf('cron', {}, 'important')).toEqual(now)
})

test('what is not allowed is asked about in one suggestion, and done as it was approved', async () => {
  const life = lifeOf({
    suggestion: { kind: 'idea', title: '{{ facts.n }} ideas', body: 'Do it?', expiresMinutes: 60 },
    actions: [task('one', 'A'), task('two', 'B'), task('three', 'C')],
  })
  life.facts = { n: 3 }
  life.decide = ({ actions }) => ({
    decision: 'approved',
    actions: actions.slice(0, 2).map((one, n) => (n === 0 ? { ...one, input: { title: 'A, edited' } } : one)),
  })
  await life.run(runTasa)
  const [asked] = life.suggestions.values()
  expect(asked).toMatchObject({ kind: 'idea', title: '3 ideas', source: { kind: 'run', runId: 'run_1' } })
  expect(asked?.actions.map(({ id }) => id)).toEqual(['one', 'two', 'three'])
  expect([...life.effects.values()].map(({ step, input, isAgreed }) => [step, input, isAgreed])).toEqual([
    ['one', { title: 'A, edited' }, true],
    ['two', { title: 'B' }, true],
  ])
  expect(life.end).toMatchObject({ status: 'done', outcome: 'acted', isAccepted: true })
  expect(life.marks).toEqual(['proposed', 'running'])
  expect(life.settled).toEqual([{ id: 'sug_run:run_1:', status: 'done' }])
  expect(life.steps.get('three')).toBe('skipped')
})

test.each([
  ['dismissed', { status: 'done', outcome: 'dismissed', isAccepted: false }],
  ['expired', { status: 'expired', outcome: 'expired', isAccepted: null }],
] as const)('a suggestion that is %s does nothing', async (decision, end) => {
  const life = lifeOf({ actions: [task('one', 'A')] })
  life.decide = () => ({ decision, actions: [] })
  await life.run(runTasa)
  expect(life.log).toEqual([])
  expect(life.end).toMatchObject(end)
})

test('a suggestion nobody decides expires by itself', async () => {
  const life = lifeOf({ actions: [task('one', 'A')] })
  life.decide = () => null
  await life.run(runTasa)
  expect(life.end).toMatchObject({ status: 'expired', reason: 'expired' })
})

test('more acts than a suggestion has room for stand together as its last offer', async () => {
  const life = lifeOf({
    actions: [{ id: 'each', forEach: 'facts.items', as: 'one', max: 50, steps: [task('make', '{{ one }}')] }],
  })
  life.facts = { items: Array.from({ length: 14 }, (_, n) => `T${n}`) }
  await life.run(runTasa)
  const [asked] = life.suggestions.values()
  expect(asked?.actions.map(({ id }) => id).slice(-2)).toEqual(['make.8', 'and_more'])
  expect(asked?.actions.at(-1)?.says).toContain('And 5 more')
  expect(life.effects.size).toBe(14)
})

test('what goes out is asked about anew where it is not what was shown', async () => {
  const mail = { id: 'mail', do: 'call_webhook', input: { url: 'https://x.example', text: '{{ steps.one.id }}' } }
  const life = lifeOf({ actions: [task('one', 'A'), mail] })
  const shown: unknown[] = []
  life.decide = ({ actions }) => {
    shown.push(actions.map(({ input }) => input['text'] ?? input['title']))
    return { decision: 'approved', actions }
  }
  await life.run(runTasa)
  expect(shown).toEqual([['A', 'eff_planned'], ['eff_run_1:one']])
  expect(life.effects.get('run_1:mail')).toMatchObject({ input: { text: 'eff_run_1:one' }, isAgreed: true })
})

test('what was handed on is waited for until it was taken, and only then is the run done', async () => {
  const life = lifeOf({ actions: [{ id: 'hook', do: 'call_webhook', input: { url: 'https://x.example' } }] })
  life.onItsWay = { call_webhook: 3 }
  const began = life.nowMs
  await life.run(runTasa)
  expect(life.end).toMatchObject({
    status: 'done',
    evidence: [{ step: 'hook', id: 'ext_run_1:hook', provider: 'vendor' }],
  })
  expect(life.nowMs - began).toBeGreaterThanOrEqual(5000 + 10_000 + 20_000)
  expect(life.marks).toContain('waiting')
  expect(life.log).toEqual(['do hook'])
})

test('what nobody ever says was taken is no success, and the person is told', async () => {
  const life = lifeOf({ actions: [{ id: 'hook', do: 'call_webhook', input: { url: 'https://x.example' } }] })
  life.onItsWay = { call_webhook: 1000 }
  await life.run(runTasa)
  expect(life.end).toMatchObject({
    status: 'failed',
    error: { code: 'unknown' },
    parked: [{ step: 'hook', reason: 'It may have been done' }],
  })
  expect([...life.notices.values()]).toMatchObject([{ isAlert: true }])
})

test('what a stranger wrote is not sent on without a tap, whatever was allowed', async () => {
  const life = createLife({
    definition: Definition().parse({
      ...made(),
      actions: [{ id: 'hook', do: 'call_webhook', input: { url: 'https://x.example' } }],
    }),
    isTainted: true,
  })
  life.levels = ALLOWED
  life.decide = () => ({ decision: 'dismissed', actions: [] })
  await life.run(runTasa)
  expect([life.suggestions.size, life.log]).toEqual([1, []])
})

test('a later step that fails takes back what the earlier ones did, the last first', async () => {
  const actions = [
    task('one', 'A'),
    task('two', 'B'),
    { id: 'hook', do: 'call_webhook', input: { url: 'https://x.example' } },
  ]
  const life = lifeOf({ actions })
  life.levels = ALLOWED
  life.refusals = {
    call_webhook: { status: 'failed', effectId: 'eff_x', code: 'unavailable', detail: 'gone', isRetryable: false },
  }
  await life.run(runTasa)
  expect(life.log).toEqual(['do one', 'do two', 'undo two', 'undo one'])
  expect(life.end).toMatchObject({
    status: 'compensated',
    outcome: 'undone',
    evidence: [],
    parked: [],
    error: { code: 'unavailable', step: 'hook' },
  })
  expect(life.steps.get('one')).toBe('compensated')
})

test('what the author lets stand stays, and what cannot be taken back is parked and told with alarm', async () => {
  const life = lifeOf({
    actions: [
      task('one', 'A', { compensate: 'none' }),
      { id: 'hook', do: 'call_webhook', input: { url: 'https://x.example' } },
      task('bad', '{{ facts.nothing.at.all }}'),
    ],
  })
  life.levels = ALLOWED
  life.irreversible.add('call_webhook')
  await life.run(runTasa)
  expect(life.log).toEqual(['do one', 'do hook'])
  expect(life.end).toMatchObject({
    status: 'failed',
    outcome: 'failed',
    error: { code: 'expression' },
    parked: [{ step: 'hook' }],
  })
  expect([...life.notices.values()]).toEqual([
    { title: expect.stringContaining('could not take everything back'), isAlert: true },
  ])
})

test('an act that goes out and leaves no evidence is no success', async () => {
  const life = lifeOf({ actions: [{ id: 'hook', do: 'call_webhook', input: { url: 'https://x.example' } }] })
  life.levels = ALLOWED
  const evidence = { id: null, provider: null }
  life.refusals = {
    call_webhook: { status: 'done', effectId: 'eff_x', says: 'sent?', output: null, evidence, heldUntil: null },
  }
  await life.run(runTasa)
  expect(life.end).toMatchObject({
    status: 'failed',
    error: { code: 'unknown' },
    parked: [{ reason: 'It may have been done' }],
  })
})

test('mail that is held is waited for, and its evidence is the one of who sent it', async () => {
  const life = lifeOf({ actions: [{ id: 'mail', do: 'send_mail', input: { to: 'a@example.com' } }] })
  life.levels = ALLOWED
  await life.run(runTasa)
  expect(life.marks).toContain('waiting')
  expect(life.end).toMatchObject({ status: 'done', evidence: [{ id: 'ext_run_1:mail', provider: 'vendor' }] })
})

test('branches, waits and questions go where what was found leads', async () => {
  const life = lifeOf({
    actions: [
      { id: 'ask', ask: { question: 'Now or later?', choices: ['now', 'later'] } },
      { id: 'pause', wait: { minutes: 90 } },
      {
        id: 'way',
        // biome-ignore lint/suspicious/noThenProperty: the name of a definition's list
        branch: [{ when: 'steps.ask.answer == "now"', then: [task('a', 'A')] }],
        else: [task('b', '{{ now.time }}')],
      },
    ],
  })
  life.levels = ALLOWED
  life.answers = { ask: 'later' }
  await life.run(runTasa)
  expect([...life.effects.values()].map(({ step, input }) => [step, input])).toEqual([['b', { title: '10:30' }]])
  expect(life.marks).toEqual(['waiting', 'running', 'waiting', 'running'])
})

test('a question nobody answers ends the run as expired, and what was done before stays', async () => {
  const life = lifeOf({
    actions: [task('a', 'A'), { id: 'ask', ask: { question: 'And now?', expiresMinutes: 10 } }, task('b', 'B')],
  })
  life.levels = ALLOWED
  await life.run(runTasa)
  expect(life.log).toEqual(['do a'])
  expect(life.end).toMatchObject({ status: 'expired', reason: 'no_answer', evidence: [{ step: 'a' }] })
})

test('what was done without asking is told where the person wants to be told', async () => {
  const life = lifeOf({ actions: [task('one', 'A'), { id: 'tell', do: 'notify', input: { title: 'x' } }] })
  life.levels = { create_task: 'act_and_tell' }
  await life.run(runTasa)
  expect([...life.notices.keys()]).toEqual(['run-told:run_1'])
  expect(life.log).toEqual(['do one', 'do tell'])
})
