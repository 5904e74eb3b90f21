import { expect, test } from 'vitest'
import { makePerson } from '#test/database'
import { validateWorkflow } from './compile.ts'
import { Definition } from './definition.ts'
import { effectInputs } from './kinds.ts'
import { callsOf, cycleFrom } from './loops.ts'
import { faultsOf, parameterFault } from './validate.ts'
import { NewWorkflow } from './workflow-schema.ts'

const BASE = {
  parameters: [{ name: 'days', type: 'integer', title: 'Days', default: 3 }],
  triggers: [{ kind: 'manual' }],
  priority: 'routine',
  gather: [{ name: 'overdue', source: 'tasks', query: { due: 'overdue', overdueDays: '{{ params.days }}' } }],
  analysis: {
    kind: 'rules',
    findings: [{ when: 'facts.overdue.size() > params.days', title: 'Late', confidence: 0.8 }],
  },
  suggestion: null,
  actions: [{ id: 'say', do: 'create_task', input: { title: '{{ findings[0].title }}' } }],
}
const faults = async (change: object) => await faultsOf(Definition().parse({ ...BASE, ...change }), effectInputs())
const places = async (change: object) => (await faults(change)).map(({ pointer }) => pointer)

test('a definition that can run has no fault', async () => {
  expect(await faults({})).toEqual([])
  const cron = '{{ params.days }} 8 * * *'
  expect(
    await faults({
      triggers: [
        { kind: 'cron', cron },
        { kind: 'event', type: 'task.*', when: 'true' },
      ],
    }),
  ).toEqual([])
})

test('every fault is told at once, each with its place', async () => {
  const found = await faults({
    parameters: [{ name: 'days', type: 'integer', title: 'Days', default: 3, max: 2 }],
    triggers: [
      { kind: 'cron', cron: '0 25 * * *' },
      { kind: 'event', type: 'weather.changed' },
      { kind: 'condition', when: '1' },
    ],
    gather: [
      { name: 'overdue', source: 'tasks', query: { overdueDays: '{{ params.dayz }}' } },
      { name: 'overdue', source: 'insights' },
    ],
    analysis: {
      kind: 'rules',
      findings: [{ when: 'facts.overdeu.size()', title: '{{ size(facts', facts: 'params.days', confidence: 1 }],
    },
    actions: [
      { id: 'a', do: 'launch_rocket', input: {} },
      { id: 'a', do: 'create_task', input: { title: '{{ steps.b.title }}', priority: 'huge', due: '{{ now.date }}' } },
    ],
  })
  expect(found.map(({ pointer }) => pointer)).toEqual([
    '/parameters/0/default',
    '/triggers/0/cron',
    '/triggers/1/type',
    '/triggers/2/when',
    '/triggers/2',
    '/gather/1/name',
    '/gather/0/query/overdueDays',
    '/analysis/findings/0/when',
    '/analysis/findings/0/title',
    '/analysis/findings/0/facts',
    '/actions/0/do',
    '/actions/1/id',
    '/actions/1/input/title',
    '/actions/1/input/priority',
  ])
  expect(found[7]?.detail).toContain('No such key: overdeu')
})

test('a pointer escapes what it must', async () => {
  const act = { id: 'a', do: 'set_preferences', input: { 'a/b~c': '{{ nobody }}' } }
  expect(await places({ actions: [act] })).toEqual(['/actions/0/input/a~1b~0c'])
})

test('what has no answer yet cannot be read, and an item only inside its list', async () => {
  const task = { id: 'made', do: 'create_task', input: { title: 'x' } }
  const uses = (expression: string) => ({ id: 'use', do: 'create_task', input: { title: `{{ ${expression} }}` } })
  expect(await places({ actions: [uses('steps.made.id'), task] })).toEqual(['/actions/0/input/title'])
  expect(await places({ actions: [task, uses('steps.made.id')] })).toEqual([])
  expect(await places({ actions: [task, uses('item.id')] })).toEqual(['/actions/1/input/title'])
  const each = { id: 'each', forEach: 'facts.overdue', as: 'task', max: 5, steps: [uses('task.id + item.id')] }
  expect(await places({ actions: [each] })).toEqual([])
  expect(await places({ actions: [{ ...each, forEach: 'params.days', as: 'facts' }] })).toEqual([
    '/actions/0/forEach',
    '/actions/0/as',
    '/actions/0/steps/0/input/title',
  ])
})

test('what would set itself off without end, and what would do nothing, is refused', async () => {
  const own = { triggers: [{ kind: 'event', type: 'task.created' }] }
  expect(await places(own)).toEqual(['/triggers/0'])
  expect(await places({ ...own, throttle: { count: 1, perMinutes: 60 } })).toEqual([])
  expect(await places({ actions: [] })).toEqual([''])
  expect(await places({ triggers: [{ kind: 'manual' }, { kind: 'manual' }] })).toEqual(['/triggers/1'])
})

test('what never happens cannot be waited for; what has a room yet to come can', async () => {
  const waits = (type: string) =>
    faults({ triggers: [{ kind: 'event', type }], throttle: { count: 1, perMinutes: 60 } })
  for (const type of ['task.restored', 'event.soon', 'event.*', 'mail.received', 'file.*'])
    expect(await waits(type)).toEqual([])
  expect(await waits('task.eaten')).toMatchObject([{ pointer: '/triggers/0/type' }])
  expect(await waits('run.updated')).toMatchObject([{ pointer: '/triggers/0/type' }])
})

test('a time that never comes is refused', async () => {
  expect(await places({ triggers: [{ kind: 'cron', cron: '0 0 31 2 *' }] })).toEqual(['/triggers/0/cron'])
  expect(
    await places({
      triggers: [{ kind: 'rrule', start: { date: '2026-11-23', time: '08:00' }, rrule: 'FREQ=SOMETIMES' }],
    }),
  ).toEqual(['/triggers/0/rrule'])
})

test('whom a workflow calls is told, also from within', () => {
  const call = { id: 'a', do: 'run_workflow', input: { workflowId: 'wfl_b' } }
  const each = { id: 'e', forEach: 'findings', as: 'one', max: 1, steps: [{ ...call, id: 'c' }] }
  const arm = JSON.parse(JSON.stringify({ then_: [each] }).replace('then_', 'then'))
  const { actions } = Definition().parse({
    ...BASE,
    actions: [call, { id: 'b', branch: [{ when: 'false', ...arm }] }],
  })
  expect(callsOf({ actions })).toEqual(['wfl_b', 'wfl_b'])
})

test('workflows that call each other in a circle are found, however long it is', () => {
  const calls = new Map([
    ['b', ['c', 'd']],
    ['c', ['b']],
    ['d', ['a']],
  ])
  expect(cycleFrom('a', ['b'], calls)).toEqual(['a', 'b', 'd', 'a'])
  expect(cycleFrom('x', ['b'], calls)).toBeNull()
  expect(cycleFrom('x', ['x'], calls)).toEqual(['x', 'x'])
})

test('a value fits its parameter or is told why not', () => {
  const days = { name: 'days', type: 'integer', title: 'Days', default: 3, min: 1, max: 9 } as const
  expect(parameterFault(days, 9)).toBeNull()
  expect(parameterFault(days, 10)).toBe('must lie between 1 and 9')
  expect(parameterFault(days, 2.5)).toBe('must be a whole number')
  expect(parameterFault({ name: 'at', type: 'time', title: 'At', default: '08:00' }, '8:00')).toMatch(/time of day/)
  expect(parameterFault({ name: 'on', type: 'weekday', title: 'On', default: 'monday' }, 'mon')).toMatch(
    /day of the week/,
  )
})

test('a condition that nobody could look at, or whose words make no sense, is refused with its place', async () => {
  const person = await makePerson()
  const told = async (trigger: object) => {
    const { definition } = NewWorkflow().parse({
      name: 'w',
      definition: { ...BASE, triggers: [{ kind: 'condition', ...trigger }] },
    })
    return (await validateWorkflow(person, { definition, params: {} })).faults
  }
  expect(await told({ when: 'size(facts.overdue) > 2' })).toEqual([])
  expect(await told({ when: 'now.hour > 15 && size(facts.overdue) > 2', check: ['16:00'] })).toEqual([])
  expect(await told({ when: 'now.hour > 15' })).toMatchObject([{ pointer: '/definition/triggers/0' }])
  expect(await told({ when: 'now.hour > 15 && size(facts.overdue) > 2' })).toMatchObject([
    { pointer: '/definition/triggers/0/when', detail: expect.stringContaining('time of day') },
  ])
  expect(await told({ when: 'size(facts.overdue)' })).toMatchObject([{ pointer: '/definition/triggers/0/when' }])
  expect(await told({ when: 'facts.nothing.size() > 1', on: ['task.*'] })).toMatchObject([
    { pointer: '/definition/triggers/0/when' },
  ])
})
