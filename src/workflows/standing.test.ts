import { eq, sql } from 'drizzle-orm'
import { expect, test } from 'vitest'
import type { DomainEvent } from '#core'
import { makePerson, type Person } from '#test/database'
import { makeHookSecret } from './ask.ts'
import { runDue, sweepTriggers } from './due.ts'
import { triggerSubscriber } from './react.ts'
import { triggers, workflowRuns, workflows, workflowVersions } from './tables.ts'
import { NewWorkflow, WorkflowPatch } from './workflow-schema.ts'
import { createWorkflow, setStatus, updateWorkflow } from './workflows.ts'

const MONDAY = '2037-11-23T12:00:00.000Z'
const BASE = {
  priority: 'routine',
  gather: [],
  analysis: null,
  suggestion: null,
  actions: [{ id: 'plan', do: 'create_project', input: { name: 'plan' } }],
}

async function begin(definition: object) {
  const clock = { now: new Date(MONDAY) }
  const person = await makePerson({ now: () => clock.now })
  const steward = { arm: async () => ({ ok: true }) }
  Object.assign(person, { env: { EVENTS: person.env.EVENTS, STEWARD: { getByName: () => steward } } })
  const { id } = await createWorkflow(
    person,
    NewWorkflow().parse({ name: 'w', definition: { ...BASE, ...definition } }),
  )
  const theirs = eq(triggers.workflowId, id)
  const trigger = async () => (await person.db.select().from(triggers).where(theirs))[0]
  const patch = (changed: object) =>
    updateWorkflow(person, id, WorkflowPatch().parse({ definition: { ...BASE, ...definition, ...changed } }), '*')
  const causes = async () =>
    (
      await person.db.select().from(workflowRuns).where(eq(workflowRuns.workflowId, id)).orderBy(workflowRuns.createdAt)
    ).map(({ cause }) => cause)
  const due = async () => await runDue(person, { userId: person.actor.userId, id: (await trigger())?.id ?? '' })
  return { person, clock, id, trigger, patch, causes, due }
}

test('what is due is still due after a change of something else', async () => {
  const { clock, trigger, patch, causes, due } = await begin({ triggers: [{ kind: 'cron', cron: '30 12 * * *' }] })
  clock.now = new Date('2037-11-23T12:31:00.000Z')
  await patch({ priority: 'important' })
  expect((await trigger())?.nextAt?.toISOString()).toBe('2037-11-23T12:30:00.000Z')
  await due()
  expect(await causes()).toEqual(['time:2037-11-23T12:30:00.000Z'])
})

test('an address and its secret outlive a change of what it takes', async () => {
  const { person, id, trigger, patch } = await begin({ triggers: [{ kind: 'webhook', fields: [] }] })
  const { path } = await makeHookSecret(person, id)
  const before = await trigger()
  const fields = [{ name: 'amount', type: 'number', required: true }]
  await patch({ triggers: [{ kind: 'webhook', fields }] })
  const after = await trigger()
  expect(`/v1/hooks/${after?.id}`).toBe(path)
  expect(after).toMatchObject({ id: before?.id, secret: before?.secret, config: { kind: 'webhook', fields } })
})

test('what happens every so often is counted from when it is saved, and goes on by that', async () => {
  const { clock, trigger, patch } = await begin({ triggers: [{ kind: 'every', minutes: 1440 }] })
  expect((await trigger())?.nextAt?.toISOString()).toBe('2037-11-24T12:00:00.000Z')
  clock.now = new Date('2037-11-23T20:00:00.000Z')
  await patch({ priority: 'important' })
  expect(await trigger()).toMatchObject({
    nextAt: new Date('2037-11-24T12:00:00.000Z'),
    config: { kind: 'every', from: MONDAY },
  })
})

test.each([
  ['skip', ['15:05', '15:04', '15:03', '15:02', '15:01', '15:00']],
  ['once', ['15:05', '15:04', '15:03', '15:02', '15:01', '15:00']],
])('after three hours of every minute, %s runs what is due now', async (missed, minutes) => {
  const { clock, causes, due } = await begin({ triggers: [{ kind: 'cron', cron: '* * * * *', missed }] })
  clock.now = new Date('2037-11-23T15:05:00.000Z')
  await due()
  expect((await causes()).sort()).toEqual(minutes.map((time) => `time:2037-11-23T${time}:00.000Z`).sort())
})

test('of missed days each has its run, where all are wanted and each day has one', async () => {
  const daily = { kind: 'cron', cron: '0 8 * * *', missed: 'all' }
  const { clock, causes, due } = await begin({ triggers: [daily], oncePer: 'day' })
  clock.now = new Date('2037-11-26T09:00:00.000Z')
  await due()
  expect((await causes()).sort()).toEqual([24, 25, 26].map((day) => `time:2037-11-${day}T08:00:00.000Z`))
})

const happened = (person: Person, n: number, at: string): DomainEvent => ({
  ...{ id: `task_${n}.1.task.completed`, type: 'task.completed', room: 'tasks', key: `task_${n}`, version: 1 },
  ...{ userId: person.actor.userId, data: { title: 'Call' }, at },
})

test('what is brought again after a later one was held back, or has fired, is no news', async () => {
  const onDone = { triggers: [{ kind: 'event', type: 'task.completed' }], debounceSeconds: 60 }
  const { person, clock, causes, due } = await begin(onDone)
  const [a, b] = [happened(person, 1, MONDAY), happened(person, 2, '2037-11-23T12:00:05.000Z')]
  clock.now = new Date('2037-11-23T12:00:06.000Z')
  await triggerSubscriber.handle(person, [a, b])
  await triggerSubscriber.handle(person, [a])
  clock.now = new Date('2037-11-23T12:01:30.000Z')
  await due()
  await triggerSubscriber.handle(person, [a, b])
  clock.now = new Date('2037-11-23T12:05:00.000Z')
  await due()
  expect(await causes()).toEqual([`event:${b.id}`])
  // What happened between the last that it fired for and the firing is news, however late it is told.
  await triggerSubscriber.handle(person, [happened(person, 3, '2037-11-23T12:01:10.000Z')])
  clock.now = new Date('2037-11-23T12:07:00.000Z')
  await due()
  expect(await causes()).toHaveLength(2)
})

test('what was held back when it was switched off is not made up for', async () => {
  const onDone = { triggers: [{ kind: 'event', type: 'task.completed' }], debounceSeconds: 60 }
  const { person, clock, id, trigger, causes } = await begin(onDone)
  await triggerSubscriber.handle(person, [happened(person, 1, MONDAY)])
  await person.db.update(triggers).set({ isTrue: true }).where(eq(triggers.workflowId, id))
  await setStatus(person, id, { status: 'paused', until: undefined })
  expect(await trigger()).toMatchObject({ active: false, isTrue: false, pending: null, pendingAt: null, nextAt: null })
  await setStatus(person, id, { status: 'enabled' })
  clock.now = new Date('2037-11-23T13:00:00.000Z')
  await sweepTriggers(person)
  expect(await causes()).toEqual([])
})

test('what can no longer be run can be switched off, and stays off when its pause ends', async () => {
  const { person, clock, id } = await begin({ triggers: [{ kind: 'cron', cron: '0 8 * * *' }] })
  await setStatus(person, id, { status: 'paused', until: '2037-11-23T13:00:00.000Z' })
  const broken = sql`jsonb_set(${workflowVersions.definition}, '{actions,0,do}', '"no_such_kind"')`
  await person.db.update(workflowVersions).set({ definition: broken }).where(eq(workflowVersions.workflowId, id))
  await expect(setStatus(person, id, { status: 'enabled' })).rejects.toMatchObject({ code: 'invalid_request' })
  clock.now = new Date('2037-11-23T13:00:30.000Z')
  await sweepTriggers(person)
  const [row] = await person.db.select().from(workflows).where(eq(workflows.id, id))
  expect(row).toMatchObject({ status: 'disabled', pausedUntil: null })
})
