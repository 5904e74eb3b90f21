import { eq } from 'drizzle-orm'
import { Webhook } from 'standardwebhooks'
import { expect, test } from 'vitest'
import type { DomainEvent, UserCtx } from '#core'
import { realEffects } from '#effects'
import { outbox } from '#queue/tables'
import { makePerson, type Person } from '#test/database'
import { makeHookSecret, runWorkflow, takeHook } from './ask.ts'
import { runDue, sweepTriggers, timesToRun } from './due.ts'
import { triggerSubscriber } from './react.ts'
import { triggers, workflowRuns } from './tables.ts'
import { NewWorkflow } from './workflow-schema.ts'
import { createWorkflow, setStatus } from './workflows.ts'

const MONDAY = '2037-11-23T12:00:00.000Z'
const BASE = {
  triggers: [{ kind: 'event', type: 'task.completed' }],
  priority: 'routine',
  gather: [],
  analysis: null,
  suggestion: null,
  actions: [{ id: 'plan', do: 'create_project', input: { name: 'plan' } }],
}
type Clock = { now: Date }
type Armed = { name: string; dueMs: number }

/** A person with a clock of their own, and a Steward that only notes what is armed. */
async function begin(timeZone = 'UTC') {
  const clock: Clock = { now: new Date(MONDAY) }
  const armed: Armed[] = []
  const person = await makePerson({ timeZone, now: () => clock.now })
  const steward = { arm: async (timers: Armed[]) => ({ ok: true, armed: armed.push(...timers) }) }
  const { EVENTS } = person.env
  Object.assign(person, { env: { EVENTS, STEWARD: { getByName: () => steward } } })
  return { person, clock, armed }
}
const make = async (person: Person, definition: object) =>
  await createWorkflow(person, NewWorkflow().parse({ name: 'w', definition: { ...BASE, ...definition } }))
let events = 0
const event = (person: Person, over: Partial<DomainEvent> = {}): DomainEvent => {
  events++
  const made = {
    id: `task_${events}.1.task.completed`,
    type: 'task.completed',
    room: 'tasks',
    key: `task_${events}`,
    version: 1,
  }
  return { ...made, userId: person.actor.userId, data: { title: 'Call', priority: 'high' }, at: MONDAY, ...over }
}
const happens = async (person: Person, ...all: DomainEvent[]) => await triggerSubscriber.handle(person, all)
const runs = async ({ db, actor }: Pick<UserCtx, 'db' | 'actor'>) =>
  await db
    .select()
    .from(workflowRuns)
    .where(eq(workflowRuns.userId, actor.userId))
    .orderBy(workflowRuns.createdAt, workflowRuns.id)
const causes = async (person: Person) => (await runs(person)).map(({ cause }) => cause)
const triggerOf = async (person: Person, id: string) => {
  const [row] = await person.db.select().from(triggers).where(eq(triggers.workflowId, id))
  if (!row) throw new Error('no trigger')
  return row
}
function sign(id: string, at: Date, text: string, secret: string): Record<string, string> {
  const timestamp = String(Math.floor(at.getTime() / 1000))
  const signature = new Webhook(secret).sign(id, at, text)
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signature }
}
const due = async (person: Person, id: string) =>
  await runDue(person, { userId: person.actor.userId, id: (await triggerOf(person, id)).id })

test('an event sets off what waits for it, once however often it is delivered, with the event that begins the run', async () => {
  const { person } = await begin()
  const { id } = await make(person, {})
  const done = event(person)
  await happens(person, done, done)
  await happens(person, done)
  await happens(person, event(person, { type: 'task.created' }))
  const [run, ...others] = await runs(person)
  expect(others).toEqual([])
  expect(run).toMatchObject({
    workflowId: id,
    status: 'requested',
    triggerKind: 'event',
    priority: 'routine',
    tainted: false,
    depth: 0,
  })
  expect(run?.trigger).toMatchObject({ type: 'task.completed', subject: done.key, data: { title: 'Call' } })
  const told = await person.db
    .select()
    .from(outbox)
    .where(eq(outbox.key, run?.id ?? ''))
  expect(told.map(({ type, data }) => [type, data])).toEqual([['run.requested', { id: run?.id, version: 1 }]])
})

test('a filter that does not hold, or cannot be said of the event, sets nothing off', async () => {
  const { person } = await begin()
  await make(person, { triggers: [{ kind: 'event', type: 'task.*', when: 'trigger.data.priority == "high"' }] })
  await happens(person, event(person, { data: { priority: 'low' } }), event(person, { data: {} }))
  expect(await runs(person)).toEqual([])
  await happens(person, event(person, { type: 'task.created' }))
  expect(await runs(person)).toHaveLength(1)
})

test("another's events set nothing off, nor anything what is switched off", async () => {
  const [{ person }, other] = [await begin(), await begin()]
  const { id } = await make(person, {})
  await happens(other.person, event(other.person))
  await setStatus(person, id, { status: 'disabled' })
  await happens(person, event(person))
  expect([await runs(person), await runs(other.person)]).toEqual([[], []])
})

test('a throttle, a window and a key that is open each let no more through', async () => {
  const { person, clock } = await begin()
  const throttled = await make(person, { throttle: { count: 2, perMinutes: 60 } })
  await make(person, { oncePer: 'day' })
  await make(person, { oncePer: 'subject' })
  const keyed = await make(person, { concurrencyKey: 'trigger.data.title' })
  const first = event(person)
  await happens(person, first, event(person), event(person), { ...event(person), key: first.key })
  const count = async () => {
    const of = Map.groupBy(await runs(person), ({ workflowId }) => workflowId)
    return [...of.values()].map((all) => all.length)
  }
  expect((await count()).toSorted()).toEqual([1, 1, 2, 3])
  clock.now = new Date('2037-11-23T13:01:00Z')
  await happens(person, event(person))
  expect((await runs(person)).filter(({ workflowId }) => workflowId === throttled.id)).toHaveLength(3)
  await person.db.update(workflowRuns).set({ endedAt: clock.now }).where(eq(workflowRuns.workflowId, keyed.id))
  await happens(person, event(person))
  expect((await runs(person)).filter(({ workflowId }) => workflowId === keyed.id)).toHaveLength(2)
})

test('two at once cannot both pass', async () => {
  const { person } = await begin()
  await make(person, { oncePer: 'day' })
  await Promise.all(Array.from({ length: 8 }, () => happens(person, event(person))))
  expect(await runs(person)).toHaveLength(1)
})

test('a debounce waits until nothing more happens, and runs of the last', async () => {
  const { person, clock, armed } = await begin()
  const { id } = await make(person, { debounceSeconds: 60 })
  await happens(person, event(person))
  clock.now = new Date('2037-11-23T12:00:50Z')
  const last = event(person)
  await happens(person, last)
  clock.now = new Date('2037-11-23T12:01:10Z')
  await due(person, id)
  expect(await runs(person)).toEqual([])
  clock.now = new Date('2037-11-23T12:01:50Z')
  await due(person, id)
  await due(person, id)
  expect(await causes(person)).toEqual([`event:${last.id}`])
  expect(armed.map(({ dueMs }) => new Date(dueMs).toISOString().slice(11, 19))).toEqual(['12:01:00', '12:01:50'])
})

test('a time that has come runs once, and the next is armed; before it nothing happens', async () => {
  const { person, clock, armed } = await begin('Europe/Berlin')
  const { id } = await make(person, { triggers: [{ kind: 'cron', cron: '0 8 * * *' }] })
  await triggerSubscriber.handle(person, [event(person, { type: 'workflow.created', key: id })])
  const trigger = await triggerOf(person, id)
  expect(armed).toMatchObject([
    { dueMs: Date.parse('2037-11-24T07:00:00Z'), payload: { kind: 'trigger', id: trigger.id } },
  ])
  await due(person, id)
  expect(await runs(person)).toEqual([])
  clock.now = new Date('2037-11-24T07:00:00.100Z')
  await Promise.all([due(person, id), due(person, id)])
  await due(person, id)
  expect(await causes(person)).toEqual(['time:2037-11-24T07:00:00.000Z'])
  expect((await triggerOf(person, id)).nextAt).toEqual(new Date('2037-11-25T07:00:00Z'))
  expect(armed.at(-1)?.dueMs).toBe(Date.parse('2037-11-25T07:00:00Z'))
})

test.each([
  ['skip', []],
  ['once', ['2037-11-26']],
  ['all', ['2037-11-24', '2037-11-25', '2037-11-26']],
] as const)('of days that were missed, %s runs what it says', async (missed, days) => {
  const { person, clock } = await begin()
  const { id } = await make(person, { triggers: [{ kind: 'cron', cron: '0 8 * * *', missed }] })
  clock.now = new Date('2037-11-26T20:00:00Z')
  await due(person, id)
  expect(await causes(person)).toEqual(days.map((day) => `time:${day}T08:00:00.000Z`))
  expect((await triggerOf(person, id)).nextAt).toEqual(new Date('2037-11-27T08:00:00Z'))
})

test('what is only a little late is in time, and makes up for what was missed before', () => {
  const times = ['08:00', '09:00', '10:00'].map((time) => new Date(`2037-11-23T${time}:00Z`))
  const at = (time: string) => new Date(`2037-11-23T${time}:00Z`)
  expect(timesToRun(times, 'skip', at('10:04'))).toEqual([at('10:00')])
  expect(timesToRun(times, 'once', at('10:04'))).toEqual([at('10:00')])
  expect(timesToRun(times, 'once', at('10:06'))).toEqual([at('10:00')])
  expect(timesToRun(times, 'skip', at('10:06'))).toEqual([])
})

test('a sweep finds what a lost alarm left waiting, and ends a pause', async () => {
  const { person } = await begin()
  const timed = await make(person, { triggers: [{ kind: 'every', minutes: 60 }] })
  const paused = await make(person, {})
  await setStatus(person, paused.id, { status: 'paused', until: '2037-11-23T12:00:30.000Z' })
  await person.db
    .update(triggers)
    .set({ nextAt: new Date('2037-11-23T11:00:00Z') })
    .where(eq(triggers.workflowId, timed.id))
  const later = { ...person, now: () => new Date('2037-11-23T12:01:00Z') }
  await sweepTriggers(later)
  expect((await runs(person)).map(({ workflowId }) => workflowId)).toEqual([timed.id])
  await happens(person, event(person))
  expect(await runs(person)).toHaveLength(2)
})

test('by hand it runs also where it is off, once for one request', async () => {
  const { person } = await begin()
  const { id } = await make(person, { throttle: { count: 1, perMinutes: 60 } })
  await setStatus(person, id, { status: 'disabled' })
  const runId = person.newId('run')
  const again = { ...person, newId: () => runId }
  const first = await runWorkflow(again, id, { about: 'x' })
  expect(await runWorkflow(again, id, { about: 'x' })).toEqual(first)
  await runWorkflow(person, id, {})
  expect((await runs(person)).map(({ trigger }) => trigger)).toMatchObject([
    { kind: 'manual', data: { about: 'x' } },
    {},
  ])
  const { person: stranger } = await begin()
  await expect(runWorkflow(stranger, id, {})).rejects.toMatchObject({ code: 'not_found' })
})

test('one workflow calls another that lets itself be called, with what it gives it, and no deeper than five', async () => {
  const { person } = await begin()
  const called = await make(person, { triggers: [{ kind: 'workflow' }] })
  const closed = await make(person, {})
  const caller = await make(person, { triggers: [{ kind: 'manual' }] })
  let calls = 0
  /** As a step of a run that was itself called so deep asks for it, and what is told of that is heard. */
  const call = async (workflowId: string, depth: number, tainted: boolean) => {
    const { runId } = await runWorkflow(person, caller.id, {})
    await person.db.update(workflowRuns).set({ depth, tainted }).where(eq(workflowRuns.id, runId))
    const origin = { kind: 'run', runId, step: 'call' } as const
    const input = { workflowId, input: { n: ++calls } }
    const key = `${runId}:call`
    await realEffects(person).perform({ kind: 'run_workflow', input, key, origin, tainted, isAgreed: true })
    const told = await person.db.select().from(outbox).where(eq(outbox.userId, person.actor.userId))
    const asked = told.find(({ data }) => JSON.stringify(data).includes(`"n":${calls}`))
    if (!asked) throw new Error('nothing was asked for')
    await happens(person, { ...asked, at: asked.createdAt.toISOString() })
  }
  await call(called.id, 1, true)
  await call(called.id, 5, false)
  await call(closed.id, 0, false)
  await call(called.id, 0, false)
  expect((await runs(person)).filter(({ workflowId }) => workflowId !== caller.id)).toMatchObject([
    { workflowId: called.id, depth: 2, tainted: true, trigger: { data: { n: 1 } } },
    { workflowId: called.id, depth: 1, tainted: false, trigger: { data: { n: 4 } } },
  ])
})

test('what is called from outside is signed, fresh, of the right shape, and taken once', async () => {
  const { person, clock } = await begin()
  const fields = [{ name: 'amount', type: 'number', required: true }]
  const { id } = await make(person, { triggers: [{ kind: 'webhook', fields }] })
  const trigger = await triggerOf(person, id)
  const call = async (data: unknown, over: { secret?: string; at?: string; id?: string } = {}) => {
    const text = JSON.stringify(data)
    const at = new Date(over.at ?? clock.now)
    const headers = sign(over.id ?? 'msg_1', at, text, over.secret ?? secret)
    return await takeHook(person, { id: trigger.id, headers, text, data }).then(
      () => 'taken',
      (error: { code?: string }) => error.code,
    )
  }
  let secret = `whsec_${Buffer.alloc(24).toString('base64')}`
  expect(await call({ amount: 5 })).toBe('invalid_signature')
  const made = await makeHookSecret(person, id)
  expect(made.path).toBe(`/v1/hooks/${trigger.id}`)
  secret = made.secret
  expect((await triggerOf(person, id)).secret).not.toContain(secret)
  expect(await call({ amount: 5 })).toBe('taken')
  expect(await call({ amount: 5 })).toBe('taken')
  expect(await call({ amount: 5 }, { secret: `whsec_${Buffer.alloc(32).toString('base64')}` })).toBe(
    'invalid_signature',
  )
  expect(await call({ amount: 5 }, { at: '2037-11-23T11:54:00Z', id: 'msg_2' })).toBe('invalid_signature')
  expect(await call({ amount: 'five' }, { id: 'msg_3' })).toBe('invalid_request')
  expect(await call({}, { id: 'msg_4' })).toBe('invalid_request')
  expect(await runs(person)).toMatchObject([
    { cause: 'hook:msg_1', tainted: true, trigger: { kind: 'webhook', data: { amount: 5 } } },
  ])
  await makeHookSecret(person, id)
  expect(await call({ amount: 5 }, { id: 'msg_5' })).toBe('invalid_signature')
})
