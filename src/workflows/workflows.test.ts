import { and, eq, sql } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { AppError } from '#core'
import { outbox } from '#queue/tables'
import { makePerson, type Person, revoke } from '#test/database'
import { validateWorkflow } from './compile.ts'
import { Definition } from './definition.ts'
import { getWorkflow, listWorkflows } from './read.ts'
import { triggers, workflowRuns, workflows, workflowVersions } from './tables.ts'
import { listVersions, workflowMetrics } from './versions.ts'
import { NewWorkflow } from './workflow-schema.ts'
import { createWorkflow, deleteWorkflow, emptyWorkflowBin, setStatus, updateWorkflow, useVersion } from './workflows.ts'

const MONDAY = new Date('2026-11-23T12:00:00Z')
const BASE = {
  parameters: [{ name: 'at', type: 'time', title: 'At', default: '08:00' }],
  triggers: [
    { kind: 'cron', cron: '{{ cronAt(params.at, "1-5") }}' },
    { kind: 'event', type: 'task.completed' },
  ],
  priority: 'routine',
  gather: [],
  analysis: null,
  suggestion: null,
  actions: [{ id: 'plan', do: 'create_project', input: { name: 'plan' } }],
}
const definition = (change: object = {}) => Definition().parse({ ...BASE, ...change })
const input = (change: object = {}) => NewWorkflow().parse({ name: 'Plan the day', definition: BASE, ...change })
const berliner = () => makePerson({ timeZone: 'Europe/Berlin', now: () => MONDAY })
const told = async (person: Person) =>
  (
    await person.db
      .select({ type: outbox.type })
      .from(outbox)
      .where(eq(outbox.userId, person.actor.userId))
      .orderBy(outbox.createdAt, outbox.version)
  ).map(({ type }) => type)
const armed = async (person: Person, id: string) =>
  await person.db
    .select({ id: triggers.id, kind: triggers.kind, active: triggers.active, nextAt: triggers.nextAt })
    .from(triggers)
    .where(eq(triggers.workflowId, id))
    .orderBy(triggers.id)
const refusal = async (work: Promise<unknown>) => {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof AppError)) throw new Error('it was not refused')
  return { code: error.code, pointers: error.errors?.map(({ pointer }) => pointer) }
}

test('a workflow is saved with its triggers and its event, and says when it is due next in the zone of its person', async () => {
  const person = await berliner()
  const made = await createWorkflow(person, input({ params: { at: '07:30' } }))
  expect(made).toMatchObject({ status: 'enabled', definitionVersion: 1, params: { at: '07:30' }, version: 1 })
  const whole = await getWorkflow(person, made.id)
  expect(whole.definition).toEqual(definition())
  expect(whole.triggers[0]?.next).toEqual(['24', '25', '26', '27', '30'].map((day) => `2026-11-${day}T06:30:00.000Z`))
  expect(whole.triggers.map(({ kind, active }) => [kind, active])).toEqual([
    ['cron', true],
    ['event', true],
  ])
  expect((await armed(person, made.id))[0]?.nextAt).toEqual(new Date('2026-11-24T06:30:00Z'))
  expect([await told(person), person.sent.length]).toEqual([['workflow.created'], 1])
})

test('whoever saves it is answered what one who reads it is: what it is, and the next five times, for no trip more', async () => {
  const person = await berliner()
  const trips = async <T>(work: Promise<T>) => {
    const before = person.meter.trips
    return [await work, person.meter.trips - before] as const
  }
  const [made, forMaking] = await trips(createWorkflow(person, input({ params: { at: '07:30' } })))
  const next = ['24', '25', '26', '27', '30'].map((day) => `2026-11-${day}T06:30:00.000Z`)
  expect(made.triggers.map((trigger) => trigger.next)).toEqual([next, []])
  const read = () => getWorkflow(person, made.id)
  const times = (of: typeof made) => of.triggers.flatMap((trigger) => trigger.next)
  expect(made).toEqual(await read())
  const { id } = made
  const [renamed, forName] = await trips(updateWorkflow(person, id, { name: 'Plan' }, 1))
  expect(renamed).toEqual(await read())
  const [later, forParams] = await trips(updateWorkflow(person, id, { params: { at: '09:00' } }, 2))
  expect([times(later)[0], later]).toEqual(['2026-11-24T08:00:00.000Z', await read()])
  const hourly = definition({ parameters: [], triggers: [{ kind: 'every', minutes: 60 }] })
  const [changed, forDefinition] = await trips(updateWorkflow(person, id, { definition: hourly }, 3))
  expect([changed.triggers.length, changed]).toEqual([1, await read()])
  const [back, forVersion] = await trips(useVersion(person, id, 1))
  expect([back.triggers.length, back]).toEqual([2, await read()])
  const [off, forOff] = await trips(setStatus(person, id, { status: 'disabled' }))
  expect([times(off), off]).toEqual([[], await read()])
  const [on, forOn] = await trips(setStatus(person, id, { status: 'enabled' }))
  expect([times(on).length, on]).toEqual([5, await read()])
  expect(await setStatus(person, id, { status: 'enabled' })).toEqual(on)
  expect([forMaking, forName, forParams, forDefinition, forVersion, forOff, forOn]).toEqual([2, 1, 3, 3, 4, 2, 3])
})

test('what cannot run is not saved, and every fault is told with its place in what was sent', async () => {
  const person = await berliner()
  const wrong = input({
    definition: { ...BASE, actions: [{ id: 'a', do: 'fly', input: {} }], requires: ['mail'] },
    params: { at: 'noon', nobody: 1 },
  })
  expect(await refusal(createWorkflow(person, wrong))).toEqual({
    code: 'invalid_request',
    pointers: ['/definition/actions/0/do', '/params/at', '/params/nobody', '/definition/requires/0'],
  })
  expect(await told(person)).toEqual([])
  expect(await validateWorkflow(person, wrong)).toMatchObject({ valid: false, next: [] })
  expect(await validateWorkflow(person, input())).toMatchObject({ valid: true, faults: [] })
})

test('a new definition is the next version, and what did not change of its triggers keeps its id', async () => {
  const person = await berliner()
  const { id } = await createWorkflow(person, input())
  const [cron, event] = await armed(person, id)
  const next = definition({ triggers: [BASE.triggers[1], { kind: 'every', minutes: 30 }] })
  const changed = await updateWorkflow(person, id, { definition: next, note: 'oftener' }, 1)
  expect(changed).toMatchObject({ definitionVersion: 2, latestVersion: 2, version: 2 })
  const now = await armed(person, id)
  expect(now.map(({ kind }) => kind)).toEqual(['event', 'every'])
  expect(now[0]?.id).toBe(event?.id)
  expect(now.map((one) => one.id)).not.toContain(cron?.id)
  const { items } = await listVersions(person, id, { limit: 20 })
  expect(items.map(({ version, note, isInUse }) => [version, note, isInUse])).toEqual([
    [2, 'oftener', true],
    [1, '', false],
  ])
  expect(await useVersion(person, id, 1)).toMatchObject({ definitionVersion: 1, latestVersion: 2, version: 3 })
  expect((await armed(person, id)).map(({ kind }) => kind)).toEqual(['event', 'cron'])
  expect((await refusal(useVersion(person, id, 9))).code).toBe('not_found')
  expect((await refusal(updateWorkflow(person, id, { name: 'x' }, 1))).code).toBe('version_stale')
})

test('switched off nothing is due; switched on it is reckoned anew, and what it missed is not made up for', async () => {
  let now = MONDAY
  const person = await makePerson({ now: () => now })
  const { id } = await createWorkflow(person, input())
  await setStatus(person, id, { status: 'paused', until: '2026-11-30T00:00:00.000Z' })
  expect((await armed(person, id)).map(({ active, nextAt }) => [active, nextAt])).toEqual([
    [false, null],
    [false, null],
  ])
  expect((await getWorkflow(person, id)).triggers[0]?.next).toEqual([])
  now = new Date('2026-11-26T12:00:00Z')
  expect(await setStatus(person, id, { status: 'enabled' })).toMatchObject({ status: 'enabled', pausedUntil: null })
  expect((await armed(person, id))[0]?.nextAt).toEqual(new Date('2026-11-27T08:00:00Z'))
  expect(await told(person)).toEqual(['workflow.created', 'workflow.updated', 'workflow.updated'])
})

test('workflows that would call each other in a circle are refused', async () => {
  const person = await berliner()
  const calling = (workflowId: string) =>
    definition({
      triggers: [{ kind: 'workflow' }],
      actions: [{ id: 'call', do: 'run_workflow', input: { workflowId } }],
    })
  const [first, second, third] = [
    await createWorkflow(person, input()),
    await createWorkflow(person, input()),
    await createWorkflow(person, input()),
  ]
  const calls = async (id: string, other: string) =>
    await person.db
      .update(workflowVersions)
      .set({ definition: calling(other) })
      .where(eq(workflowVersions.workflowId, id))
  await calls(second.id, first.id)
  await calls(third.id, second.id)
  const faultsOfCall = async (other: string) =>
    (await refusal(updateWorkflow(person, first.id, { definition: calling(other) }, '*'))).pointers
  expect(await faultsOfCall(third.id)).toContain('/definition/actions')
  expect(await faultsOfCall(first.id)).toContain('/definition/actions')
  const { id } = await createWorkflow(person, input())
  expect(await updateWorkflow(person, first.id, { definition: calling(id) }, '*')).toMatchObject({ id: first.id })
})

test("a stranger's workflow does not exist, nor one that was deleted; of the deleted one the runs stay a while", async () => {
  const [person, stranger] = [await berliner(), await berliner()]
  const { id } = await createWorkflow(person, input())
  for (const work of [
    () => getWorkflow(stranger, id),
    () => updateWorkflow(stranger, id, { name: 'x' }, '*'),
    () => setStatus(stranger, id, { status: 'disabled' }),
    () => deleteWorkflow(stranger, id),
    () => listVersions(stranger, id, { limit: 5 }),
    () => workflowMetrics(stranger, id, 30),
  ])
    expect((await refusal(work())).code).toBe('not_found')
  await deleteWorkflow(person, id)
  expect((await refusal(getWorkflow(person, id))).code).toBe('not_found')
  expect(await armed(person, id)).toEqual([])
  expect((await told(person)).at(-1)).toBe('workflow.deleted')
  const left = () => person.db.select({ id: workflows.id }).from(workflows).where(eq(workflows.id, id))
  await emptyWorkflowBin(person)
  expect(await left()).toHaveLength(1)
  await person.db.update(workflows).set({ deletedAt: sql`now() - interval '31 days'` }).where(eq(workflows.id, id))
  await emptyWorkflowBin(person)
  expect(await left()).toEqual([])
})

test('workflows are found by their words and their state, page by page', async () => {
  const person = await berliner()
  for (const name of ['Morning brief', 'Evening review', 'Morning run']) await createWorkflow(person, input({ name }))
  const first = await listWorkflows(person, { limit: 1, text: 'MORNING' })
  expect(first.items.map(({ name }) => name)).toEqual(['Morning run'])
  const second = await listWorkflows(person, { limit: 1, text: 'MORNING', cursor: first.nextCursor ?? '' })
  expect([second.items.map(({ name }) => name), second.nextCursor]).toEqual([['Morning brief'], null])
  expect((await listWorkflows(person, { limit: 10, text: '%' })).items).toEqual([])
  expect((await listWorkflows(person, { limit: 10, status: 'paused' })).items).toEqual([])
  await revoke(person)
  await expect(listWorkflows(person, { limit: 10 })).rejects.toMatchObject({ cause: { code: 'AU401' } })
})

test('metrics count what runs came to, and a run that did nothing is no success', async () => {
  const person = await berliner()
  const { id } = await createWorkflow(person, input())
  const run = (n: number, over: Partial<typeof workflowRuns.$inferInsert>) => ({
    id: person.newId('run'),
    userId: person.actor.userId,
    workflowId: id,
    definitionVersion: 1,
    triggerKind: 'manual',
    cause: `c${n}`,
    priority: 'routine' as const,
    startedAt: new Date(),
    endedAt: new Date(Date.now() + n * 1000),
    ...over,
  })
  await person.db.insert(workflowRuns).values([
    run(1, {
      status: 'done',
      outcome: 'acted',
      evidence: [{ id: 'task_1' }],
      accepted: true,
      savedMinutes: 5,
      costMicros: 70,
    }),
    run(2, { status: 'done', outcome: 'nothing', reason: 'no_findings' }),
    run(3, { status: 'failed', accepted: false }),
    run(4, { status: 'running', endedAt: null }),
    run(5, { status: 'done', evidence: [{}], createdAt: new Date('2020-01-01') }),
  ])
  expect(await workflowMetrics(person, id, 30)).toMatchObject({
    ...{ days: 30, runs: 4, ended: 3, succeeded: 1, nothing: 1, failed: 1, suggested: 2, accepted: 1 },
    ...{ savedMinutes: 5, costMicros: 70, p50Ms: 2000 },
  })
  const spread = await createWorkflow(person, input())
  const seconds = [1, 2, 3, 4, 5, 6, 7, 8, 9, 110]
  const begun = (n: number) => new Date(Date.now() - n * 60_000)
  await person.db.insert(workflowRuns).values(
    seconds.map((took, n) => ({
      ...run(n, { status: 'done', workflowId: spread.id, createdAt: begun(n + 1), startedAt: begun(n) }),
      endedAt: new Date(begun(n).getTime() + took * 1000),
    })),
  )
  const { p50Ms, p95Ms, lastRunAt } = await workflowMetrics(person, spread.id, 30)
  // Between the ninth and the tenth, as percentile_cont reckons: 9 s and 0.55 of the 101 s to the next.
  expect([p50Ms, p95Ms].map((ms) => Math.round((ms ?? 0) / 100))).toEqual([55, 646])
  expect(Math.abs(Date.parse(lastRunAt ?? '') - begun(1).getTime())).toBeLessThan(20_000)
  const none = await createWorkflow(person, input())
  expect(await workflowMetrics(person, none.id, 30)).toMatchObject({
    runs: 0,
    p50Ms: null,
    p95Ms: null,
    lastRunAt: null,
  })
})

test('the same request done again answers the workflow that is there', async () => {
  const person = await berliner()
  const id = person.newId('wfl')
  const again = {
    ...person,
    newId: (prefix: Parameters<Person['newId']>[0]) => (prefix === 'wfl' ? id : person.newId(prefix)),
  }
  const first = await createWorkflow(again, input())
  expect(await createWorkflow(again, input())).toEqual(first)
  const [{ count } = { count: 0 }] = await person.db
    .select({ count: sql<number>`count(*)::int` })
    .from(triggers)
    .where(and(eq(triggers.workflowId, id), eq(triggers.active, true)))
  expect([count, await told(person)]).toEqual([2, ['workflow.created']])
})
