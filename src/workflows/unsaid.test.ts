import { and, desc, eq } from 'drizzle-orm'
import { expect, inject, test } from 'vitest'
import { readConfig } from '#config'
import { type DomainEvent, newId } from '#core'
import { effects } from '#effects/tables'
import { propose, readSuggestion, suggestionNotices, suggestionSubscriber, wakeSuggestion } from '#proactivity'
import { suggestionSettings, suggestions } from '#proactivity/tables'
import { outbox } from '#queue/tables'
import { createTask, listTasks } from '#tasks'
import { testCtx } from '#test/database'
import { startOpenAiFake } from '#test/openai-fake'
import { makeLearner, offer } from '#test/suggestions'
import { users } from '#users/tables'
import { runSubscriber } from './begin.ts'
import { Definition } from './definition.ts'
import { runTasa } from './run.ts'
import { getRun } from './runs.ts'
import { workflowRuns, workflows, workflowVersions } from './tables.ts'
import { realWorld } from './world.ts'

const NIGHT = '2026-11-23T23:00:00.000Z'
const MORNING = '2026-11-24T07:00:00.000Z'

/** Somebody asleep, with a workflow whose runs are carried out as soon as they are begun. */
async function asleep(given: object) {
  const learner = await makeLearner(NIGHT)
  const { ctx: person, clock, pass, steward } = learner
  const { userId } = person.actor
  await person.db
    .update(users)
    .set({ quietHours: { from: '22:00', to: '07:00' } })
    .where(eq(users.id, userId))
  const instances = new Set<string>()
  const TASA_RUN = {
    create: async ({ id, params }: { id: string; params: { runId: string } }) => {
      if (instances.has(id)) throw new Error('instance already exists')
      instances.add(id)
      const own = { ...ctx, actor: { ...ctx.actor, sessionId: null } }
      const world = realWorld(own, { runId: params.runId, instanceId: id })
      await runTasa({
        step: (_, work) => work(world),
        waitFor: async () => Promise.reject(new Error('nobody is awake to be waited for')),
        sleepUntil: async () => undefined,
      })
    },
    get: async (id: string) => ({ status: async () => (instances.has(id) ? {} : Promise.reject(new Error('none'))) }),
  }
  const env = new Proxy(person.env, { get: (at, name) => (name === 'TASA_RUN' ? TASA_RUN : Reflect.get(at, name)) })
  const ctx = Object.assign(person, { env })
  const workflowId = newId('wfl', clock.now)
  const definition = Definition().parse({
    ...{ triggers: [{ kind: 'manual' }], priority: 'important', actions: [], analysis: null },
    gather: [{ name: 'open', source: 'tasks', query: { status: 'open' } }],
    suggestion: { kind: 'sweep', title: 'Sort {{ size(facts.open) }}', body: 'Now?', expiresMinutes: 1440 },
    ...given,
  })
  await ctx.db.insert(workflows).values({ id: workflowId, userId, name: 'Sweep' })
  await ctx.db.insert(workflowVersions).values({ id: `${workflowId}.1`, workflowId, version: 1, userId, definition })
  const happens = async () => {
    const id = newId('run', clock.now)
    const made = { triggerKind: 'event', cause: id, priority: definition.priority, definitionVersion: 1 }
    await ctx.db.insert(workflowRuns).values({ ...made, id, userId, workflowId })
    await TASA_RUN.create({ id, params: { runId: id } })
    return id
  }
  /** All that was decided is heard of, each time twice. */
  const hear = async () => {
    const rows = await ctx.db.select().from(outbox).where(eq(outbox.userId, userId))
    const events = rows
      .filter(({ type }) => type === 'suggestion.decided')
      .map(({ createdAt, ...row }): DomainEvent => ({ ...row, at: createdAt.toISOString() }))
    for (const subscriber of [runSubscriber, suggestionSubscriber, runSubscriber])
      await subscriber.handle(system(), events)
  }
  const system = () => testCtx({ now: () => clock.now, env: ctx.env, config: ctx.config })
  const wake = (id: string) => wakeSuggestion(system(), { userId, id })
  const those = (status: 'withheld' | 'proposed') =>
    ctx.db
      .select()
      .from(suggestions)
      .where(and(eq(suggestions.userId, userId), eq(suggestions.status, status)))
      .orderBy(desc(suggestions.id))
  const withheld = () => those('withheld')
  const offered = () => those('proposed')
  const approve = async (id: string) => {
    const action = { id: 'approve', label: 'Yes', method: 'approve', target: '/v1/x' }
    const data = { id: newId('ntf', clock.now), kind: 'suggestion', action, link: { kind: 'suggestion', id } }
    const event = { id: `${id}.taken`, type: 'notification.action', userId, room: null, key: id, version: 1, at: '' }
    await suggestionNotices.handle(system(), [{ ...event, data }])
  }
  // As the verb leaves it, which has tests of its own.
  const release = async (id: string) => {
    const at = { status: 'approved' as const, agreed: [], reason: null, wakeAt: null, decidedAt: clock.now }
    const [row] = await ctx.db.update(suggestions).set(at).where(eq(suggestions.id, id)).returning()
    const { kind, source, moment, title } = row ?? {}
    const said = { decision: 'approved', actions: [], isEdited: false, teaches: false }
    const data = { id, kind, source, moment, title, ...said }
    const event = { id: `${id}.2.suggestion.decided`, type: 'suggestion.decided', userId, key: id, version: 2 }
    await ctx.db.insert(outbox).values({ ...event, data })
  }
  const settle = async (set: Partial<typeof suggestionSettings.$inferInsert>) => {
    const row = { ...set, userId }
    await ctx.db.insert(suggestionSettings).values(row).onConflictDoUpdate({ target: suggestionSettings.userId, set })
  }
  const awake = () => ctx.db.update(users).set({ quietHours: null }).where(eq(users.id, userId))
  return { ctx, steward, pass, release, awake, happens, hear, withheld, wake, offered, approve, settle }
}

const RULES = {
  analysis: {
    kind: 'rules',
    findings: [{ when: 'size(facts.open) > 0', title: 'Open', facts: 'facts.open', confidence: 0.9 }],
  },
  actions: [{ id: 'plan', do: 'create_task', input: { title: 'Plan' } }],
}

test('what rules find in quiet hours is offered in the morning, and a yes to it does the act once', async () => {
  const { ctx, pass, happens, hear, withheld, wake, approve } = await asleep(RULES)
  await createTask(ctx, { title: 'Rent' })
  const runId = await happens()
  const [kept] = await withheld()
  expect(kept).toMatchObject({ title: 'Sort 1', reason: 'quiet_hours', wakeAt: new Date(MORNING), source: { runId } })
  expect((await getRun(ctx, runId)).run).toMatchObject({ status: 'done', outcome: 'nothing', reason: 'quiet_hours' })
  const id = kept?.id ?? ''
  await wake(id)
  expect((await readSuggestion(ctx, id)).status).toBe('withheld')
  pass(8 * 60)
  await wake(id)
  expect((await readSuggestion(ctx, id)).status).toBe('proposed')
  await approve(id)
  for (let n = 0; n < 2; n++) await hear()
  const { items } = await listTasks(ctx, { limit: 10 })
  expect(items.map(({ title }) => title).sort()).toEqual(['Plan', 'Rent'])
  const done = await ctx.db.select().from(effects).where(eq(effects.userId, ctx.actor.userId))
  expect(done).toMatchObject([{ origin: 'run', runId, step: 'plan', status: 'done' }])
  expect((await getRun(ctx, runId)).run).toMatchObject({ status: 'done', outcome: 'acted', accepted: true })
  expect((await readSuggestion(ctx, id)).status).toBe('done')
})

test('what finds no place in a day, or comes too soon after its like, is offered by itself when there is room', async () => {
  const { ctx, pass, happens, withheld, wake, offered, awake, settle } = await asleep({ ...RULES, actions: [] })
  await awake()
  await createTask(ctx, { title: 'Rent' })
  await happens()
  expect(await offered()).toMatchObject([{ title: 'Sort 1' }])
  await createTask(ctx, { title: 'Taxes' })
  await happens()
  const [kept] = await withheld()
  // Four hours after the first.
  expect(kept).toMatchObject({ title: 'Sort 2', reason: 'cooldown', wakeAt: new Date('2026-11-24T03:00:00.000Z') })
  pass(60)
  await settle({ maxADay: 0, cooldowns: { sweep: 0 } })
  await createTask(ctx, { title: 'Tyres' })
  await happens()
  const full = (await withheld())[0]
  expect(full).toMatchObject({
    title: 'Sort 3',
    reason: 'too_many_today',
    wakeAt: new Date('2026-11-24T08:00:00.000Z'),
  })
  // What it found before of the same is stale.
  expect(await withheld()).toHaveLength(1)
  await settle({ maxADay: 8 })
  pass(8 * 60)
  for (let n = 0; n < 2; n++) await wake(full?.id ?? '')
  expect((await offered()).map(({ title }) => title).sort()).toEqual(['Sort 1', 'Sort 3'])
})

test('facts that were never spoken of are new again when what was withheld is over, and no sooner', async () => {
  const { ctx, pass, happens, withheld, awake, settle } = await asleep({ ...RULES, actions: [] })
  await awake()
  await settle({ muted: ['sweep'] })
  await createTask(ctx, { title: 'Rent' })
  const reasonOf = async (runId: string) => (await getRun(ctx, runId)).run.reason
  expect(await reasonOf(await happens())).toBe('muted')
  expect(await reasonOf(await happens())).toBe('nothing_new')
  expect(await withheld()).toHaveLength(1)
  await settle({ muted: [] })
  pass(25 * 60)
  const unsaid = await Promise.all([happens(), happens(), happens()])
  const reasons = await Promise.all(unsaid.map(reasonOf))
  expect(reasons.sort()).toEqual([null, 'nothing_new', 'nothing_new'].sort())
})

const MODEL = { analysis: { kind: 'model', ask: 'What matters?', maxFindings: 3 } }

/** The same, with a model that finds something in whatever it is shown. */
async function asleepWithModel(
  work: (life: Awaited<ReturnType<typeof asleep>> & { asked(): number }) => Promise<void>,
) {
  const fake = await startOpenAiFake({ models: ['llama'] })
  try {
    const life = await asleep(MODEL)
    const { id } = await createTask(life.ctx, { title: 'Rent' })
    const found = { title: 'Rent is late', factIds: [id], confidence: 0.7, impact: null, alternatives: [] }
    fake.on('What matters', { text: JSON.stringify({ findings: [found] }) })
    const vars = { OPENAI_BASE_URL: fake.url, OPENAI_MODELS: 'llama=1/2@131072/8192' }
    Object.assign(life.ctx, { config: readConfig({ ...inject('vars'), ...vars }) })
    await work({ ...life, asked: () => fake.requests.length })
  } finally {
    await fake.stop()
  }
}

test('what a model would have been asked in quiet hours it is asked in the morning, once, of what is so by then', async () => {
  await asleepWithModel(async ({ ctx, pass, happens, hear, withheld, wake, offered, asked }) => {
    const runId = await happens()
    await happens()
    const [kept, ...more] = await withheld()
    expect(kept).toMatchObject({ reason: 'quiet_hours', wakeAt: new Date(MORNING), source: { kind: 'analysis' } })
    expect([more, asked(), kept?.title]).toEqual([[], 0, '"Sweep" has something to look into'])
    expect((await getRun(ctx, runId)).run).toMatchObject({ outcome: 'nothing', reason: 'quiet_hours' })
    await createTask(ctx, { title: 'Taxes' })
    pass(8 * 60)
    for (let n = 0; n < 2; n++) await wake(kept?.id ?? '')
    for (let n = 0; n < 2; n++) await hear()
    expect(asked()).toBe(1)
    expect(await offered()).toMatchObject([
      { title: 'Sort 2', why: { model: 'llama' }, source: { kind: 'run', runId } },
    ])
    expect((await getRun(ctx, runId)).run).toMatchObject({ status: 'done', outcome: 'suggested' })
    expect([(await readSuggestion(ctx, kept?.id ?? '')).status, await withheld()]).toEqual(['done', []])
  })
})

test('released by hand, a model is asked at once and what it finds is offered, whatever the hour', async () => {
  await asleepWithModel(async ({ happens, hear, withheld, offered, release, asked }) => {
    await happens()
    await release((await withheld())[0]?.id ?? '')
    for (let n = 0; n < 2; n++) await hear()
    expect([asked(), (await offered()).map(({ title }) => title), await withheld()]).toEqual([1, ['Sort 1'], []])
  })
})

test('what the budget forbids is looked into when there is some again', async () => {
  await asleepWithModel(async ({ steward, awake, settle, pass, happens, hear, withheld, wake, offered, asked }) => {
    await awake()
    await steward.setBudget({ isPaused: true })
    await happens()
    const [kept] = await withheld()
    expect(kept).toMatchObject({ reason: 'budget', wakeAt: new Date('2026-11-24T08:00:00.000Z') })
    // By then something else holds it back, for longer than words would last.
    pass(9 * 60)
    await settle({ maxADay: 0 })
    for (let n = 0; n < 2; n++) {
      await wake(kept?.id ?? '')
      expect((await withheld())[0]).toMatchObject({ id: kept?.id, reason: 'too_many_today' })
      pass(24 * 60)
    }
    await settle({ maxADay: 8 })
    await wake(kept?.id ?? '')
    await hear()
    const [again] = await withheld()
    expect([again?.reason, again?.id === kept?.id, asked()]).toEqual(['budget', false, 0])
    await steward.setBudget({ isPaused: false })
    pass(24 * 60)
    await wake(again?.id ?? '')
    await hear()
    expect([asked(), (await offered()).length]).toEqual([1, 1])
  })
})

test('a model is not asked again of what it found and nobody was told, also when that is over', async () => {
  await asleepWithModel(async ({ ctx, awake, pass, happens, withheld, asked }) => {
    await awake()
    const { id } = await propose(ctx, offer({ title: 'Sort 1' }, ctx.now()))
    await ctx.db.update(suggestions).set({ status: 'dismissed', decidedAt: ctx.now() }).where(eq(suggestions.id, id))
    await happens()
    expect([asked(), (await withheld()).map(({ reason }) => reason)]).toEqual([1, ['look_alike']])
    pass(25 * 60)
    const again = await happens()
    expect([asked(), (await getRun(ctx, again)).run.reason]).toEqual([1, 'nothing_new'])
  })
})
