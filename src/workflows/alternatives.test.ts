import { expect, test } from 'vitest'
import { createLife } from '#test/run-world'
import { Definition } from './definition.ts'
import { effectInputs } from './kinds.ts'
import { callsOf } from './loops.ts'
import { runTasa } from './run.ts'
import { faultsOf } from './validate.ts'

const task = (id: string, title: string, more: object = {}) => ({ id, do: 'create_task', input: { title }, ...more })
const given = (alternatives: object[], actions: object[] = [task('one', 'A'), task('two', 'B')]) =>
  Definition().parse({
    ...{ triggers: [{ kind: 'manual' }], priority: 'routine', gather: [], analysis: null, actions },
    suggestion: { kind: 'idea', title: 'An idea', body: 'Do it?', expiresMinutes: 60, alternatives },
  })
/** Chooses these of what is offered. */
const choosing = (definition: Definition, ...ids: string[]) => {
  const life = createLife({ definition })
  life.decide = ({ actions, alternatives }) => ({
    decision: 'approved',
    actions: [...actions, ...alternatives].filter(({ id }) => ids.includes(id)),
  })
  return life
}
const done = (life: ReturnType<typeof createLife>) =>
  [...life.effects.values()].map(({ step, input, isAgreed }) => [step, input, isAgreed])

test('what was chosen is done instead, as it was agreed to, with evidence', async () => {
  const later = task('later', '{{ facts.name }}, later', { title: '{{ facts.name }} can wait' })
  const life = choosing(given([later, task('never', 'C')]), 'later')
  life.facts = { name: 'Rent' }
  await life.run(runTasa)
  const [asked] = life.suggestions.values()
  expect(asked?.alternatives.map(({ id, says, input }) => [id, says, input])).toEqual([
    ['later', 'Rent can wait', { title: 'Rent, later' }],
    ['never', 'create_task {"title":"C"}', { title: 'C' }],
  ])
  expect(done(life)).toEqual([['later', { title: 'Rent, later' }, true]])
  expect(life.end).toMatchObject({
    ...{ status: 'done', outcome: 'acted', isAccepted: true },
    evidence: [{ step: 'later', id: 'ext_run_1:later' }],
  })
  expect(life.settled).toEqual([{ id: 'sug_run:run_1:', status: 'done' }])
})

test('chosen beside an action it is done after it; approved as it is, only the actions are done', async () => {
  const both = choosing(given([task('later', 'C')]), 'two', 'later')
  await both.run(runTasa)
  expect(done(both).map(([step]) => step)).toEqual(['two', 'later'])
  const plain = createLife({ definition: given([task('later', 'C')]) })
  await plain.run(runTasa)
  expect(done(plain).map(([step]) => step)).toEqual(['one', 'two'])
})

test('an instance that dies is followed by one that does what was chosen, once', async () => {
  const life = choosing(given([task('later', 'C')]), 'later')
  await life.run(runTasa, [{ step: 'later', phase: 'after', fate: 'kill' }])
  expect([life.instance, done(life).map(([step]) => step)]).toEqual([2, ['later']])
})

test('what is not allowed, does not hold or cannot be done is not offered', async () => {
  const alternatives = [
    task('when', 'C', { when: 'false' }),
    { id: 'mail', do: 'send_mail', input: { to: ['ana@example.com'], subject: 'x', text: 'y' } },
    task('unknown', '{{ facts.nobody.name }}'),
  ]
  const life = createLife({ definition: given(alternatives) })
  life.levels = { send_mail: 'never' }
  life.facts = { nobody: null }
  await life.run(runTasa)
  expect([...life.suggestions.values()].map((asked) => asked.alternatives)).toEqual([[]])
  expect(life.end).toMatchObject({ status: 'done', outcome: 'acted' })
})

test('where a later act fails it is taken back, unless its author said that it stays', async () => {
  const webhook = { id: 'hook', do: 'call_webhook', input: { url: 'https://x.example' } }
  const alternatives = [task('back', 'C'), task('stays', 'D', { compensate: 'none' }), webhook]
  const life = choosing(given(alternatives), 'back', 'stays', 'hook')
  life.refusals = {
    call_webhook: { status: 'failed', effectId: null, code: 'refused', detail: 'no', isRetryable: false },
  }
  await life.run(runTasa)
  expect(life.log).toEqual(['do back', 'do stays', 'undo back'])
  expect(life.end).toMatchObject({ status: 'compensated', error: { step: 'hook' } })
})

test('what a model says one could do instead stands in the body', async () => {
  const life = createLife({ definition: given([]) })
  life.findings = [{ title: 'Late', confidence: 0.8, alternatives: ['Ask for more time', 'Let it go'] }]
  await life.run(runTasa)
  expect([...life.suggestions.values()].map(({ body }) => body)).toEqual([
    'Do it?\n\nInstead:\n- Ask for more time\n- Let it go',
  ])
})

test('they are checked as every act is', async () => {
  const places = async (...args: Parameters<typeof given>) =>
    (await faultsOf(given(...args), effectInputs())).map(({ pointer }) => pointer)
  const at = '/suggestion/alternatives'
  expect(await places([task('later', 'C', { title: '{{ facts' })])).toEqual([`${at}/0/title`])
  expect(await places([task('one', 'C'), { id: 'fly', do: 'fly', input: {} }])).toEqual([`${at}/0/id`, `${at}/1/do`])
  expect(await places([task('later', '{{ steps.one.id }}', { when: 'steps.two' })])).toEqual([
    `${at}/0/when`,
    `${at}/0/input/title`,
  ])
  expect(await places([task('later', 'C')], [])).toEqual([at])
  expect(await places([task('later', 'C')])).toEqual([])
  expect(() => given(Array.from({ length: 6 }, (_, n) => task(`other${n}`, 'C')))).toThrow(/alternatives/)
  expect(callsOf(given([{ id: 'call', do: 'run_workflow', input: { workflowId: 'wfl_x' } }]))).toEqual(['wfl_x'])
})
