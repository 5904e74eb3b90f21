import { eq } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { newId } from '#core'
import { effects } from '#effects/tables'
import { autonomyRules, suggestions } from '#proactivity/tables'
import { outbox } from '#queue/tables'
import { createTask, listTasks } from '#tasks'
import { makePerson, type Person } from '#test/database'
import type { StepPort } from './ports.ts'
import { runTasa } from './run.ts'
import { getRun } from './runs.ts'
import { simulateWorkflow } from './simulate.ts'
import { workflowRuns } from './tables.ts'
import { NewWorkflow } from './workflow-schema.ts'
import { createWorkflow } from './workflows.ts'
import { realWorld } from './world.ts'

const TRIAGE = {
  triggers: [
    { kind: 'cron', cron: '0 8 * * *' },
    { kind: 'event', type: 'task.created', when: 'trigger.data.priority == "urgent"' },
    { kind: 'webhook' },
  ],
  priority: 'routine',
  gather: [{ name: 'overdue', source: 'tasks', query: { due: 'overdue', limit: 5 } }],
  analysis: {
    kind: 'rules',
    findings: [
      {
        when: 'size(facts.overdue) > 0',
        title: '{{ size(facts.overdue) }} late',
        facts: 'facts.overdue',
        confidence: 0.8,
      },
    ],
  },
  suggestion: {
    kind: 'overdue_triage',
    title: 'Sort {{ size(facts.overdue) }} late tasks',
    body: 'Now?',
    expiresMinutes: 60,
  },
  actions: [
    {
      ...{ id: 'each', forEach: 'facts.overdue', as: 'task', max: 10 },
      steps: [{ id: 'raise', do: 'update_task', input: { id: '{{ task.id }}', priority: 'high' } }],
    },
    { id: 'pause', wait: { minutes: 30 } },
    { id: 'plan', do: 'create_task', input: { title: 'Plan at {{ now.time }}, {{ steps.each.count }} to do' } },
  ],
}

async function personWith(): Promise<{ ctx: Person; workflowId: string }> {
  const ctx = await makePerson()
  for (const title of ['Rent', 'Taxes']) await createTask(ctx, { title, due: { date: '2026-01-01' } })
  await createTask(ctx, { title: 'Fire', priority: 'urgent' })
  const { id } = await createWorkflow(ctx, NewWorkflow().parse({ name: 'Triage', definition: TRIAGE }))
  return { ctx, workflowId: id }
}

/** Runs it for real, in this process. */
async function carryOut(ctx: Person, workflowId: string) {
  const runId = newId('run', ctx.now())
  const { userId } = ctx.actor
  await ctx.db.insert(workflowRuns).values({
    ...{
      id: runId,
      userId,
      workflowId,
      definitionVersion: 1,
      triggerKind: 'manual',
      cause: runId,
      priority: 'routine',
    },
  })
  const later = { ...ctx, now: () => new Date(ctx.now().getTime() + aheadMs) }
  let aheadMs = 0
  const port: StepPort = {
    step: async (_, work) =>
      await work(realWorld({ ...later, actor: { ...ctx.actor, sessionId: null } }, { runId, instanceId: runId })),
    waitFor: async () => undefined,
    sleepUntil: async (_, untilMs) => {
      aheadMs = Math.max(aheadMs, untilMs - ctx.now().getTime())
    },
  }
  await runTasa(port)
  return await getRun(ctx, runId)
}

const rowsOf = async (ctx: Person) => {
  const { userId } = ctx.actor
  return await Promise.all([
    ctx.db.select().from(effects).where(eq(effects.userId, userId)),
    ctx.db.select().from(suggestions).where(eq(suggestions.userId, userId)),
    ctx.db.select().from(workflowRuns).where(eq(workflowRuns.userId, userId)),
    ctx.db.select({ id: outbox.id }).from(outbox).where(eq(outbox.userId, userId)),
    listTasks(ctx, { limit: 100 }),
  ])
}

test('a simulation does nothing, and says what the real run then does', async () => {
  const { ctx, workflowId } = await personWith()
  const before = await rowsOf(ctx)
  const simulated = await simulateWorkflow(ctx, workflowId, {})
  expect(await rowsOf(ctx)).toEqual(before)
  expect(simulated).toMatchObject({
    ...{ status: 'done', outcome: 'acted', suggestion: { kind: 'overdue_triage', title: 'Sort 2 late tasks' } },
    ...{ findings: [{ title: '2 late', facts: [{ kind: 'task' }, { kind: 'task' }] }] },
    cost: { model: null, mostMicros: 0, spentMicros: 0 },
  })
  expect(simulated.waits.map(({ step }) => step)).toEqual(['pause'])
  expect(simulated.effects.map(({ step, kind, autonomy, outward }) => [step, kind, autonomy, outward])).toEqual([
    ['raise.0', 'update_task', 'ask', false],
    ['raise.1', 'update_task', 'ask', false],
    ['plan', 'create_task', 'ask', false],
  ])
  expect(simulated.effects[0]?.changes).toMatchObject([{ before: { priority: 'medium' }, after: { priority: 'high' } }])
  const { userId } = ctx.actor
  const allow = { userId, workflowId: '', level: 'act_silently' as const, updatedAt: new Date() }
  await ctx.db
    .insert(autonomyRules)
    .values(['update_task', 'create_task'].map((kind) => ({ ...allow, kind, name: kind })))
  const { run, steps } = await carryOut(ctx, workflowId)
  expect(run).toMatchObject({ status: 'done', outcome: 'acted', findings: [{ title: '2 late' }] })
  expect(run.evidence.map(({ step, kind, says }) => [step, kind, says])).toEqual(
    simulated.effects.map(({ step, kind, says }) => [step, kind, says]),
  )
  expect(steps.filter(({ effectId }) => effectId !== null)).toHaveLength(3)
  const { items } = await listTasks(ctx, { limit: 10, priority: 'high' })
  expect(items.map(({ title }) => title).sort()).toEqual(['Rent', 'Taxes'])
})

test('the triggers of the last days are replayed, those of which the past does not tell are named', async () => {
  const { ctx, workflowId } = await personWith()
  const { replay } = await simulateWorkflow(ctx, workflowId, { days: 3 })
  expect(replay.untold).toEqual(['webhook'])
  const kinds = replay.firings.map(({ kind }) => kind)
  expect([kinds.filter((kind) => kind === 'cron').length, kinds.filter((kind) => kind === 'event').length]).toEqual([
    3, 1,
  ])
  expect(replay.times).toBe(4)
})

test('what may be chosen instead is shown as it would be done, where a run asks', async () => {
  const ctx = await makePerson()
  const task = await createTask(ctx, { title: 'Rent', due: { date: '2026-01-01' } })
  const later = { id: 'later', do: 'update_task', title: 'Let it wait', input: { id: task.id, priority: 'low' } }
  const mail = { id: 'mail', do: 'send_mail', input: { to: ['ana@example.com'], subject: 'Rent', text: 'Late' } }
  const gone = { id: 'gone', do: 'create_task', when: 'false', input: { title: 'never' } }
  const definition = {
    ...TRIAGE,
    suggestion: { ...TRIAGE.suggestion, alternatives: [later, mail, gone] },
    actions: [{ id: 'raise', do: 'update_task', input: { id: task.id, priority: 'high' } }],
  }
  const { id } = await createWorkflow(ctx, NewWorkflow().parse({ name: 'Rent', definition }))
  const before = await rowsOf(ctx)
  const { effects: would, alternatives } = await simulateWorkflow(ctx, id, {})
  expect(await rowsOf(ctx)).toEqual(before)
  expect(would.map(({ step }) => step)).toEqual(['raise'])
  expect(alternatives).toMatchObject([
    {
      ...{ step: 'later', kind: 'update_task', says: 'Let it wait', outward: false, reversible: true, autonomy: 'ask' },
      changes: [{ target: task.id, before: { priority: 'medium' }, after: { priority: 'low' } }],
    },
    { step: 'mail', kind: 'send_mail', outward: true, reversible: false, changes: [{ after: mail.input }] },
  ])
  // Where nothing is asked there is nothing to choose.
  const rule = { userId: ctx.actor.userId, workflowId: '', level: 'act_silently' as const, updatedAt: new Date() }
  await ctx.db.insert(autonomyRules).values({ ...rule, kind: 'update_task', name: 'update_task' })
  expect((await simulateWorkflow(ctx, id, { trigger: { kind: 'manual' } })).alternatives).toEqual([])
})

test('what a stranger may set off is shown to be asked about, as the real run asks', async () => {
  const ctx = await makePerson()
  const hook = (id: string) => ({ id, do: 'call_webhook', input: { webhookId: newId('whk', ctx.now()) } })
  const rule = { userId: ctx.actor.userId, workflowId: '', level: 'act_silently' as const, updatedAt: new Date() }
  await ctx.db.insert(autonomyRules).values({ ...rule, kind: 'call_webhook', name: 'call_webhook' })
  const levels = async (trigger: object, actions: object[], asked: { trigger?: Record<string, unknown> } = {}) => {
    const definition = { ...TRIAGE, gather: [], analysis: null, suggestion: null, triggers: [trigger], actions }
    const { id } = await createWorkflow(ctx, NewWorkflow().parse({ name: 'Hook', definition }))
    return (await simulateWorkflow(ctx, id, asked)).effects.map(({ autonomy }) => autonomy)
  }
  expect(await levels({ kind: 'webhook' }, [hook('one')])).toEqual(['ask'])
  expect(await levels({ kind: 'manual' }, [hook('one')])).toEqual(['act_silently'])
  expect(
    await levels({ kind: 'manual' }, [hook('one')], { trigger: { kind: 'event', type: 'mail.received' } }),
  ).toEqual(['ask'])
  // What answers is a stranger too.
  expect(await levels({ kind: 'manual' }, [hook('one'), hook('two')])).toEqual(['act_silently', 'ask'])
})

test('a stranger has nothing to simulate', async () => {
  const { workflowId } = await personWith()
  await expect(simulateWorkflow(await makePerson(), workflowId, {})).rejects.toMatchObject({ code: 'not_found' })
})
