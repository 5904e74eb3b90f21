import { expect, test } from 'vitest'
import { makeLearner, offer } from '#test/suggestions'
import { type GateAsk, gate, listSilences } from './gate.ts'
import { propose } from './propose.ts'
import { setSettings } from './settings.ts'

const MONDAY = '2026-11-23T09:00:00.000Z'
const ask = (over: Partial<GateAsk> = {}): GateAsk => ({
  ...{ kind: 'triage', factsHash: 'a', priority: 'routine', needsModel: true, workflowId: null },
  ...over,
})
const shut = (reason: string) => ({ open: false, reason })

test('facts are looked into once, and again when they are others', async () => {
  const { ctx } = await makeLearner(MONDAY)
  expect(await gate(ctx, ask())).toEqual({ open: true })
  expect(await gate(ctx, ask())).toEqual(shut('nothing_new'))
  expect(await gate(ctx, ask({ workflowId: 'wf_1' }))).toEqual({ open: true })
  expect(await gate(ctx, ask({ factsHash: 'b' }))).toEqual({ open: true })
  expect(await gate(ctx, ask({ factsHash: 'a' }))).toEqual({ open: true })
})

test('of many who ask at once about the same facts one is let in', async () => {
  const { ctx } = await makeLearner(MONDAY)
  const told = await Promise.all(Array.from({ length: 6 }, () => gate(ctx, ask())))
  expect(told.filter(({ open }) => open)).toHaveLength(1)
})

test('who asks again for the same step is answered as before', async () => {
  const { ctx } = await makeLearner(MONDAY)
  expect(await gate(ctx, ask({ askId: 'run_1' }))).toEqual({ open: true })
  expect(await gate(ctx, ask({ askId: 'run_1' }))).toEqual({ open: true })
  expect(await gate(ctx, ask({ askId: 'run_2' }))).toEqual(shut('nothing_new'))
})

test('what a limit kept from being looked into is still new when the limit is gone', async () => {
  const learner = await makeLearner(MONDAY)
  const { ctx } = learner
  const { kind } = offer()
  await propose(ctx, offer({ kind }, learner.clock.now))
  expect(await gate(ctx, ask({ kind }))).toEqual(shut('cooldown'))
  learner.pass(240)
  expect(await gate(ctx, ask({ kind }))).toEqual({ open: true })
})

test('without a budget for it no model is asked; rules go on', async () => {
  const { ctx, steward } = await makeLearner(MONDAY)
  await steward.setBudget({ isPaused: true })
  expect(await gate(ctx, ask())).toEqual(shut('budget'))
  expect(await gate(ctx, ask({ needsModel: false }))).toEqual({ open: true })
})

test('each silence is counted with its reason, until something is looked into', async () => {
  const { ctx } = await makeLearner(MONDAY)
  await setSettings(ctx, { muted: ['finance'] }, '*')
  await gate(ctx, ask())
  for (let n = 0; n < 3; n++) await gate(ctx, ask())
  await gate(ctx, ask({ kind: 'finance' }))
  const { items } = await listSilences(ctx)
  expect(items).toHaveLength(2)
  expect(items).toContainEqual({ kind: 'triage', workflowId: null, reason: 'nothing_new', times: 3, at: MONDAY })
  expect(items).toContainEqual({ kind: 'finance', workflowId: null, reason: 'muted', times: 1, at: MONDAY })
  await gate(ctx, ask({ factsHash: 'b' }))
  expect((await listSilences(ctx)).items).toMatchObject([{ kind: 'finance' }])
})
