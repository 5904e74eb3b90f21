import { eq, sql } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { calendarTools, listEvents } from '#calendar'
import { newId } from '#core'
import { listEffects, undoEffect } from '#effects'
import { suggestions } from '#proactivity/tables'
import { completeTask, createTask, listTasks } from '#tasks'
import { tasks } from '#tasks/tables'
import { makePerson, type Person } from '#test/database'
import { Definition } from './definition.ts'
import type { StepPort, World } from './ports.ts'
import { decisionStep } from './record.ts'
import { runTasa } from './run.ts'
import { getRun } from './runs.ts'
import { runSteps, workflowRuns, workflows, workflowVersions } from './tables.ts'
import { TEMPLATES } from './templates.ts'
import { defaultsOf } from './when-of.ts'
import { realWorld } from './world.ts'

// A Monday, and not the first of a month.
const NOW = new Date('2026-11-23T09:00:00Z')
const BORN = new Date('2026-09-01T08:00:00Z')
const day = (days: number) => ({ date: new Date(NOW.getTime() + days * 86_400_000).toISOString().slice(0, 10) })

/** A life in which each template has something to do. */
async function full(ctx: Person): Promise<void> {
  const make = (title: string, more: object = {}) => createTask(ctx, { title, ...more })
  for (const n of [3, 4, 5]) await make(`Late ${n}`, { due: day(-n) })
  await make('Write the report', { due: day(0), priority: 'high', estimateMinutes: 180 })
  await make('Sign the lease', { due: day(1), priority: 'urgent' })
  await make('Run', { due: day(0), labels: ['habit'] })
  await make('Rent', { due: day(2), labels: ['bill'] })
  await make('Ada', { due: day(7), labels: ['birthday'] })
  await make('The plumber', { labels: ['waiting'] })
  await make('Learn to sail')
  await ctx.db.update(tasks).set({ createdAt: BORN }).where(eq(tasks.userId, ctx.actor.userId))
  const create = calendarTools.find(({ name }) => name === 'create_event')
  await create?.run(ctx, { title: 'Review', start: { ...day(0), time: '15:00' } })
  await create?.run(ctx, { title: 'Flight to Oslo', start: { ...day(1), time: '10:00' } })
}

/** Runs it as the platform does, with what it finds and does in the database; the person says yes to what it offers, or to what could be done instead. */
async function carryOut(ctx: Person, key: string, trigger: object, instead?: string) {
  const template = TEMPLATES.find((one) => one.key === key)
  if (!template) throw new Error(`there is no template ${key}`)
  const definition = Definition().parse(template.definition)
  const { userId } = ctx.actor
  const [workflowId, runId] = [newId('wfl', NOW), newId('run', NOW)]
  const params = defaultsOf(definition.parameters ?? [])
  await ctx.db.insert(workflows).values({ id: workflowId, userId, name: key, params })
  await ctx.db
    .insert(workflowVersions)
    .values({ id: `${workflowId}.1`, workflowId, version: 1, userId, definition: template.definition })
  const asked = { definitionVersion: 1, triggerKind: 'manual', cause: runId, priority: 'routine' as const }
  await ctx.db.insert(workflowRuns).values({ ...asked, id: runId, userId, workflowId, params, trigger })
  const own = { ...ctx, actor: { ...ctx.actor, sessionId: null } }
  const real = realWorld(own, { runId, instanceId: runId })
  // As the subscriber of suggestions writes down what was decided.
  const approve = async (id: string) => {
    const [offered] = await ctx.db.select().from(suggestions).where(eq(suggestions.id, id))
    const step = decisionStep(id)
    const chosen = offered?.alternatives.filter((one) => one.id === instead) ?? []
    const output = { decision: 'approved', actions: instead === undefined ? offered?.actions : chosen }
    const said = { runId, step, userId, kind: 'decision', status: 'done' as const, output, endedAt: NOW }
    await ctx.db.insert(runSteps).values({ ...said, id: `${runId}.${step}` })
  }
  const world: World = {
    ...real,
    propose: async (suggestion) => {
      const answer = await real.propose(suggestion)
      if (answer.status === 'proposed' && suggestion.actions.length > 0) await approve(answer.id)
      return answer
    },
  }
  const port: StepPort = {
    step: (_, work) => work(world),
    waitFor: async () => undefined,
    sleepUntil: async () => undefined,
  }
  await runTasa(port)
  return await getRun(ctx, runId)
}

const titles = async (ctx: Person, query: object = {}) =>
  (await listTasks(ctx, { limit: 100, ...query })).items.map(({ title }) => title)
const dueOf = async (ctx: Person, title: string) =>
  (await listTasks(ctx, { limit: 100 })).items.find((task) => task.title === title)?.due?.date

const MAIL = { data: { subject: 'Your receipt', from: 'shop@example.com' } }
type Wanted = {
  /** The acts, by their steps; none: it only tells. */
  acts: string[]
  /** What is there afterwards and was not before. */
  left?: (ctx: Person) => Promise<void>
  trigger?: object
  /** Before it runs: what a full life would spoil. */
  first?: (ctx: Person) => Promise<void>
  /** Gathers nothing: whatever sets it off is its fact, also in an empty life. */
  isBlind?: true
}
const made = (title: string | RegExp) => async (ctx: Person) =>
  void expect(await titles(ctx)).toContainEqual(typeof title === 'string' ? title : expect.stringMatching(title))

const WANTED: Record<string, Wanted> = {
  morning_brief: { acts: [] },
  evening_review: {
    acts: ['move.0', 'move.1'],
    left: async (ctx) => expect(await dueOf(ctx, 'Run')).toBe(day(1).date),
  },
  weekly_planning: { acts: ['plan'], left: made(/^Plan the week of 2026-11-24$/) },
  monthly_review: {
    acts: ['review'],
    left: made('Look back at the month'),
    first: async (ctx) => void (await completeTask(ctx, (await createTask(ctx, { title: 'Done' })).id)),
  },
  streak_keeper: { acts: [] },
  overdue_triage: {
    acts: ['move.0', 'move.1', 'move.2'],
    left: async (ctx) => expect(await dueOf(ctx, 'Late 5')).toBe(day(1).date),
  },
  waiting_for: { acts: ['ask.0'], left: made('Ask again: The plumber') },
  deadline_tomorrow: { acts: [] },
  undated_sweep: { acts: ['sweep'], left: made('Plan or drop what has no date') },
  big_task_split: { acts: ['begin'], left: made('First step: Write the report') },
  done_and_next: { acts: [] },
  habit_nudge: { acts: [] },
  bill_due: {
    acts: ['raise.0'],
    left: async (ctx) => expect(await titles(ctx, { priority: 'urgent' })).toContain('Rent'),
  },
  birthday: {
    acts: ['present.0'],
    left: async (ctx) => expect(await dueOf(ctx, 'Present: Ada')).toBe(day(6).date),
  },
  focus_time_guard: {
    acts: ['block'],
    left: async (ctx) => {
      const { items } = await listEvents(ctx, { from: day(0).date, to: day(1).date, limit: 20 })
      expect(items.map(({ title }) => title)).toContainEqual(expect.stringMatching(/^Focus: /))
    },
  },
  meeting_preparation: { acts: ['prepare.0'], left: made('Prepare: Flight to Oslo') },
  standing_meeting_notes: { acts: ['note.0'], left: made('Notes: Review') },
  travel_day: { acts: ['pack'], left: made('Pack and check in') },
  unanswered_mail: {
    acts: ['answer'],
    left: made('Answer shop@example.com: Your receipt'),
    trigger: MAIL,
    isBlind: true,
  },
  inbox_zero_sweep: { acts: ['sweep'], left: made('Empty the inbox'), isBlind: true },
  receipts_filing: { acts: ['file'], left: made('File: Your receipt'), trigger: MAIL, isBlind: true },
}

test('every template is run here', () => {
  expect(Object.keys(WANTED).sort()).toEqual(TEMPLATES.map(({ key }) => key).sort())
})

test.each(Object.entries(WANTED))('%s does in a full life what it says, and shows each act', async (key, wanted) => {
  const ctx = await makePerson({ now: () => NOW })
  await full(ctx)
  await wanted.first?.(ctx)
  const { run } = await carryOut(ctx, key, wanted.trigger ?? {})
  const [offered, ...more] = await ctx.db.select().from(suggestions).where(eq(suggestions.userId, ctx.actor.userId))
  expect([offered?.kind, offered?.status, more]).toEqual([key, expect.stringMatching(/proposed|done/), []])
  const { items } = await listEffects(ctx, { limit: 100, runId: run.id })
  if (wanted.acts.length === 0) {
    expect(run).toMatchObject({ status: 'done', outcome: 'suggested', evidence: [{ id: offered?.id }] })
    expect(items).toEqual([])
    return
  }
  expect(run).toMatchObject({ status: 'done', outcome: 'acted', reason: null, accepted: true })
  expect(run.evidence.map(({ step }) => step)).toEqual(wanted.acts)
  expect(items.map(({ status, agreed, reversible }) => [status, agreed, reversible])).toEqual(
    wanted.acts.map(() => ['done', true, true]),
  )
  // What each shows is an effect of this run, and the row it made or changed.
  const shown = new Map(items.map(({ id, evidence }) => [id, evidence.id]))
  for (const { effectId, id } of run.evidence) expect([effectId, shown.get(effectId ?? '')]).toEqual([effectId, id])
  const there = await ctx.db.execute<{ id: string }>(
    sql`select id from tasks where user_id = ${ctx.actor.userId} union all select id from calendar_events where user_id = ${ctx.actor.userId}`,
  )
  const known = new Set(there.rows.map(({ id }) => id))
  expect(run.evidence.filter(({ id }) => !known.has(id ?? ''))).toEqual([])
  await wanted.left?.(ctx)
})

test.each(Object.entries(WANTED).filter(([, { isBlind }]) => !isBlind))(
  '%s does nothing in an empty life, and says why',
  async (key) => {
    const ctx = await makePerson({ now: () => NOW })
    const { run } = await carryOut(ctx, key, {})
    expect(run).toMatchObject({ status: 'done', outcome: 'nothing', reason: 'no_findings', evidence: [] })
    expect(await ctx.db.select().from(suggestions).where(eq(suggestions.userId, ctx.actor.userId))).toEqual([])
    expect(await titles(ctx)).toEqual([])
  },
)

const INSTEAD: [string, string, (ctx: Person) => Promise<void>][] = [
  ['overdue_triage', 'today', async (ctx) => expect(await dueOf(ctx, 'Late 5')).toBe(day(0).date)],
  ['overdue_triage', 'next_week', async (ctx) => expect(await dueOf(ctx, 'Late 3')).toBe(day(7).date)],
  ['evening_review', 'undated', async (ctx) => expect(await dueOf(ctx, 'Run')).toBeUndefined()],
  [
    'big_task_split',
    'tomorrow',
    async (ctx) => expect(await dueOf(ctx, 'First step: Write the report')).toBe(day(1).date),
  ],
  [
    'focus_time_guard',
    'later',
    async (ctx) => {
      const { items } = await listEvents(ctx, { from: day(0).date, to: day(1).date, limit: 20 })
      const focus = items.find(({ title }) => title.startsWith('Focus: '))
      expect([items.length, focus?.start.time]).toEqual([2, expect.stringMatching(/^1/)])
    },
  ],
]

test.each(INSTEAD)('%s does %s instead where that is chosen, and takes it back as one', async (key, choice, left) => {
  const ctx = await makePerson({ now: () => NOW })
  await full(ctx)
  const before = await titles(ctx)
  const { run } = await carryOut(ctx, key, {}, choice)
  expect(run).toMatchObject({ status: 'done', outcome: 'acted', accepted: true, evidence: [{ step: choice }] })
  await left(ctx)
  const { items } = await listEffects(ctx, { limit: 100, runId: run.id })
  expect(items.map(({ status, agreed }) => [status, agreed])).toEqual([['done', true]])
  expect(await undoEffect(ctx, items[0]?.id ?? '')).toMatchObject({ status: 'undone' })
  expect(await titles(ctx)).toEqual(before)
})
