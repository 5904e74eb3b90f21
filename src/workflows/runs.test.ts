import { and, eq } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { type Ctx, newId } from '#core'
import { notifications } from '#notifications/tables'
import { outbox } from '#queue/tables'
import { makePerson, type Person, revoke } from '#test/database'
import { makePlatform } from '#test/workflow-platform'
import { runSubscriber, sweepRuns } from './begin.ts'
import { Definition } from './definition.ts'
import { countInstances, eraseInstances } from './forget.ts'
import { beginRun, endRun, keepStep, markRun, PAUSE_AFTER } from './record.ts'
import type { RunEnd } from './run-schema.ts'
import { answerRun, cancelRun, getRun, listRuns, retryRun } from './runs.ts'
import { workflowRuns, workflows, workflowVersions } from './tables.ts'

const ENDS: Record<'acted' | 'failed' | 'nothing', RunEnd> = {
  acted: {
    ...{ status: 'done', outcome: 'acted', reason: null, error: null, parked: [], isAccepted: true },
    evidence: [
      { step: 'one', kind: 'create_task', says: 'Made', effectId: 'eff_1', id: 'task_1', provider: 'aurelius' },
    ],
  },
  failed: {
    ...{ status: 'failed', outcome: 'failed', reason: 'unavailable', parked: [], isAccepted: null, evidence: [] },
    error: { code: 'unavailable', detail: 'gone', step: 'one' },
  },
  nothing: {
    ...{ status: 'done', outcome: 'nothing', reason: 'quiet_hours', error: null, parked: [], isAccepted: null },
    evidence: [],
  },
}

async function makeWorkflow(ctx: Person): Promise<string> {
  const id = newId('wfl', ctx.now())
  const { userId } = ctx.actor
  const definition = Definition().parse({
    ...{ triggers: [{ kind: 'manual' }], priority: 'routine', gather: [], analysis: null, suggestion: null },
    actions: [{ id: 'one', do: 'create_task', input: { title: 'A' } }],
  })
  await ctx.db.insert(workflows).values({ id, userId, name: 'Morning', savesMinutes: 4 })
  await ctx.db.insert(workflowVersions).values({ id: `${id}.1`, workflowId: id, version: 1, userId, definition })
  return id
}

async function makeRun(ctx: Person, workflowId: string): Promise<string> {
  const id = newId('run', ctx.now())
  const { userId } = ctx.actor
  const given = { triggerKind: 'event', cause: id, priority: 'routine' as const, definitionVersion: 1 }
  await ctx.db.insert(workflowRuns).values({ ...given, id, userId, workflowId, trigger: { type: 'task.created' } })
  return id
}

async function world(over: Partial<Ctx> = {}) {
  const platform = makePlatform()
  const ctx = await makePerson({ env: platform.env, ...over })
  const workflowId = await makeWorkflow(ctx)
  const runId = await makeRun(ctx, workflowId)
  return { ...platform, ctx, workflowId, runId, holder: { runId, instanceId: runId } }
}

test('an instance takes a run with all it is made of, and no other instance has it then', async () => {
  const { ctx, holder, runId, workflowId } = await world()
  const begun = await beginRun(ctx, holder)
  expect(begun).toMatchObject({ id: runId, workflowId, name: 'Morning', trigger: { type: 'task.created' }, kept: {} })
  expect(begun?.definition.actions).toHaveLength(1)
  expect(await beginRun(ctx, holder)).not.toBeNull()
  const other = { ...holder, instanceId: `${runId}-2` }
  expect(await beginRun(ctx, other)).toBeNull()
  expect(await markRun(ctx, other, { status: 'waiting' })).toBe(false)
  expect((await getRun(ctx, runId)).run.status).toBe('running')
})

test('what a step found first stays, and whoever begins after is given it', async () => {
  const { ctx, holder, runId } = await world()
  await beginRun(ctx, holder)
  await markRun(ctx, holder, { status: 'running', doing: { step: 'one', kind: 'create_task', status: 'running' } })
  const done = { step: 'one', kind: 'create_task', status: 'done' as const, says: 'Made A', effectId: 'eff_1' }
  expect(JSON.parse((await keepStep(ctx, holder, done, '{"n":1}')) ?? '')).toEqual({ n: 1 })
  expect(JSON.parse((await keepStep(ctx, holder, done, '{"n":2}')) ?? '')).toEqual({ n: 1 })
  expect(JSON.parse((await beginRun(ctx, holder))?.kept['one'] ?? '')).toEqual({ n: 1 })
  const { steps } = await getRun(ctx, runId)
  expect(steps).toMatchObject([{ step: 'one', status: 'done', says: 'Made A', effectId: 'eff_1', attempts: 1 }])
  await cancelRun(ctx, runId)
  expect(await keepStep(ctx, holder, { ...done, step: 'two' }, '{}')).toBeNull()
  expect((await getRun(ctx, runId)).steps.map(({ step }) => step)).toEqual(['one', 'two'])
})

test('each turn of a run is told to whoever listens to it', async () => {
  const { ctx, holder, runId } = await world()
  await beginRun(ctx, holder)
  await markRun(ctx, holder, { status: 'waiting', until: '2999-01-01T00:00:00.000Z' })
  await endRun(ctx, holder, ENDS.acted)
  const told = await ctx.db
    .select({ room: outbox.room, data: outbox.data })
    .from(outbox)
    .where(eq(outbox.key, runId))
    .orderBy(outbox.version)
  expect(told.map(({ room, data }) => [room, Object(data).status])).toEqual([
    [`run:${runId}`, 'running'],
    [`run:${runId}`, 'waiting'],
    [`run:${runId}`, 'done'],
  ])
})

test('a run ends once, and one that did something saved what its workflow says', async () => {
  const { ctx, holder, runId } = await world()
  await beginRun(ctx, holder)
  expect(await endRun(ctx, holder, ENDS.acted)).toBe(true)
  expect(await endRun(ctx, holder, ENDS.failed)).toBe(false)
  const { run } = await getRun(ctx, runId)
  expect(run).toMatchObject({ status: 'done', outcome: 'acted', savedMinutes: 4, accepted: true })
  expect(run.evidence).toMatchObject([{ id: 'task_1', provider: 'aurelius' }])
  expect(await beginRun(ctx, holder)).toBeNull()
})

test(`a workflow that failed ${PAUSE_AFTER} times in a row is paused, and the person told once; a success in between counts anew`, async () => {
  const { ctx, workflowId } = await world()
  const statusOf = async () => {
    const [row] = await ctx.db.select().from(workflows).where(eq(workflows.id, workflowId))
    return row?.status
  }
  const end = async (as: keyof typeof ENDS) => {
    const runId = await makeRun(ctx, workflowId)
    const holder = { runId, instanceId: runId }
    await beginRun(ctx, holder)
    await endRun(ctx, holder, ENDS[as])
    return await statusOf()
  }
  for (let n = 1; n < PAUSE_AFTER; n++) expect(await end('failed')).toBe('enabled')
  await end('acted')
  for (let n = 1; n < PAUSE_AFTER; n++) expect(await end('failed')).toBe('enabled')
  expect(await toldOf(ctx)).toEqual([])
  expect(await end('failed')).toBe('paused')
  expect(await end('failed')).toBe('paused')
  const [row] = await ctx.db.select().from(workflows).where(eq(workflows.id, workflowId))
  expect(row).toMatchObject({ status: 'paused', pausedReason: 'failing', failuresInRow: PAUSE_AFTER + 1 })
  const told = await ctx.db
    .select()
    .from(outbox)
    .where(and(eq(outbox.key, workflowId), eq(outbox.type, 'workflow.updated')))
  expect(told).toMatchObject([{ version: row?.version, data: { status: 'paused', pausedReason: 'failing' } }])
  expect(await toldOf(ctx)).toEqual([['run', '"Morning" is paused']])
})

/** What the person was told once all that happened was heard of, also twice. */
async function toldOf(ctx: Person) {
  const events = await ctx.db.select().from(outbox).where(eq(outbox.userId, ctx.actor.userId)).orderBy(outbox.version)
  const heard = events.filter(({ type }) => type === 'run.updated').map((one) => ({ ...one, at: '' }))
  for (const event of [...heard, ...heard]) await runSubscriber.handle(ctx, [event])
  const told = await ctx.db.select().from(notifications).where(eq(notifications.userId, ctx.actor.userId))
  return told.map(({ kind, title }) => [kind, title])
}

test('the run of a workflow that was deleted ends before it does anything', async () => {
  const { ctx, holder, runId, workflowId } = await world()
  await ctx.db.update(workflows).set({ deletedAt: new Date() }).where(eq(workflows.id, workflowId))
  expect(await beginRun(ctx, holder)).toBeNull()
  expect((await getRun(ctx, runId)).run).toMatchObject({ status: 'cancelled', reason: 'workflow_deleted' })
})

test('runs are listed newest first, by workflow and by status, a page at a time', async () => {
  const { ctx, runId, workflowId, holder } = await world()
  const second = await makeRun(ctx, workflowId)
  const third = await makeRun(ctx, await makeWorkflow(ctx))
  const page = await listRuns(ctx, { limit: 2 })
  expect(page.items.map(({ id }) => id)).toEqual([third, second])
  const rest = await listRuns(ctx, { limit: 2, cursor: page.nextCursor ?? '' })
  expect([rest.items.map(({ id }) => id), rest.nextCursor]).toEqual([[runId], null])
  await beginRun(ctx, holder)
  expect((await listRuns(ctx, { limit: 5, workflowId, status: 'running' })).items.map(({ id }) => id)).toEqual([runId])
  const stranger = await makePerson()
  expect((await listRuns(stranger, { limit: 5 })).items).toEqual([])
  await expect(getRun(stranger, runId)).rejects.toMatchObject({ code: 'not_found' })
  await expect(cancelRun(stranger, runId)).rejects.toMatchObject({ code: 'not_found' })
})

test('cancelled, a run ends where it stands, its instance with it; again it changes nothing', async () => {
  const { ctx, env, holder, instances, runId } = await world()
  await runSubscriber.handle(ctx, [requested(ctx, runId)])
  await beginRun(ctx, holder)
  const cancelled = await cancelRun(ctx, runId)
  expect(cancelled).toMatchObject({ status: 'cancelled', outcome: 'cancelled' })
  expect(instances.get(runId)?.terminated).toBe(true)
  expect(await cancelRun(ctx, runId)).toEqual(cancelled)
  expect(await markRun(ctx, holder, { status: 'running' })).toBe(false)
  await revoke(ctx)
  await expect(cancelRun({ ...ctx, env }, runId)).rejects.toThrow()
})

test('a run that failed is run again, once, by the version it had', async () => {
  const { ctx, holder, runId } = await world()
  await beginRun(ctx, holder)
  await expect(retryRun(ctx, runId)).rejects.toMatchObject({ code: 'conflict' })
  await endRun(ctx, holder, ENDS.failed)
  const again = await retryRun(ctx, runId)
  expect(again).toMatchObject({ status: 'requested', retryOf: runId, definitionVersion: 1 })
  expect((await retryRun(ctx, runId)).id).toBe(again.id)
  const [event] = await ctx.db.select().from(outbox).where(eq(outbox.key, again.id))
  expect(event).toMatchObject({ type: 'run.requested', room: null })
})

const requested = (ctx: Person, id: string) => ({
  ...{ id: `${id}.1.run.requested`, type: 'run.requested', userId: ctx.actor.userId, room: null, key: id, version: 1 },
  ...{ data: { id, version: 1 }, at: '' },
})
const decided = (ctx: Person, runId: string, decision: string, id = `sug_${runId.slice(4)}`) => ({
  ...{ id: `${id}.2.suggestion.decided`, type: 'suggestion.decided', userId: ctx.actor.userId, room: null, key: id },
  ...{ version: 2, at: '' },
  data: { id, decision, actions: [{}], source: { kind: 'run', runId } },
})

test('asked for twice, a run has one instance', async () => {
  const { ctx, instances, runId } = await world()
  await runSubscriber.handle(ctx, [requested(ctx, runId)])
  await runSubscriber.handle(ctx, [requested(ctx, runId), requested(ctx, runId)])
  expect([...instances.keys()]).toEqual([runId])
})

test('a decision is kept for the run and wakes it; heard again, the first one stands', async () => {
  const { ctx, holder, instances, runId } = await world()
  await runSubscriber.handle(ctx, [requested(ctx, runId)])
  await beginRun(ctx, holder)
  await runSubscriber.handle(ctx, [decided(ctx, runId, 'approved')])
  await runSubscriber.handle(ctx, [decided(ctx, runId, 'dismissed')])
  expect(instances.get(runId)?.woken).toEqual(['decided', 'decided'])
  const said = (await getRun(ctx, runId)).steps.filter(({ kind }) => kind === 'decision')
  expect(said).toMatchObject([{ says: 'approved', status: 'done' }])
})

test('a yes to what a run had not said, and had ended without, begins it again', async () => {
  const { ctx, holder, instances, runId } = await world()
  await beginRun(ctx, holder)
  await endRun(ctx, holder, ENDS.nothing)
  await runSubscriber.handle(ctx, [decided(ctx, runId, 'dismissed', 'sug_a')])
  expect(instances.size).toBe(0)
  await runSubscriber.handle(ctx, [decided(ctx, runId, 'approved', 'sug_b')])
  expect([...instances.keys()]).toEqual([`${runId}-2`])
  expect(await beginRun(ctx, { runId, instanceId: `${runId}-2` })).not.toBeNull()
})

test('a question is answered once, by the step that asks', async () => {
  const { ctx, holder, instances, runId } = await world()
  await runSubscriber.handle(ctx, [requested(ctx, runId)])
  await beginRun(ctx, holder)
  await expect(answerRun(ctx, runId, { step: 'ask', answer: 'yes' })).rejects.toMatchObject({ code: 'conflict' })
  const question = { step: 'ask', question: 'Go on?', choices: ['yes', 'no'], expiresAt: '2999-01-01T00:00:00.000Z' }
  await keepStep(ctx, holder, { step: 'ask:ask', kind: 'question', status: 'waiting' }, JSON.stringify(question))
  expect((await getRun(ctx, runId)).question).toEqual(question)
  const other = answerRun(ctx, runId, { step: 'ask', answer: 'green' })
  await expect(other).rejects.toMatchObject({ code: 'invalid_request', errors: [{ pointer: '/answer' }] })
  await answerRun(ctx, runId, { step: 'ask', answer: 'yes' })
  await answerRun(ctx, runId, { step: 'ask', answer: 'no' })
  expect(instances.get(runId)?.woken).toEqual(['answered', 'answered'])
  expect(JSON.parse((await beginRun(ctx, holder))?.kept['ask:answer'] ?? '')).toEqual({ answer: 'yes' })
})

test('what was lost is begun again where it was, a few times, and then ended with notice', async () => {
  const { ctx, holder, instances, runId } = await world()
  await beginRun(ctx, holder)
  await sweepRuns(ctx)
  expect(instances.has(`${runId}-2`)).toBe(false)
  const lose = () =>
    ctx.db
      .update(workflowRuns)
      .set({ deadlineAt: new Date(0) })
      .where(eq(workflowRuns.id, runId))
  for (let n = 2; n <= 6; n++) {
    await lose()
    await sweepRuns(ctx)
    expect(instances.has(`${runId}-${n}`)).toBe(true)
  }
  expect(await markRun(ctx, holder, { status: 'running' })).toBe(false)
  await lose()
  await sweepRuns(ctx)
  expect(instances.has(`${runId}-7`)).toBe(false)
  expect((await getRun(ctx, runId)).run).toMatchObject({ status: 'failed', reason: 'stuck', error: { code: 'stuck' } })
  expect(await toldOf(ctx)).toEqual([['run', '"Morning" got stuck and was ended']])
})

test('the platform forgets every instance of who is erased, and of nobody else', async () => {
  const { ctx, holder, instances, runId } = await world()
  await runSubscriber.handle(ctx, [requested(ctx, runId)])
  await beginRun(ctx, holder)
  await ctx.db
    .update(workflowRuns)
    .set({ deadlineAt: new Date(0) })
    .where(eq(workflowRuns.id, runId))
  await sweepRuns(ctx)
  expect([...instances.keys()]).toEqual([runId, `${runId}-2`])
  const { userId } = ctx.actor
  expect(await countInstances(ctx, userId)).toBe(1)
  await eraseInstances(ctx, (await makePerson()).actor.userId)
  expect(instances.size).toBe(2)
  await eraseInstances(ctx, userId)
  await eraseInstances(ctx, userId)
  expect([instances.size, await countInstances(ctx, userId)]).toEqual([0, 0])
  expect(await markRun(ctx, { runId, instanceId: `${runId}-2` }, { status: 'running' })).toBe(false)
})
