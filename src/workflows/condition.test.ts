import { eq, sql } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { calendarTools } from '#calendar'
import type { DomainEvent } from '#core'
import { completeTask, createTask, updateTask } from '#tasks'
import { makePerson, type Person } from '#test/database'
import { validateWorkflow } from './compile.ts'
import { lookAt } from './condition.ts'
import { runDue, sweepTriggers } from './due.ts'
import { triggerSubscriber } from './react.ts'
import { readTriggers } from './ready.ts'
import { triggers, workflowRuns } from './tables.ts'
import { NewWorkflow } from './workflow-schema.ts'
import { createWorkflow, setStatus } from './workflows.ts'

const OVERDUE = { name: 'overdue', source: 'tasks', query: { due: 'overdue' } }
const SOON = { name: 'soon', source: 'calendar', query: { from: '{{ now.at }}', to: '{{ addMinutes(now.at, 60) }}' } }
const BASE = {
  triggers: [{ kind: 'condition', when: 'size(facts.overdue) >= 3 && facts.soon.all(e, !e.isBusy)' }],
  priority: 'routine',
  gather: [OVERDUE, SOON],
  analysis: null,
  suggestion: null,
  actions: [{ id: 'plan', do: 'create_project', input: { name: 'plan' } }],
}
const DONE = { name: 'done', source: 'tasks', query: { status: 'completed', completedSince: 'today' } }
const NOTHING_DONE = {
  triggers: [{ kind: 'condition', when: 'size(facts.done) == 0', check: ['16:00'] }],
  gather: [DONE],
}

/** A person with a clock of their own, and a Steward that only notes what is armed. */
async function begin(timeZone = 'UTC') {
  const clock = { now: new Date('2026-11-23T12:00:00.000Z') }
  const armed: { name: string; dueMs: number; payload: { id: string } }[] = []
  const person = await makePerson({ timeZone, now: () => clock.now })
  const steward = { arm: async (timers: typeof armed) => ({ ok: true, armed: armed.push(...timers) }) }
  const { EVENTS } = person.env
  Object.assign(person, { env: { EVENTS, STEWARD: { getByName: () => steward } } })
  /** As the Steward would: all that is armed until then, each at its time. */
  const pass = async (until: string) => {
    const end = Date.parse(until)
    for (;;) {
      const [next] = armed
        .filter(({ dueMs }) => dueMs > clock.now.getTime() && dueMs <= end)
        .sort((a, b) => a.dueMs - b.dueMs)
      if (!next) break
      clock.now = new Date(next.dueMs)
      for (const { dueMs, payload } of [...armed])
        if (dueMs === next.dueMs) await runDue(person, { userId: person.actor.userId, id: payload.id })
    }
    clock.now = new Date(end)
  }
  return { person, clock, armed, pass }
}

let events = 0
const event = (person: Person, type = 'task.updated', key = `task_${events}`): DomainEvent => {
  events++
  const at = person.now().toISOString()
  return {
    id: `${key}.${events}.${type}`,
    type,
    room: 'tasks',
    key,
    version: 1,
    userId: person.actor.userId,
    data: {},
    at,
  }
}
const happens = async (person: Person, ...all: DomainEvent[]) => await triggerSubscriber.handle(person, all)
const late = async (person: Person, count: number) => {
  for (let n = 0; n < count; n++) await createTask(person, { title: `late ${n}`, due: { date: '2026-11-20' } })
}
async function make(person: Person, definition: object = {}): Promise<{ id: string }> {
  const made = await createWorkflow(person, NewWorkflow().parse({ name: 'w', definition: { ...BASE, ...definition } }))
  await happens(person, event(person, 'workflow.created', made.id))
  return made
}
const runs = async ({ db, actor }: Person) =>
  await db
    .select()
    .from(workflowRuns)
    .where(eq(workflowRuns.userId, actor.userId))
    .orderBy(workflowRuns.createdAt, workflowRuns.id)
const hours = async (person: Person) =>
  (await runs(person)).map(({ trigger }) => String(Object(trigger).at).slice(8, 16))
async function book(person: Person, from: string, to: string) {
  const tool = calendarTools.find(({ name }) => name === 'create_event')
  const moment = (time: string) => ({ date: '2026-11-23', time })
  await tool?.run(person, { title: 'Meeting', start: moment(from), end: moment(to) })
}

test('it fires when it becomes true, once, and again only after it was false', async () => {
  const { person, clock } = await begin()
  const { id } = await make(person)
  await late(person, 2)
  await happens(person, event(person))
  expect(await runs(person)).toEqual([])
  const third = await createTask(person, { title: 'third', due: { date: '2026-11-20' } })
  const told = event(person)
  await happens(person, told, event(person))
  await happens(person, told)
  await happens(person, event(person))
  expect(await runs(person)).toMatchObject([
    {
      workflowId: id,
      triggerKind: 'condition',
      tainted: false,
      trigger: { kind: 'condition', event: { type: 'task.updated' } },
    },
  ])
  clock.now = new Date('2026-11-23T12:10:00Z')
  await completeTask(person, third.id)
  await happens(person, event(person))
  await late(person, 1)
  clock.now = new Date('2026-11-23T12:20:00Z')
  await happens(person, event(person))
  expect(await hours(person)).toEqual(['23T12:00', '23T12:20'])
})

test('what holds when it is made fires at once; what is off, and what is about another, does not', async () => {
  const [{ person }, other] = [await begin(), await begin()]
  await late(person, 3)
  const { id } = await make(person)
  await make(other.person)
  await happens(other.person, event(other.person))
  expect([await runs(person), await runs(other.person)]).toMatchObject([[{ workflowId: id }], []])
  const off = await make(person, { priority: 'urgent' })
  await setStatus(person, off.id, { status: 'disabled' })
  const before = await runs(person)
  await happens(person, event(person))
  expect(await runs(person)).toHaveLength(before.length)
})

test('it becomes true by time passing alone: a task that falls due, a meeting that ends', async () => {
  const { person, pass } = await begin()
  await late(person, 2)
  await make(person)
  await createTask(person, { title: 'at two', due: { date: '2026-11-23', time: '14:00' } })
  await book(person, '13:30', '15:00')
  await happens(person, event(person), event(person, 'event.created'))
  await pass('2026-11-23T14:59:00Z')
  expect(await runs(person)).toEqual([])
  await pass('2026-11-23T20:00:00Z')
  expect(await hours(person)).toEqual(['23T15:00'])
})

test('another day is looked at when it begins, where the person is', async () => {
  const { person, pass } = await begin('America/New_York')
  await make(person, {
    triggers: [{ kind: 'condition', when: 'now.weekday == "tuesday" && size(facts.overdue) == 0' }],
  })
  await pass('2026-11-24T04:59:00Z')
  expect(await runs(person)).toEqual([])
  await pass('2026-11-24T05:01:00Z')
  expect(await hours(person)).toEqual(['24T05:00'])
})

test('what is looked at by the clock alone is asked anew each day', async () => {
  const { person, armed, pass } = await begin('Europe/Berlin')
  const { id } = await make(person, NOTHING_DONE)
  expect(await runs(person)).toEqual([])
  await pass('2026-11-24T20:00:00Z')
  const { id: taskId } = await createTask(person, { title: 'small' })
  await pass('2026-11-25T09:00:00Z')
  await completeTask(person, taskId)
  await pass('2026-11-25T20:00:00Z')
  expect(await hours(person)).toEqual(['23T15:00', '24T15:00'])
  const [trigger] = await person.db.select().from(triggers).where(eq(triggers.workflowId, id))
  expect(trigger).toMatchObject({ isTrue: false, nextAt: new Date('2026-11-26T15:00:00Z') })
  // Three times looked at, each at its time, and no oftener.
  expect(new Set(armed.map(({ dueMs }) => dueMs)).size).toBe(4)
})

test('a crash neither loses a firing nor doubles it', async () => {
  const { person } = await begin()
  await make(person)
  await late(person, 3)
  const fails = () => {
    throw new Error('gone')
  }
  const before = { ...person, db: Object.assign(Object.create(person.db), { with: fails }) }
  await expect(triggerSubscriber.handle(before, [event(person)])).rejects.toThrow('gone')
  const [kept] = await person.db.select().from(triggers).where(eq(triggers.userId, person.actor.userId))
  expect([kept?.isTrue, await runs(person)]).toEqual([false, []])
  const after = { ...person, env: { ...person.env, STEWARD: { getByName: () => ({ arm: fails }) } } }
  await expect(triggerSubscriber.handle(Object.assign(after), [event(person)])).rejects.toThrow('gone')
  expect(await runs(person)).toHaveLength(1)
  await happens(person, event(person))
  expect(await runs(person)).toHaveLength(1)
})

test('of eight who see it become true at once, each at a moment of their own, one fires', async () => {
  const { person, clock } = await begin()
  await make(person)
  await late(person, 3)
  const looks = Array.from({ length: 8 }, async (_, n) => {
    const at = new Date(clock.now.getTime() + n)
    await triggerSubscriber.handle({ ...person, now: () => at }, [event(person)])
  })
  await Promise.all(looks)
  expect(await runs(person)).toHaveLength(1)
})

test('a look that began before it became true, and ends after it fired, does not have it fire again', async () => {
  const { person, clock } = await begin()
  const { userId } = person.actor
  await make(person)
  const early = await readTriggers(person, sql`t.user_id = ${userId}`)
  await late(person, 3)
  await happens(person, event(person))
  await lookAt({ ...person, now: () => new Date('2026-11-19T12:00:00Z') }, userId, early, null)
  clock.now = new Date('2026-11-23T12:10:00Z')
  await happens(person, event(person))
  expect(await hours(person)).toEqual(['23T12:00'])
})

test('debounced it fires where it lasts so long, and not where it does not', async () => {
  const { person, pass } = await begin()
  await make(person, { debounceSeconds: 600 })
  await late(person, 2)
  const third = await createTask(person, { title: 'third', due: { date: '2026-11-20' } })
  await happens(person, event(person))
  await pass('2026-11-23T12:05:00Z')
  await updateTask(person, third.id, { due: { date: '2026-12-01' } }, '*')
  await happens(person, event(person))
  await pass('2026-11-23T12:15:00Z')
  expect(await runs(person)).toEqual([])
  await late(person, 1)
  await happens(person, event(person))
  await pass('2026-11-23T12:30:00Z')
  expect(await hours(person)).toEqual(['23T12:15'])
})

test('a window lets one through, and what it left out is not kept for later', async () => {
  const { person, clock } = await begin()
  await make(person, { oncePer: 'day' })
  await late(person, 2)
  for (const minute of ['10', '20', '30']) {
    clock.now = new Date(`2026-11-23T12:${minute}:00Z`)
    const { id } = await createTask(person, { title: 'third', due: { date: '2026-11-20' } })
    await happens(person, event(person))
    await completeTask(person, id)
    await happens(person, event(person))
  }
  expect(await hours(person)).toEqual(['23T12:10'])
})

test('however many conditions and events there are, a batch gathers once', async () => {
  const { person } = await begin()
  await make(person)
  await happens(person, event(person))
  const trips = async (...all: DomainEvent[]) => {
    person.meter.trips = 0
    await happens(person, ...all)
    return person.meter.trips
  }
  const one = await trips(event(person))
  for (const priority of ['urgent', 'important']) await make(person, { priority })
  expect(await trips(...Array.from({ length: 20 }, () => event(person)))).toBe(one)
})

test('a look that was lost is made up for by the sweep', async () => {
  const { person, clock } = await begin()
  await late(person, 2)
  await createTask(person, { title: 'at two', due: { date: '2026-11-23', time: '14:00' } })
  await make(person)
  clock.now = new Date('2026-11-23T14:01:00Z')
  await sweepTriggers(person)
  expect(await hours(person)).toEqual(['23T14:01'])
})

test('what an event costs is bounded: a person has twenty conditions, and each reads five facts', async () => {
  const { person } = await begin()
  const definition = (triggers: object[], gather: object[] = [OVERDUE]) =>
    NewWorkflow().parse({ name: 'w', definition: { ...BASE, gather, triggers } }).definition
  const when = (n: number) => ({ kind: 'condition', when: `size(facts.overdue) > ${n}` })
  const ten = Array.from({ length: 10 }, (_, n) => when(n))
  for (const n of [1, 2])
    await createWorkflow(person, NewWorkflow().parse({ name: `${n}`, definition: definition(ten) }))
  const { faults } = await validateWorkflow(person, { definition: definition([when(1)]), params: {} })
  expect(faults).toMatchObject([{ pointer: '/definition/triggers' }])
  const names = ['a', 'b', 'c', 'd', 'e', 'f']
  const six = definition(
    [{ kind: 'condition', when: names.map((name) => `size(facts.${name}) > 0`).join(' && ') }],
    names.map((name) => ({ ...OVERDUE, name })),
  )
  const other = await begin()
  expect((await validateWorkflow(other.person, { definition: six, params: {} })).faults).toMatchObject([
    { pointer: '/definition/triggers/0/when', detail: expect.stringContaining('more than 5') },
  ])
})
