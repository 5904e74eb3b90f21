import { eq, sql } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { outbox } from '#queue/tables'
import { revoke } from '#test/database'
import { act, type Learner, makeLearner, offer } from '#test/suggestions'
import { users } from '#users/tables'
import { autonomyOf } from './autonomy.ts'
import { approveSuggestion, dismissSuggestion, settleSuggestion } from './decide.ts'
import { explainSuggestion, listSuggestions, listWithheld } from './list.ts'
import { propose } from './propose.ts'
import { RUN_APPROVAL } from './reasons.ts'
import { setSettings } from './settings.ts'
import { suggestionSubscriber } from './subscriber.ts'
import { autonomyRules, suggestions } from './tables.ts'

// A Monday.
const NOON = '2026-11-23T12:00:00.000Z'

const say = ({ ctx, clock }: Learner, over: Parameters<typeof offer>[0] = {}) => propose(ctx, offer(over, clock.now))
const reasonOf = async (told: ReturnType<typeof propose>) => {
  const answer = await told
  return answer.status === 'withheld' ? answer.reason : 'proposed'
}
const settled = async (learner: Learner, id: string) => {
  await approveSuggestion(learner.ctx, id, {})
  await settleSuggestion(learner.ctx, id, { status: 'done' })
}

test('what is offered is told with its event, once for its key', async () => {
  const learner = await makeLearner(NOON)
  const { ctx } = learner
  const one = offer({ actions: [act('first')], priority: 'urgent', confidence: 0.9 }, learner.clock.now)
  const first = await propose(ctx, one)
  ctx.meter.trips = 0
  expect(await propose(ctx, { ...one, title: 'otherwise' })).toEqual(first)
  expect(ctx.meter.trips).toBe(1)
  const { items } = await listSuggestions(ctx, { limit: 10 })
  expect(items).toMatchObject([{ ...first, title: one.title, reversible: true, rank: 1.35, source: one.source }])
  const events = await ctx.db.select().from(outbox).where(eq(outbox.userId, ctx.actor.userId))
  expect(events).toMatchObject([{ type: 'suggestion.created', room: 'suggestions', data: items[0] }])
})

test('the parts of its score make its rank, whoever offers it', async () => {
  const learner = await makeLearner(NOON)
  const { ctx, steward } = learner
  const heard = Array.from({ length: 5 }, (_, n) => ({ id: `e${n}`, kind: 'liked', cell: 'afternoon/weekday' }))
  await steward.learning({ do: 'learn', heard: heard.map((one) => ({ ...one, act: 'accepted' as const })) })
  const scoreOf = async (over: Parameters<typeof offer>[0]) => {
    const told = await say(learner, over)
    const [{ rank } = { rank: Number.NaN }] = await ctx.db.select().from(suggestions).where(eq(suggestions.id, told.id))
    const { score } = await explainSuggestion(ctx, told.id)
    expect(Object.values(score).reduce((all, part) => all * part, 1)).toBeCloseTo(rank, 12)
    return score
  }
  const plain = await scoreOf({ priority: 'urgent', confidence: 0.9 })
  expect(plain).toEqual({ priority: 3, confidence: 0.9, expected: 0.5 })
  const run = { source: { kind: 'run', runId: 'run_1' }, kind: RUN_APPROVAL, confidence: 0.4 } as const
  expect(await scoreOf(run)).toEqual({ priority: 2, confidence: 0.4, expected: 0.5 })
  const liked = await scoreOf({ kind: 'liked', priority: 'routine' })
  expect([liked['priority'], (liked['expected'] ?? 0) > 0.6]).toEqual([1, true])
})

test('of many at once three are offered, whoever is quickest; the others are kept with their reason', async () => {
  const learner = await makeLearner(NOON)
  const told = await Promise.all(Array.from({ length: 12 }, () => reasonOf(say(learner))))
  expect(told.sort()).toEqual([...Array(3).fill('proposed'), ...Array(9).fill('too_many_open')])
  expect((await listWithheld(learner.ctx, { limit: 100 })).items).toHaveLength(9)
})

test('of one key at once there is one', async () => {
  const learner = await makeLearner(NOON)
  const one = offer({}, learner.clock.now)
  const told = await Promise.all(Array.from({ length: 6 }, () => propose(learner.ctx, one)))
  expect(new Set(told.map(({ id }) => id)).size).toBe(1)
})

test('of one offer by many keys at once there is one, urgent or not', async () => {
  const learner = await makeLearner(NOON)
  const one = offer({ priority: 'urgent' }, learner.clock.now)
  const told = await Promise.all(
    [1, 2, 3].map((n) => reasonOf(propose(learner.ctx, { ...one, key: `${one.key} ${n}` }))),
  )
  expect(told.sort()).toEqual(['duplicate', 'duplicate', 'proposed'])
})

test('what somebody asked for themselves is put before them however much is, and takes no place', async () => {
  const learner = await makeLearner(NOON)
  for (let n = 0; n < 3; n++) expect(await reasonOf(say(learner))).toBe('proposed')
  const asked = { kind: 'turn_approval', priority: 'urgent' } as const
  for (let n = 0; n < 2; n++) expect(await reasonOf(say(learner, asked))).toBe('proposed')
  const { items } = await listSuggestions(learner.ctx, { limit: 10 })
  const idea = items.find(({ kind }) => kind !== 'turn_approval')
  await dismissSuggestion(learner.ctx, idea?.id ?? '', {})
  expect(await reasonOf(say(learner))).toBe('proposed')
})

test('there are eight a day of the person, however many were decided', async () => {
  // The day of Auckland begins at eleven.
  const learner = await makeLearner('2026-11-23T09:00:00.000Z', { timeZone: 'Pacific/Auckland' })
  const told: string[] = []
  for (let n = 0; n < 9; n++) {
    const answer = await say(learner)
    told.push(answer.status === 'withheld' ? answer.reason : answer.status)
    if (answer.status === 'proposed') await settled(learner, answer.id)
  }
  expect(told).toEqual([...Array(8).fill('proposed'), 'too_many_today'])
  learner.pass(119)
  expect(await reasonOf(say(learner))).toBe('too_many_today')
  learner.pass(1)
  expect(await reasonOf(say(learner))).toBe('proposed')
})

test('a kind rests for four hours, or as the person says; what is urgent does not wait', async () => {
  const learner = await makeLearner(NOON)
  const kind = 'triage'
  const once = await say(learner, { kind })
  await settled(learner, once.id)
  learner.pass(239)
  expect(await reasonOf(say(learner, { kind }))).toBe('cooldown')
  expect(await reasonOf(say(learner, { kind, priority: 'urgent' }))).toBe('proposed')
  await setSettings(learner.ctx, { cooldowns: { [kind]: 10 } }, 0)
  learner.pass(10)
  expect(await reasonOf(say(learner, { kind }))).toBe('proposed')
})

test('in quiet hours it waits until they are over, unless it is urgent and that is allowed', async () => {
  const learner = await makeLearner('2026-11-23T22:30:00.000Z')
  const { ctx } = learner
  const quietHours = { from: '22:00', to: '07:00' }
  await ctx.db.update(users).set({ quietHours }).where(eq(users.id, ctx.actor.userId))
  expect(await reasonOf(say(learner, { priority: 'urgent' }))).toBe('quiet_hours')
  const { items } = await listWithheld(ctx, { limit: 1 })
  expect(items).toMatchObject([{ reason: 'quiet_hours', wakeAt: '2026-11-24T07:00:00.000Z' }])
  await setSettings(ctx, { urgentInQuietHours: true }, '*')
  expect(await reasonOf(say(learner, { priority: 'urgent' }))).toBe('proposed')
  expect(await reasonOf(say(learner, { priority: 'important' }))).toBe('quiet_hours')
  learner.pass(9 * 60)
  expect(await reasonOf(say(learner))).toBe('proposed')
})

test('what is like something dismissed is not said, and what only sounds like it is', async () => {
  const learner = await makeLearner(NOON)
  const no = await say(learner, { title: 'Cancel the gym subscription before it renews' })
  await dismissSuggestion(learner.ctx, no.id, {})
  const like = (title: string) => reasonOf(say(learner, { title }))
  expect(await like('Your gym subscription renews soon: cancel it')).toBe('look_alike')
  expect(await like('Call the plumber about the kitchen')).toBe('proposed')
  const prepare = await say(learner, { title: 'Prepare for the meeting with Ann on Tuesday' })
  await dismissSuggestion(learner.ctx, prepare.id, {})
  expect(await like('Prepare for the meeting with Bob on Tuesday')).toBe('proposed')
  // After two months nobody remembers.
  learner.pass(61 * 24 * 60)
  expect(await like('Your gym subscription renews soon: cancel it')).toBe('proposed')
})

test('the same acts under the same title are a duplicate while they wait', async () => {
  const learner = await makeLearner(NOON)
  const same = { kind: 'triage', title: 'Move three tasks', actions: [act('move')] }
  const first = await say(learner, same)
  expect(await reasonOf(say(learner, { ...same, actions: [act('another')], priority: 'urgent' }))).toBe('proposed')
  expect(await reasonOf(say(learner, { ...same, priority: 'urgent' }))).toBe('duplicate')
  await settled(learner, first.id)
  expect(await reasonOf(say(learner, { ...same, priority: 'urgent' }))).toBe('proposed')
})

test('what a run needs an OK for is asked each time: no rest, no likeness and no habit withholds it', async () => {
  const learner = await makeLearner(NOON)
  const { ctx } = learner
  const title = '"Water the plants" asks for your OK'
  const ask = (runId: string, over: Parameters<typeof offer>[0] = {}) =>
    say(learner, {
      ...{ kind: RUN_APPROVAL, title, actions: [act('water')], source: { kind: 'run', runId }, priority: 'routine' },
      ...over,
    })
  const hear = async () => {
    const heard = await ctx.db.select().from(outbox).where(eq(outbox.userId, ctx.actor.userId))
    const decided = heard.filter(({ type }) => type === 'suggestion.decided')
    await suggestionSubscriber.handle(
      ctx,
      decided.map((one) => ({ ...one, at: '' })),
    )
  }
  for (let n = 0; n < 5; n++) {
    const asked = await ask(`run_${n}`)
    expect(asked.status).toBe('proposed')
    await dismissSuggestion(ctx, asked.id, {})
    await hear()
  }
  expect(await reasonOf(ask('run_a'))).toBe('proposed')
  expect(await reasonOf(ask('run_a'))).toBe('proposed')
  // Nor does what was said of it speak of any other kind.
  expect(await reasonOf(say(learner, { kind: 'plants', title }))).toBe('proposed')
  expect(await reasonOf(ask('run_b'))).toBe('too_many_today')
})

test('muted kinds, and acts of which none may ever be done, are not offered', async () => {
  const learner = await makeLearner(NOON)
  const { ctx } = learner
  await setSettings(ctx, { muted: ['finance'] }, '*')
  expect(await reasonOf(say(learner, { kind: 'finance', priority: 'urgent' }))).toBe('muted')
  const rule = {
    userId: ctx.actor.userId,
    name: 'create_task:',
    kind: 'create_task',
    workflowId: '',
    level: 'never' as const,
  }
  await ctx.db.insert(autonomyRules).values(rule)
  expect(await autonomyOf(ctx)).toEqual([{ kind: 'create_task', workflowId: null, level: 'never' }])
  expect(await reasonOf(say(learner, { actions: [act('x')] }))).toBe('autonomy')
  expect(await reasonOf(say(learner, { actions: [act('x'), act('y', { kind: 'remember' })] }))).toBe('proposed')
})

test('settings that moved on are not overwritten', async () => {
  const { ctx } = await makeLearner(NOON)
  expect(await setSettings(ctx, { maxOpen: 1 }, 0)).toMatchObject({ maxOpen: 1, maxADay: 8, version: 1 })
  await expect(setSettings(ctx, { maxOpen: 2 }, 0)).rejects.toMatchObject({ code: 'version_stale' })
  expect(await setSettings(ctx, { maxADay: 2 }, 1)).toMatchObject({ maxOpen: 1, maxADay: 2, version: 2 })
})

test('an ended session offers nothing and reads nothing', async () => {
  const learner = await makeLearner(NOON)
  await revoke(learner.ctx)
  await expect(say(learner)).rejects.toThrow()
  await expect(listSuggestions(learner.ctx, { limit: 1 })).rejects.toThrow()
  const { rows } = await learner.ctx.db.execute(
    sql`select 1 from suggestions where user_id = ${learner.ctx.actor.userId}`,
  )
  expect(rows).toEqual([])
})
