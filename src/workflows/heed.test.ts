import { eq } from 'drizzle-orm'
import { expect, test, vi } from 'vitest'
import { newId } from '#core'
import { effects } from '#effects/tables'
import { propose, suggestionSubscriber } from '#proactivity'
import { suggestions } from '#proactivity/tables'
import { outbox } from '#queue/tables'
import { endOf, leftCall } from '#test/left-call'
import { act, makeLearner, offer } from '#test/suggestions'
import { makePlatform } from '#test/workflow-platform'
import { runSubscriber, sweepRuns } from './begin.ts'
import { Definition } from './definition.ts'
import { amendStep, beginRun, endRun, keepStep, markRun } from './record.ts'
import type { RunEnd } from './run-schema.ts'
import { answerRun, cancelRun, getRun, retryRun } from './runs.ts'
import { runSteps, workflowRuns, workflows, workflowVersions } from './tables.ts'
import { realWorld } from './world.ts'

const end = (outcome: RunEnd['outcome'], status: RunEnd['status'] = 'done'): RunEnd => ({
  ...{ status, outcome, reason: null, error: null, parked: [], isAccepted: null, evidence: [] },
})

/** A person with a workflow, whose runs begin instances that are only remembered. */
async function world() {
  const { ctx: person, pass, clock } = await makeLearner('2026-11-23T12:00:00.000Z')
  const { env, instances } = makePlatform()
  const both = new Proxy(person.env, { get: (at, name) => Reflect.get(name === 'TASA_RUN' ? env : at, name) })
  const ctx = Object.assign(person, { env: both })
  const { userId } = ctx.actor
  const workflowId = newId('wfl', ctx.now())
  const definition = Definition().parse({
    ...{ triggers: [{ kind: 'manual' }], priority: 'routine', gather: [], analysis: null, suggestion: null },
    actions: [{ id: 'one', do: 'create_task', input: { title: 'A' } }],
  })
  await ctx.db.insert(workflows).values({ id: workflowId, userId, name: 'Morning' })
  await ctx.db.insert(workflowVersions).values({ id: `${workflowId}.1`, workflowId, version: 1, userId, definition })
  const run = async (over: { concurrencyKey?: string } = {}) => {
    const id = newId('run', ctx.now())
    const given = { triggerKind: 'event', cause: id, priority: 'routine' as const, definitionVersion: 1, ...over }
    await ctx.db.insert(workflowRuns).values({ ...given, id, userId, workflowId })
    await beginRun(ctx, { runId: id, instanceId: id })
    return { runId: id, instanceId: id }
  }
  const ask = async (runId: string, over: Parameters<typeof offer>[0] = {}) =>
    (await propose(ctx, offer({ source: { kind: 'run', runId }, actions: [act('one')], ...over }, clock.now))).id
  const statusOf = async (id: string) =>
    (await ctx.db.select().from(suggestions).where(eq(suggestions.id, id)))[0]?.status
  /** The person says yes, and all that follows is heard of, twice. */
  const approve = async (id: string) => {
    await ctx.db
      .update(suggestions)
      .set({ status: 'approved', agreed: (await actionsOf(id)) ?? [], decidedAt: ctx.now() })
      .where(eq(suggestions.id, id))
    const [row] = await ctx.db.select().from(suggestions).where(eq(suggestions.id, id))
    const data = {
      ...{ id, kind: row?.kind, decision: 'approved', actions: row?.agreed, source: row?.source, isEdited: false },
      ...{ teaches: true, moment: row?.moment, title: row?.title },
    }
    const event = { id: `${id}.2.suggestion.decided`, type: 'suggestion.decided', userId, room: null, key: id }
    for (const subscriber of [suggestionSubscriber, runSubscriber, suggestionSubscriber, runSubscriber])
      await subscriber.handle(ctx, [{ ...event, version: 2, at: '', data }])
  }
  const actionsOf = async (id: string) =>
    (await ctx.db.select().from(suggestions).where(eq(suggestions.id, id)))[0]?.actions
  const hold = async (runId: string) => {
    const id = newId('eff', ctx.now())
    const given = {
      kind: 'send_mail',
      input: {},
      says: 'Mail Ada',
      changes: [],
      outward: true,
      tainted: false,
      agreed: true,
    }
    await ctx.db.insert(effects).values({
      ...{ ...given, id, userId, key: id, status: 'held', origin: 'run', runId, step: 'mail' },
      heldUntil: new Date(ctx.now().getTime() + 20_000),
    })
    return async () => (await ctx.db.select().from(effects).where(eq(effects.id, id)))[0]?.status
  }
  const leave = async (runId: string) => {
    const callId = await leftCall(ctx)
    const of = { runId, step: ':leave', userId, kind: 'analyse', status: 'done' as const }
    await ctx.db.insert(runSteps).values({ ...of, id: `${runId}.leave`, output: { callId, untilMs: 0 } })
    return () => endOf(ctx, callId)
  }
  return { ctx, instances, run, ask, approve, statusOf, hold, leave, pass }
}

test.each(['acted', 'nothing', 'expired'] as const)(
  'a yes to what a run that ended as %s left undone begins it again, once',
  async (outcome) => {
    const { ctx, instances, run, ask, approve } = await world()
    const holder = await run()
    const id = await ask(holder.runId)
    await endRun(ctx, holder, end(outcome, outcome === 'expired' ? 'expired' : 'done'))
    await approve(id)
    const again = { runId: holder.runId, instanceId: `${holder.runId}-2` }
    expect([...instances.keys()]).toEqual([again.instanceId])
    expect(await beginRun(ctx, again)).not.toBeNull()
    await endRun(ctx, again, end('acted'))
    await approve(id)
    expect([instances.size, (await getRun(ctx, holder.runId)).run.status]).toEqual([1, 'done'])
  },
)

test('a yes that comes as the run ends is not lost', async () => {
  const { ctx, instances, run, ask, approve } = await world()
  const holder = await run()
  const [id, other] = [await ask(holder.runId), await ask(holder.runId)]
  await approve(id)
  const own = realWorld(ctx, holder)
  await own.end(end('acted'))
  await own.goOn([other])
  expect(instances.size).toBe(0)
  await own.goOn([other, id])
  expect([...instances.keys()]).toEqual([`${holder.runId}-2`])
})

test('begun again, a run leaves its key to another that has it by now', async () => {
  const { ctx, instances, run, ask, approve } = await world()
  const first = await run({ concurrencyKey: 'k' })
  const id = await ask(first.runId)
  await endRun(ctx, first, end('expired', 'expired'))
  const second = await run({ concurrencyKey: 'k' })
  await approve(id)
  expect(instances.has(`${first.runId}-2`)).toBe(true)
  const keys = await ctx.db
    .select({ id: workflowRuns.id, key: workflowRuns.concurrencyKey })
    .from(workflowRuns)
    .where(eq(workflowRuns.userId, ctx.actor.userId))
  expect(Object.fromEntries(keys.map(({ id: of, key }) => [of, key]))).toEqual({
    [first.runId]: null,
    [second.runId]: 'k',
  })
  await endRun(ctx, second, end('failed', 'failed'))
  await run({ concurrencyKey: 'k' })
  await expect(retryRun(ctx, second.runId)).rejects.toThrow('A run for the same thing has not ended')
})

test('a yes that no run can carry out any more is settled, and one to what was only told too', async () => {
  const { ctx, instances, run, ask, approve, statusOf } = await world()
  const failed = await run()
  const id = await ask(failed.runId)
  await endRun(ctx, failed, end('failed', 'failed'))
  await approve(id)
  expect([await statusOf(id), instances.size]).toEqual(['failed', 0])
  const told = await run()
  const said = await ask(told.runId, { actions: [], title: 'Keep the streak', kind: 'streak' })
  await endRun(ctx, told, end('suggested'))
  await approve(said)
  expect([await statusOf(said), instances.size]).toEqual(['done', 0])
})

test('the same may be told again another day', async () => {
  const { ctx, run, ask, approve, statusOf, pass } = await world()
  const tell = async () => {
    const holder = await run()
    const id = await ask(holder.runId, { actions: [], title: 'Keep the streak', kind: 'streak' })
    await endRun(ctx, holder, end('suggested'))
    return id
  }
  await approve(await tell())
  pass(24 * 60)
  expect(await statusOf(await tell())).toBe('proposed')
})

test('of a run that is cancelled nothing more is asked, also of a model, and what it holds back is not done', async () => {
  const { ctx, run, ask, statusOf, hold, leave } = await world()
  const { runId } = await run()
  const [offered, agreed] = [await ask(runId), await ask(runId)]
  await ctx.db.update(suggestions).set({ status: 'approved' }).where(eq(suggestions.id, agreed))
  const [held, left] = [await hold(runId), await leave(runId)]
  await cancelRun(ctx, runId)
  expect([await statusOf(offered), await statusOf(agreed), await held()]).toEqual(['expired', 'failed', 'cancelled'])
  expect(await left()).toBe('failed cancelled')
})

test('of a run that was given up as well, and the person hears of it even where the machine died over it', async () => {
  const { ctx, run, ask, statusOf, hold, leave } = await world()
  const { runId } = await run()
  const offered = await ask(runId)
  const [held, left] = [await hold(runId), await leave(runId)]
  await ctx.db
    .update(workflowRuns)
    .set({ deadlineAt: new Date(0), instanceId: `${runId}-6` })
    .where(eq(workflowRuns.id, runId))
  await sweepRuns(ctx)
  const { run: ended } = await getRun(ctx, runId)
  expect([ended.reason, ended.parked, await statusOf(offered), await held()]).toEqual([
    'stuck',
    [],
    'expired',
    'cancelled',
  ])
  expect(await left()).toBe('failed cancelled')
  const told = await ctx.db.select().from(outbox).where(eq(outbox.key, runId))
  expect(told.some(({ type, data }) => type === 'run.updated' && Object(data).reason === 'stuck')).toBe(true)
})

test('of the run of a workflow that was deleted nothing more is asked', async () => {
  const { ctx, run, ask, statusOf } = await world()
  const holder = await run()
  const offered = await ask(holder.runId)
  await ctx.db.update(workflows).set({ deletedAt: new Date() }).where(eq(workflows.userId, ctx.actor.userId))
  expect(await beginRun(ctx, holder)).toBeNull()
  expect(await statusOf(offered)).toBe('expired')
})

test('an instance that lost its run writes nothing of it but what it has done', async () => {
  const { ctx, run } = await world()
  const lost = await run()
  const { runId } = lost
  const stepsOf = async () => (await getRun(ctx, runId)).steps.map(({ step, status }) => [step, status])
  await keepStep(ctx, lost, { step: 'ask:ask', kind: 'question', status: 'waiting' }, '{}')
  await ctx.db
    .update(workflowRuns)
    .set({ instanceId: `${runId}-2` })
    .where(eq(workflowRuns.id, runId))
  expect(await markRun(ctx, lost, { status: 'running', doing: { step: 'two', kind: 'x', status: 'running' } })).toBe(
    false,
  )
  expect(await keepStep(ctx, lost, { step: ':take back', kind: 'take_back', status: 'done' }, '{}')).toBeNull()
  await amendStep(ctx, lost, { step: 'ask:ask', kind: 'question', status: 'skipped' })
  expect(await stepsOf()).toEqual([['ask:ask', 'waiting']])
  const done = { step: 'three', kind: 'create_task', status: 'done' as const, effectId: 'eff_1' }
  expect(await keepStep(ctx, lost, done, '{}')).toBeNull()
  expect(await stepsOf()).toEqual([
    ['ask:ask', 'waiting'],
    ['three', 'done'],
  ])
  expect((await beginRun(ctx, { runId, instanceId: `${runId}-2` }))?.kept).toHaveProperty('three')
})

/** A run that asks, and would be waited for a thousand years. */
async function asking({ ctx, run }: Awaited<ReturnType<typeof world>>) {
  const holder = await run()
  const put = { step: 'ask', question: 'Go on?', choices: [], expiresAt: '2999-01-01T00:00:00.000Z' }
  await keepStep(ctx, holder, { step: 'ask:ask', kind: 'question', status: 'waiting' }, JSON.stringify(put))
  await ctx.db
    .update(workflowRuns)
    .set({ deadlineAt: new Date('2999-01-01') })
    .where(eq(workflowRuns.id, holder.runId))
  return holder
}

test('what is said while the platform hangs is taken within four seconds, and begins another', async () => {
  const all = await world()
  const { ctx, instances } = all
  const { runId } = await asking(all)
  const { promise: woken, resolve } = Promise.withResolvers<void>()
  const get = () => {
    resolve()
    return new Promise(() => {})
  }
  const env = new Proxy(ctx.env, { get: (at, name) => (name === 'TASA_RUN' ? { get } : Reflect.get(at, name)) })
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  try {
    const answered = answerRun({ ...ctx, env }, runId, { step: 'ask', answer: 'yes' })
    await woken
    await vi.advanceTimersByTimeAsync(4000)
    expect((await answered).run.status).toBe('running')
  } finally {
    vi.useRealTimers()
  }
  await sweepRuns(ctx)
  expect([...instances.keys()]).toEqual([`${runId}-2`])
})

test('what is said to a run whose instance is gone begins another, however long it was to wait', async () => {
  const all = await world()
  const { ctx, instances } = all
  const holder = await asking(all)
  await answerRun(ctx, holder.runId, { step: 'ask', answer: 'yes' })
  await sweepRuns(ctx)
  expect([...instances.keys()]).toEqual([`${holder.runId}-2`])
})
