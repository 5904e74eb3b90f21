import { and, eq } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { type DomainEvent, newId } from '#core'
import { effects } from '#effects/tables'
import { listNotifications } from '#notifications'
import { outbox } from '#queue/tables'
import { type Due, failed, settleRun, waitingRuns } from '#scheduler'
import { scheduleRuns, schedules } from '#scheduler/tables'
import { testCtx } from '#test/database'
import { type Learner, makeLearner } from '#test/suggestions'
import { users } from '#users/tables'
import { dismissSuggestion } from './decide.ts'
import { listSuggestions, listWithheld } from './list.ts'
import { effectCarrier } from './scheduled.ts'
import { setSettings } from './settings.ts'
import { suggestionSubscriber } from './subscriber.ts'
import { autonomyRules } from './tables.ts'
import { wakeSuggestion } from './wake.ts'

const NOON = '2026-11-23T12:00:00.000Z'
const MAIL = {
  kind: 'effect',
  do: 'send_mail',
  input: { to: ['ada@example.com'], subject: 'Friday', text: 'At nine?' },
} as const

/** A run of a schedule that sends mail. */
async function dueOf({ ctx, clock }: Learner): Promise<Due> {
  const { userId } = ctx.actor
  const [id, runId] = [newId('sch', clock.now), newId('srn', clock.now)]
  const when = { kind: 'cron', cron: '0 9 * * *', timeZone: 'UTC' }
  await ctx.db.insert(schedules).values({ id, userId, name: 'Weekly', when, missed: 'once', action: MAIL })
  const made = { dueAt: clock.now, startedAt: clock.now, cause: 'person', status: 'waiting' } as const
  await ctx.db.insert(scheduleRuns).values({ id: runId, userId, scheduleId: id, ...made })
  const [due] = await waitingRuns(ctx, [runId])
  if (!due) throw new Error('nothing waits')
  return due
}

/** Carries it out, as whoever hears that it is due. */
async function begin(learner: Learner): Promise<Due> {
  const due = await dueOf(learner)
  const came = await effectCarrier.carryOut(learner.ctx, due, MAIL)
  if (came) await settleRun(learner.ctx, due, came)
  return due
}

/** Whatever was told is heard, again and again. */
async function hear({ ctx, clock }: Learner): Promise<void> {
  const told = await ctx.db.select().from(outbox).where(eq(outbox.userId, ctx.actor.userId))
  const events: DomainEvent[] = told.map((event) => ({ ...event, at: event.createdAt.toISOString() }))
  const system = testCtx({ now: () => clock.now, env: ctx.env })
  await suggestionSubscriber.handle(
    system,
    events.filter(({ type }) => suggestionSubscriber.wants(type)),
  )
}

async function runOf({ ctx }: Learner, { run }: Due) {
  const [row] = await ctx.db
    .select({ status: scheduleRuns.status, outcome: scheduleRuns.outcome })
    .from(scheduleRuns)
    .where(and(eq(scheduleRuns.id, run.id), eq(scheduleRuns.userId, ctx.actor.userId)))
  return row
}
const toldTo = async ({ ctx }: Learner) => (await listNotifications(ctx, { limit: 9 })).items.map(({ title }) => title)

test('what a schedule must ask is asked each time, however often and whatever was said before', async () => {
  const learner = await makeLearner(NOON)
  for (let n = 0; n < 5; n++) {
    const due = await begin(learner)
    const { items } = await listSuggestions(learner.ctx, { limit: 9, status: 'proposed' })
    const [id = ''] = items.map((one) => one.id)
    expect(items).toMatchObject([{ kind: 'schedule_approval', source: { scheduleRunId: due.run.id } }])
    expect(await runOf(learner, due)).toEqual({ status: 'done', outcome: { kind: 'suggestion', id } })
    await dismissSuggestion(learner.ctx, id, {})
    await hear(learner)
  }
})

test('what may not be asked now waits with its run until it is asked', async () => {
  const learner = await makeLearner('2026-11-23T22:30:00.000Z')
  const { ctx } = learner
  const quietHours = { from: '22:00', to: '07:00' }
  await ctx.db.update(users).set({ quietHours }).where(eq(users.id, ctx.actor.userId))
  const due = await begin(learner)
  await hear(learner)
  expect(await runOf(learner, due)).toEqual({ status: 'waiting', outcome: null })
  const { items } = await listWithheld(ctx, { limit: 9 })
  expect(items).toMatchObject([{ reason: 'quiet_hours', wakeAt: '2026-11-24T07:00:00.000Z' }])
  learner.pass(9 * 60)
  const id = items[0]?.id ?? ''
  await wakeSuggestion(testCtx({ now: () => learner.clock.now, env: ctx.env }), { userId: ctx.actor.userId, id })
  await hear(learner)
  expect(await runOf(learner, due)).toEqual({ status: 'done', outcome: { kind: 'suggestion', id } })
})

test('what will not be asked has failed, with the reason, and its person is told', async () => {
  const learner = await makeLearner(NOON)
  await setSettings(learner.ctx, { muted: ['schedule_approval'] }, '*')
  const due = await begin(learner)
  expect(await runOf(learner, due)).toMatchObject({ status: 'failed', outcome: { kind: 'failure', code: 'muted' } })
  expect(await toldTo(learner)).toEqual([failed(due, '', '').note?.title])
})

test('what is held or handed on is under way until its effect ends, and its run ends as it did', async () => {
  const learner = await makeLearner(NOON)
  const { ctx } = learner
  const rule = { name: 'send_mail:', kind: 'send_mail', workflowId: '', level: 'act_and_tell' as const }
  await ctx.db.insert(autonomyRules).values({ ...rule, userId: ctx.actor.userId })
  /** What becomes of a run whose effect ends like this, however often that is told. */
  const ended = async (end: Partial<typeof effects.$inferInsert>) => {
    const due = await begin(learner)
    const id = String((await runOf(learner, due))?.outcome?.['id'])
    const isIt = eq(effects.id, id)
    await hear(learner)
    await ctx.db.update(effects).set({ status: 'sending' }).where(isIt)
    expect(await runOf(learner, due)).toMatchObject({ status: 'waiting', outcome: { kind: 'effect', id } })
    const [row] = await ctx.db.update(effects).set(end).where(isIt).returning()
    if (!row) throw new Error('no effect')
    const { evidenceId, provider, errorCode, error, scheduleRunId, heldUntil } = row
    const data = {
      ...{ ...row, heldUntil: heldUntil?.toISOString() ?? null, evidence: { id: evidenceId, provider } },
      ...{ error: errorCode && { code: errorCode, detail: error }, origin: { kind: 'schedule', scheduleRunId } },
    }
    const event = {
      id: `${id}.2.effect.updated`,
      type: 'effect.updated',
      room: 'effects',
      key: id,
      version: 2,
      at: NOON,
    }
    const system = testCtx({ now: () => learner.clock.now, env: ctx.env })
    for (const _ of [1, 2]) await suggestionSubscriber.handle(system, [{ ...event, userId: ctx.actor.userId, data }])
    return await runOf(learner, due)
  }
  const evidence = { id: 'msg_1', provider: 'local' }
  expect(await ended({ status: 'done', evidenceId: 'msg_1', provider: 'local' })).toMatchObject({
    status: 'done',
    outcome: { kind: 'effect', evidence },
  })
  expect(await toldTo(learner)).toEqual(['Weekly'])
  expect(await ended({ status: 'cancelled' })).toMatchObject({ status: 'failed', outcome: { code: 'cancelled' } })
  expect(await toldTo(learner)).toEqual(['Weekly'])
  const refused = { status: 'failed', errorCode: 'not_taken', error: 'Not taken: no such box' } as const
  expect(await ended({ ...refused, heldUntil: null })).toMatchObject({
    status: 'failed',
    outcome: { code: 'not_taken' },
  })
  const maybe = { status: 'unknown', errorCode: 'timeout', error: 'It may have been sent' } as const
  expect(await ended(maybe)).toMatchObject({ status: 'failed', outcome: { detail: 'It may have been sent' } })
  expect(await toldTo(learner)).toHaveLength(3)
  // Tried again by whoever carries it out.
  const passing = { status: 'failed', errorCode: 'unavailable', error: 'Away', heldUntil: null } as const
  expect(await ended(passing)).toMatchObject({ status: 'waiting' })
})
