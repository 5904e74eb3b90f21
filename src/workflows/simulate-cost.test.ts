import { expect, inject, test } from 'vitest'
import { readConfig } from '#config'
import { createTask } from '#tasks'
import { makePerson } from '#test/database'
import { startOpenAiFake } from '#test/openai-fake'
import { makeSteward } from '#test/steward'
import { simulateWorkflow } from './simulate.ts'
import { NewWorkflow } from './workflow-schema.ts'
import { createWorkflow } from './workflows.ts'

test('a simulation says what a model may cost at most and asks none; asked for, what it spent is what the ledger has', async () => {
  const fake = await startOpenAiFake({ models: ['llama'] })
  try {
    const vars = { OPENAI_BASE_URL: fake.url, OPENAI_MODELS: 'llama=1/2@131072/8192' }
    const steward = makeSteward(() => Date.now())
    const ctx = await makePerson({ config: readConfig({ ...inject('vars'), ...vars }) })
    Object.assign(ctx, { env: { EVENTS: ctx.env.EVENTS, STEWARD: { getByName: () => steward } } })
    const rent = await createTask(ctx, { title: 'Rent' })
    const finding = { title: 'Rent is late', factIds: [rent.id], confidence: 0.7, impact: null, alternatives: [] }
    fake.on('What matters', { text: JSON.stringify({ findings: [finding] }) })
    const definition = {
      ...{ triggers: [{ kind: 'manual' }], priority: 'routine', actions: [] },
      gather: [{ name: 'open', source: 'tasks', query: {} }],
      analysis: { kind: 'model', ask: 'What matters?', maxFindings: 3 },
      suggestion: { kind: 'matters', title: 'Look at this', body: 'Now', expiresMinutes: 60 },
    }
    const { id } = await createWorkflow(ctx, NewWorkflow().parse({ name: 'Matters', definition }))
    const { cost, findings } = await simulateWorkflow(ctx, id, {})
    expect([cost.model, cost.spentMicros, findings, steward.lines()]).toEqual(['llama', 0, [], []])
    expect(cost.mostMicros).toBeGreaterThan(0)
    const asked = await simulateWorkflow(ctx, id, { askModel: true })
    expect(asked.findings).toMatchObject([{ title: 'Rent is late' }])
    const lines = steward.lines()
    expect(lines).toHaveLength(1)
    expect(asked.cost.spentMicros).toBeGreaterThan(0)
    expect(asked.cost.spentMicros).toBe(lines[0]?.costMicros)
    expect(asked.cost.spentMicros).toBeLessThanOrEqual(asked.cost.mostMicros)
    const call = (step: string, workflowId: string) => ({ id: step, do: 'run_workflow', input: { workflowId } })
    const calling = {
      ...{ ...definition, analysis: null, actions: [{ id: 'raise', do: 'create_task', input: { title: 'x' } }] },
      suggestion: { ...definition.suggestion, alternatives: [call('other', id), call('lost', ctx.newId('wfl'))] },
    }
    const caller = await createWorkflow(ctx, NewWorkflow().parse({ name: 'Calls', definition: calling }))
    const { alternatives, ...first } = await simulateWorkflow(ctx, caller.id, {})
    expect([first.cost.mostMicros, first.effects.map(({ mostMicros }) => mostMicros)]).toEqual([0, [0]])
    expect(alternatives.map(({ step, mostMicros }) => [step, mostMicros])).toEqual([
      ['other', cost.mostMicros],
      ['lost', 0],
    ])
    expect(steward.lines()).toHaveLength(1)
  } finally {
    await fake.stop()
  }
})
