import { eq } from 'drizzle-orm'
import { afterEach, expect, inject, test, vi } from 'vitest'
import { batchCalls } from '#ai/tables'
import { calendarTools } from '#calendar'
import { readConfig } from '#config'
import { memoryTools } from '#memories'
import { suggestionSettings } from '#proactivity/tables'
import { createTask } from '#tasks'
import { makePerson, type Person } from '#test/database'
import { endOf, leftCall } from '#test/left-call'
import { startOpenAiFake } from '#test/openai-fake'
import { analyse, callOf, leave } from './analyse.ts'
import { Definition } from './definition.ts'
import { boundOf, gather } from './gather.ts'
import type { Begun } from './ports.ts'
import { redaction, redactionOf } from './redact.ts'
import { workflows } from './tables.ts'
import { realWorld } from './world.ts'

afterEach(() => vi.restoreAllMocks())

const DEFINITION = {
  ...{ triggers: [{ kind: 'manual' }], priority: 'routine', suggestion: null, actions: [], analysis: null },
  gather: [
    { name: 'late', source: 'tasks', query: { due: 'overdue', limit: 5, priority: ['high', 'urgent'] } },
    { name: 'old', source: 'tasks', query: { due: 'overdue', overdueDays: '{{ params.days }}' } },
    { name: 'loose', source: 'tasks', query: { due: 'none' } },
    { name: 'me', source: 'preferences' },
    { name: 'numbers', source: 'insights' },
  ],
}
const runOf = (over: object): Begun => ({
  ...{ id: 'run_1', workflowId: 'wfl_1', name: 'Test', params: { days: 100 }, trigger: {}, triggerKind: 'event' },
  ...{ priority: 'routine', isTainted: false, kept: {} },
  definition: Definition().parse({ ...DEFINITION, ...over }),
})

const memory = (ctx: Person, name: string, input: object) =>
  memoryTools(null)
    .find((one) => one.name === name)
    ?.run(ctx, input)
const event = (ctx: Person, name: string, input: object) =>
  calendarTools.find((one) => one.name === name)?.run(ctx, input)

async function personWith(over: Parameters<typeof makePerson>[0] = {}) {
  const ctx = await makePerson({ now: () => new Date('2026-11-23T09:00:00Z'), timeZone: 'Europe/Berlin', ...over })
  const rent = await createTask(ctx, { title: 'Rent', priority: 'urgent', due: { date: '2026-11-20' } })
  const taxes = await createTask(ctx, {
    title: 'Taxes',
    due: { date: '2026-01-01' },
    notes: 'call +49 30 1234567890 or tax@example.com',
  })
  const idea = await createTask(ctx, { title: 'An idea' })
  return { ctx, rent, taxes, idea }
}

test("what a workflow names is gathered, as the person's day has it, and nothing else", async () => {
  const { ctx, rent, taxes, idea } = await personWith()
  const { facts, now, isTainted, error } = await gather(ctx, runOf({}))
  expect([error, isTainted, now.time, now.weekday]).toEqual([null, false, '10:00', 'monday'])
  expect(facts).toMatchObject({
    late: [{ id: rent.id, title: 'Rent', due: '2026-11-20', overdueDays: 3 }],
    old: [{ id: taxes.id, overdueDays: 326 }],
    loose: [{ id: idea.id, due: null, overdueDays: null }],
    me: { timeZone: 'Europe/Berlin' },
    numbers: { open: 3, overdue: 2 },
  })
  expect(Object.keys(facts)).toEqual(['late', 'old', 'loose', 'me', 'numbers'])
})

test('the same facts have the same hash, others another', async () => {
  const { ctx } = await personWith()
  const [first, again] = [await gather(ctx, runOf({})), await gather(ctx, runOf({}))]
  expect(again.hash).toBe(first.hash)
  await createTask(ctx, { title: 'Another idea' })
  expect((await gather(ctx, runOf({}))).hash).not.toBe(first.hash)
})

test('a day that passes is nothing new to a model, what rules find by it is', async () => {
  const { ctx } = await personWith()
  await createTask(ctx, { title: 'Tyres', due: { date: '2026-11-24' } })
  const definition = { gather: [{ name: 'open', source: 'tasks', query: { status: 'open' } }] }
  const on = async (day: string) => {
    const now = () => new Date(`2026-11-${day}T09:00:00Z`)
    return { ctx: { ...ctx, now }, ...(await gather({ ...ctx, now }, runOf(definition))) }
  }
  const [first, second, third, fourth] = [await on('22'), await on('23'), await on('25'), await on('26')]
  expect([second.hash === first.hash, third.hash === first.hash, fourth.hash === third.hash]).toEqual([
    true,
    true,
    true,
  ])
  const suggestion = { kind: 'tyres', title: 'Tyres', body: 'Change them', expiresMinutes: 60 }
  const run = { ...runOf({ ...DEFINITION, suggestion }), workflowId: ctx.newId('wfl') }
  const finding = { title: 'Due within 3 days', facts: [], confidence: 1, impact: null, alternatives: [] }
  const asked = (of: typeof first, runId: string, findings: (typeof finding)[]) =>
    realWorld(of.ctx, { runId, instanceId: runId }).gate(run, of, findings)
  expect(await asked(first, 'run_1', [])).toBeNull()
  expect(await asked(second, 'run_2', [])).toBe('nothing_new')
  expect(await asked(second, 'run_3', [finding])).toBeNull()
  expect(await asked(second, 'run_4', [finding])).toBe('nothing_new')
})

test('a query that makes no sense is the fault of the workflow, and tried once', async () => {
  const { ctx } = await personWith()
  const gatherOf = [{ name: 'old', source: 'tasks', query: { overdueDays: '{{ trigger.nothing }}' } }]
  expect((await gather(ctx, runOf({ gather: gatherOf }))).error).toMatchObject({ code: 'expression' })
})

test("words of a day are bounds of the person's days", () => {
  const today = '2026-11-23'
  expect(boundOf('today', today)).toBe('2026-11-23')
  expect(boundOf('today', today, true)).toBe('2026-11-24')
  expect(boundOf('week', today, true)).toBe('2026-11-30')
  expect(boundOf('2026-12-24', today, true)).toBe('2026-12-25')
  expect(boundOf('2026-11-23T09:00:00+01:00', today)).toBe('2026-11-23T08:00:00.000Z')
  expect(() => boundOf('soon', today)).toThrow('soon is no time')
})

test('rules find what holds, tied to the facts it rests on', async () => {
  const { ctx, rent } = await personWith()
  const findings = [
    { when: 'size(facts.late) > 0', title: '{{ facts.late[0].title }} is late', facts: 'facts.late', confidence: 0.9 },
    { when: 'size(facts.late) > 5', title: 'Far too much', confidence: 1 },
  ]
  const run = runOf({ analysis: { kind: 'rules', findings } })
  expect(await analyse(ctx, run, await gather(ctx, run))).toMatchObject({
    findings: [{ title: 'Rent is late', facts: [{ kind: 'task', id: rent.id, says: 'Rent' }], confidence: 0.9 }],
    ...{ rule: 'size(facts.late) > 0', model: null, costMicros: 0, error: null },
  })
})

test('addresses, links and numbers of people do not reach a model; ids, days and sums do', async () => {
  const { ctx, taxes } = await personWith()
  const { hide } = await redactionOf(ctx)
  const asked = JSON.stringify(callOf({ ask: 'What?', maxFindings: 3 }, await gather(ctx, runOf({})), { hide }))
  expect(asked).not.toMatch(/tax@example|1234567890/)
  expect(asked).toContain(taxes.id)
  const said = ['DE89 3704 0044 0532 0130 00', 'https://x.example/?k=secret', '+49 (30) 1234-5678', 'a.b@example.co.uk']
  expect(hide(said)).toEqual(['[account]', '[link]', '[number]', '[address]'])
  const kept = [taxes.id, '2026-11-23T09:00:00.000Z', '2026-11-23', 'costs 12000 on 2026-11-23 at 10:30']
  expect(hide(kept)).toEqual(kept)
  const open = ['mail a.b@example.co.uk or +49 (30) 1234-5678', 'Ada owes $20']
  expect(redaction('secrets').hide([...open, 'the pin is 4711'])).toEqual([...open, 'the [secret]'])
  expect(redaction('secrets').hide(['https://x.example/?k=1', 'sk-proj-4f0a'.padEnd(48, 'x9')])).toEqual([
    '[link]',
    '[secret]',
  ])
})

test('strictly, names of people they know and sums do not reach a model either, and what it says has the names again', async () => {
  const fake = await startOpenAiFake({ models: ['llama'] })
  try {
    const vars = { OPENAI_BASE_URL: fake.url, OPENAI_MODELS: 'llama=1/2@131072/8192' }
    const { ctx } = await personWith({ config: readConfig({ ...inject('vars'), ...vars }) })
    const { id } = await createTask(ctx, { title: 'Ask Ada and nils for the \u20ac1,200.50 (USD 40) by 2026-11-20' })
    await memory(ctx, 'remember', { text: 'My brother is Nils Berg', kind: 'person' })
    const start = { date: '2026-11-25', time: '10:00' }
    await event(ctx, 'create_event', {
      title: 'Review',
      start,
      attendees: [{ address: 'ada@example.com', name: 'Ada King' }],
    })
    const finding = {
      title: 'Ask [person 1]',
      factIds: [id],
      confidence: 1,
      impact: 'So [person 2] waits',
      alternatives: [],
    }
    fake.on('What', { text: JSON.stringify({ findings: [finding] }) })
    const run = runOf({
      analysis: { kind: 'model', ask: 'What?', maxFindings: 3 },
      gather: [{ name: 'all', source: 'tasks', query: {} }],
    })
    const told = async () => {
      const { findings } = await analyse(ctx, run, await gather(ctx, run))
      return { ...findings[0], asked: JSON.stringify(fake.requests.at(-1)) }
    }
    expect((await told()).asked).toContain('Ask Ada and nils')
    await ctx.db.insert(suggestionSettings).values({ userId: ctx.actor.userId, privacy: 'strict' })
    const { title, impact, asked } = await told()
    expect(asked).toContain('Ask [person 1] and [person 2] for the [amount] ([amount]) by 2026-11-20')
    expect([title, impact]).toEqual(['Ask Ada King', 'So Nils Berg waits'])
  } finally {
    await fake.stop()
  }
})

test('a model answers with findings, of which those that name no fact it was given are dropped', async () => {
  const finding = { confidence: 0.7, impact: null, alternatives: [] }
  const told = {
    findings: [
      { ...finding, title: 'Rent is late', factIds: ['@'] },
      { ...finding, title: 'Made up', factIds: ['task_x'] },
    ],
  }
  const fake = await startOpenAiFake({ models: ['llama'] })
  try {
    const vars = { OPENAI_BASE_URL: fake.url, OPENAI_MODELS: 'llama=1/2@131072/8192' }
    const { ctx, rent } = await personWith({ config: readConfig({ ...inject('vars'), ...vars }) })
    fake.on('What matters', { text: JSON.stringify(told).replace('@', rent.id) })
    fake.on('What else', { text: 'Sorry, I cannot do that' })
    const askedOf = async (ask: string) => {
      const run = runOf({ analysis: { kind: 'model', ask, maxFindings: 3 } })
      return await analyse(ctx, run, await gather(ctx, run))
    }
    expect(await askedOf('What matters?')).toMatchObject({
      ...{ findings: [{ title: 'Rent is late', facts: [{ id: rent.id }] }], model: 'llama', reason: null },
    })
    expect(await askedOf('What else?')).toMatchObject({ findings: [], reason: 'unreadable_answer' })
  } finally {
    await fake.stop()
  }
})

test('what a batch has not answered by then is withdrawn before it is asked now', async () => {
  const fake = await startOpenAiFake({ models: ['llama'] })
  try {
    const vars = { OPENAI_BASE_URL: fake.url, OPENAI_MODELS: 'llama=1/2@131072/8192' }
    const { ctx } = await personWith({ config: readConfig({ ...inject('vars'), ...vars }) })
    const run = runOf({ analysis: { kind: 'model', ask: 'What?', maxFindings: 3 } })
    const gathered = await gather(ctx, run)
    const callId = await leftCall(ctx)
    await analyse(ctx, run, gathered, { callId, untilMs: 0 })
    expect([await endOf(ctx, callId), fake.requests.length]).toEqual(['failed cancelled', 1])
  } finally {
    await fake.stop()
  }
})

test('what is left to a batch goes by what somebody wants told as it is written, not by what they wanted before', async () => {
  const vars = {
    ANTHROPIC_API_KEY: 'k',
    ANTHROPIC_BASE_URL: 'http://claude.test',
    ANTHROPIC_MODEL: 'claude-sonnet-5-5',
  }
  const { ctx } = await personWith({ config: readConfig({ ...inject('vars'), ...vars }) })
  const of = { userId: ctx.actor.userId }
  const run = runOf({ analysis: { kind: 'model', ask: 'What?', maxFindings: 3 } })
  const gathered = await gather(ctx, run)
  const leftAs = async (id: string, workflowId = run.workflowId) => {
    const left = await leave(ctx, { ...run, id, workflowId }, gathered)
    const [row] = await ctx.db
      .select()
      .from(batchCalls)
      .where(eq(batchCalls.id, left?.callId ?? ''))
    return [row?.state, row?.errorCode, JSON.stringify(row?.call).includes('Rent')]
  }
  const set = (privacy: 'contacts' | 'strict' | 'secrets') =>
    ctx.db
      .insert(suggestionSettings)
      .values({ ...of, privacy })
      .onConflictDoUpdate({ target: suggestionSettings.userId, set: { privacy } })
  expect(await leftAs('run_1')).toEqual(['waiting', null, true])
  const real = globalThis.fetch
  const meanwhile = (privacy: 'contacts' | 'strict') =>
    vi.spyOn(globalThis, 'fetch').mockImplementation(async (input, init) => {
      if (String(init?.body).includes('insert into \\"batch_calls\\"')) await set(privacy)
      return await real(input, init)
    })
  meanwhile('strict')
  expect(await leftAs('run_2')).toEqual(['failed', 'cancelled', false])
  await set('secrets')
  meanwhile('contacts')
  expect(await leftAs('run_3')).toEqual(['failed', 'cancelled', false])
  vi.restoreAllMocks()
  expect(await leftAs('run_4')).toEqual(['waiting', null, true])
  // Nor by a workflow that is deleted by then.
  const id = ctx.newId('wfl')
  await ctx.db.insert(workflows).values({ ...of, id, name: 'Test', deletedAt: ctx.now() })
  expect(await leftAs('run_5', id)).toEqual(['failed', 'cancelled', false])
})
