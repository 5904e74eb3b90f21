import type * as configs from '#config'
import type * as core from '#core'
import type * as databases from '#database'
import type * as proactivities from '#proactivity'
import type * as queues from '#queue'
import type * as tasks from '#tasks'
import type * as workflows from '#workflows'
import { makeSteward } from '../steward.ts'
import type { World } from '../world.ts'
import { sourceAt } from './sabotage.ts'

const ALOUD = { speak: true, expected: 0.5, better: null }
/** A person's Steward, but for what it learns and for its alarm: times are looked up. */
const stewardOf = (nowMs: () => number) => ({
  ...makeSteward(nowMs, () => 'pro'),
  learning: async () => ({ weighed: ALOUD, lines: [] }),
  arm: async (timers: unknown[]) => ({ ok: true, armed: timers.length }),
  cancel: async () => true,
  wake: async () => ({ ok: true }),
})
const MAX_ENDS = 50
const WAITING = `from triggers t join workflows w on w.id = t.workflow_id and w.status = 'enabled'
  where t.user_id = any($1::text[]) and active`

async function modulesOf(dir: string) {
  const { file, load } = sourceAt(dir)
  return {
    ...(await load<typeof configs>('config')),
    ...(await load<typeof core>('core')),
    ...(await load<typeof databases>('database')),
    ...(await load<typeof queues>('queue')),
    ...(await load<typeof tasks>('tasks')),
    ...(await load<typeof proactivities>('proactivity')),
    ...(await load<typeof workflows>('workflows')),
    ...(await file<typeof import('../../src/workflows/templates.ts')>('src/workflows/templates.ts')),
    ...(await file<typeof import('../../src/workflows/workflows.ts')>('src/workflows/workflows.ts')),
    ...(await file<typeof import('../../src/workflows/workflow-schema.ts')>('src/workflows/workflow-schema.ts')),
  }
}

export type Office = Awaited<ReturnType<typeof openOffice>>

/** What the shell does with workflows, in this process and by a clock that is set: triggers, events, runs to their end. */
export async function openOffice(world: World, dir: string, modelUrl: string) {
  const source = await modulesOf(dir)
  const config = source.readConfig({
    ...world.vars,
    ...{ ANTHROPIC_API_KEY: 'test', ANTHROPIC_BASE_URL: modelUrl, ANTHROPIC_MODEL: 'claude-sonnet-5-5' },
    ...{ EMBEDDINGS_PROVIDER: 'openai-compatible', EMBEDDINGS_BASE_URL: `${modelUrl}/v1` },
    ...{ EMBEDDINGS_MODEL: 'embedder=1/0', EMBEDDINGS_DIMENSIONS: '3' },
  })
  const clock = { ms: Date.now() }
  const began = new Date()
  const seen = new Set<string>()
  const counts = { runs: 0, ends: new Map<string, number>() }
  const stewards = new Map<string, ReturnType<typeof stewardOf>>()
  const getByName = (name: string) => {
    const steward = stewards.get(name) ?? stewardOf(() => clock.ms)
    stewards.set(name, steward)
    return steward
  }
  const names: Record<string, object> = { STEWARD: { getByName } }
  const there = new Proxy(names, { get: (known, name) => known[String(name)] ?? { sendBatch: async () => undefined } })
  // Only these are there: a run is begun here, by nobody else.
  const env = there as unknown as Env
  const ctxOf = (userId: string, aheadMs = () => 0): core.UserCtx => {
    const actor = { kind: 'person' as const, userId, sessionId: null }
    const ctx: core.UserCtx = {
      ...{ actor, config, env, meter: { trips: 0, ms: 0 }, operation: 'office', callId: '' },
      client: { address: '192.0.2.1', country: null, userAgent: 'office' },
      db: source.connect(config.database, { trips: 0, ms: 0 }, () => source.actOf(ctx)),
      requestId: source.newId('req', new Date()),
      now: () => new Date(clock.ms + aheadMs()),
      newId: (prefix) => source.newId(prefix, new Date()),
      waitUntil: () => undefined,
      log: source.createLog({}, 'error', () => undefined),
    }
    return ctx
  }

  /** Nobody decides: whatever waits for it waits to its end. */
  async function carryOut(userId: string, runId: string): Promise<void> {
    let ahead = 0
    const real = source.realWorld(
      ctxOf(userId, () => ahead),
      { runId, instanceId: runId },
    )
    const pass = async (_: string, untilMs: number) => {
      ahead = Math.max(ahead, untilMs - clock.ms)
    }
    await source.runTasa({
      step: (_, work) => work(real),
      sleepUntil: pass,
      waitFor: (name, _, untilMs) => pass(name, untilMs),
    })
    counts.runs++
  }

  /** What was told is heard, and what was asked for is run. */
  async function settle(userId: string): Promise<void> {
    const ctx = ctxOf(userId)
    const told = await source.happenedSince(ctx, 'task.*', began, 10_000)
    const fresh = told.filter(({ id }) => !seen.has(id))
    for (const { id } of fresh) seen.add(id)
    if (fresh.length > 0) await source.triggerSubscriber.handle(ctx, fresh)
    const rows = await world.query(
      "select id from workflow_runs where user_id = $1 and status = 'requested' order by id",
      [userId],
    )
    for (const { id } of rows) await carryOut(userId, String(id))
    const ended = await world.query(
      `select outcome, count(*)::int as n from workflow_runs where user_id = $1 group by 1 limit ${MAX_ENDS}`,
      [userId],
    )
    for (const { outcome, n } of ended) counts.ends.set(String(outcome), Number(n))
  }

  return {
    clock,
    counts,
    templates: async (userId: string) => (await source.listTemplates(ctxOf(userId), {})).items,
    useTemplate: async (userId: string, template: string, params: object) => {
      await source.useTemplate(ctxOf(userId), source.NewFromTemplate.parse({ template, params }))
    },
    createWorkflow: async (userId: string, definition: object) => {
      await source.createWorkflow(ctxOf(userId), source.NewWorkflow().parse({ name: 'looks into it', definition }))
    },
    happens: async (userId: string, title: string) => {
      await source.createTask(ctxOf(userId), { title })
      await settle(userId)
    },
    /** An event of no interest to whoever looks at what there is. */
    reorder: async (userId: string, position: number) => {
      const ctx = ctxOf(userId)
      const { items } = await source.listTasks(ctx, { limit: 1, sort: 'created' })
      for (const { id } of items) await source.updateTask(ctx, id, { position }, '*')
      await settle(userId)
    },
    /** On to the next time that something is due, and whatever is due then. */
    next: async (userIds: string[]) => {
      const people = `{${userIds.join()}}`
      const [soonest] = await world.query(`select min(next_at) as at ${WAITING}`, [people])
      clock.ms = Math.max(clock.ms, Date.parse(String(soonest?.at)))
      const due = await world.query(`select t.id, t.user_id ${WAITING} and next_at <= $2::timestamptz`, [
        people,
        new Date(clock.ms).toISOString(),
      ])
      if (due.length === 0) throw new Error('nothing is due any more')
      await source.sweepSuggestions(ctxOf(userIds[0] ?? ''))
      for (const { id, user_id: userId } of due)
        await source.runDue(ctxOf(String(userId)), { userId: String(userId), id: String(id) })
      for (const userId of userIds) await settle(userId)
    },
  }
}
