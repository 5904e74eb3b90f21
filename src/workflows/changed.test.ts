import { expect, test } from 'vitest'
import { z } from 'zod'
import { calendarTools } from '#calendar'
import { completeTask, createTask, updateTask } from '#tasks'
import { makePerson } from '#test/database'
import { createLife } from '#test/run-world'
import { setPreferences } from '#users'
import { Definition } from './definition.ts'
import { changedSince, gather } from './gather.ts'
import { runTasa } from './run.ts'

const Slots = z.array(z.object({ date: z.string(), time: z.string() }))
const ofTask = (id: string, title: string) => ({ id, do: 'create_task', input: { title } })
const definition = Definition().parse({
  ...{ triggers: [{ kind: 'manual' }], priority: 'routine', suggestion: null },
  gather: [{ name: 'open', source: 'tasks', query: { limit: 3 } }],
  analysis: { kind: 'model', ask: 'What?', maxFindings: 3 },
  actions: [
    ofTask('one', 'Call task_a'),
    ofTask('two', 'Call task_b'),
    { id: 'told', do: 'notify', input: { title: 'Look at task_a' } },
  ],
})

test('what is allowed is asked about all the same where it comes from what changed while it was analysed', async () => {
  type Level = 'act_silently' | 'act_and_tell' | 'never'
  const doneWith = async (level: Level, changed: string[], cited: string[] = []) => {
    const life = createLife({ definition })
    const facts = cited.map((id) => ({ kind: 'task' as const, id, says: id }))
    Object.assign(life, { levels: { create_task: level }, changed, findings: [{ title: 'x', confidence: 1, facts }] })
    await life.run(runTasa)
    expect(life.end?.status).toBe('done')
    const asked = [...life.suggestions.values()].map(({ actions, body }) => [actions.map(({ id }) => id), body])
    return { asked, done: [...life.effects.values()].map(({ step, isAgreed }) => [step, isAgreed]) }
  }
  const done = (one: boolean, two: boolean) => [
    ['one', one],
    ['two', two],
    ['told', false],
  ]
  const why = expect.stringContaining('has changed since')
  for (const changed of [[], ['task_c']])
    expect(await doneWith('act_silently', changed)).toEqual({ asked: [], done: done(false, false) })
  const named = { asked: [[['one'], why]], done: done(true, false) }
  expect(await doneWith('act_silently', ['task_a'])).toEqual(named)
  expect(await doneWith('act_and_tell', ['task_a'])).toEqual(named)
  // What has no id can be cited by nothing: all may rest on it.
  expect(await doneWith('act_silently', ['*'])).toEqual({ asked: [[['one', 'two'], why]], done: done(true, true) })
  const cited = { asked: [[['one', 'two'], why]], done: done(true, true) }
  expect(await doneWith('act_silently', ['task_c'], ['task_c'])).toEqual(cited)
  expect(await doneWith('never', ['task_a'])).toEqual({ asked: [], done: [['told', false]] })
})

test('a fact has changed when it is another or gone, not when a day has passed or more is found beside it', async () => {
  const ctx = await makePerson({ now: () => new Date('2026-11-23T09:00:00Z') })
  const run = { definition, params: {}, trigger: {} }
  const [rent, tax] = [
    await createTask(ctx, { title: 'Rent', due: { date: '2026-11-20' } }),
    await createTask(ctx, { title: 'Tax', due: { date: '2026-11-21' } }),
  ]
  // In whatever order of names it comes back from where it is kept.
  const { facts, ...rest } = await gather(ctx, run)
  const turned = (one: object) => Object.fromEntries(Object.entries(one).reverse())
  const before = { ...rest, facts: { ...facts, open: [facts['open']].flat().map((one) => turned(Object(one))) } }
  const tomorrow = { ...ctx, now: () => new Date('2026-11-24T09:00:00Z') }
  const changed = async () => await changedSince(tomorrow, run, before)
  await createTask(ctx, { title: 'Later', due: { date: '2026-12-24' } })
  expect(await changed()).toEqual([])
  await updateTask(ctx, tax.id, { notes: 'Paid' }, '*')
  expect(await changed()).toEqual([tax.id])
  await completeTask(ctx, rent.id)
  expect((await changed()).sort()).toEqual([rent.id, tax.id].sort())
})

test('of what has no id, one that is gone or another makes all of it old; that the clock went on does not', async () => {
  const ctx = await makePerson({ now: () => new Date('2026-11-23T09:00:00Z') })
  const of = (source: object) => ({
    ...{ params: {}, trigger: {} },
    definition: Definition().parse({ ...definition, gather: [{ name: 'it', ...source }] }),
  })
  const free = of({ source: 'free_time', query: { from: 'today', to: 'tomorrow', minutes: 60, limit: 5 } })
  const [numbers, settings] = [of({ source: 'insights' }), of({ source: 'preferences' })]
  await createTask(ctx, { title: 'Rent', due: { date: '2026-11-23', time: '09:30' } })
  const before = await gather(ctx, free)
  const [slot] = Slots.parse(before.facts['it'])
  const [counted, set] = [await gather(ctx, numbers), await gather(ctx, settings)]
  const later = { ...ctx, now: () => new Date('2026-11-24T10:20:00Z') }
  const changed = async () =>
    Promise.all([
      changedSince(later, free, before),
      changedSince(later, numbers, counted),
      changedSince(later, settings, set),
    ])
  for (const one of [free, numbers]) expect((await gather(later, one)).hash).not.toBe((await gather(ctx, one)).hash)
  expect(await changed()).toEqual([[], [], []])
  await createTask(ctx, { title: 'Tax' })
  expect(await changed()).toEqual([[], ['*'], []])
  await calendarTools.find(({ name }) => name === 'create_event')?.run(ctx, { title: 'Dentist', start: slot })
  expect(await changed()).toEqual([['*'], ['*'], []])
  await setPreferences(ctx, { workingHours: { from: '10:00', to: '12:00', days: [1] } })
  expect(await changed()).toEqual([['*'], ['*'], ['*']])
})
