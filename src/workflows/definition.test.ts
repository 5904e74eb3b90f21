import { expect, test } from 'vitest'
import { z } from 'zod'
import { Definition, definitionSchema } from './definition.ts'
import { timesToRun } from './due.ts'

const TRIAGE = {
  parameters: [{ name: 'days', type: 'integer', title: 'Overdue for so many days', default: 3, min: 1, max: 30 }],
  triggers: [{ kind: 'cron', cron: '0 9 * * 1-5', missed: 'skip' }, { kind: 'manual' }],
  oncePer: 'day',
  priority: 'routine',
  gather: [
    { name: 'overdue', source: 'tasks', query: { due: 'overdue', overdueDays: '{{ params.days }}', limit: 20 } },
  ],
  analysis: {
    kind: 'rules',
    findings: [{ when: 'facts.overdue.size() > 0', title: '{{ facts.overdue.size() }} are late', confidence: 0.8 }],
  },
  suggestion: { kind: 'overdue_triage', title: 'Tidy up?', body: '{{ findings[0].title }}', expiresMinutes: 600 },
  actions: [
    {
      id: 'each',
      forEach: 'facts.overdue',
      as: 'task',
      max: 20,
      steps: [{ id: 'move', do: 'update_task', input: { id: '{{ task.id }}' }, compensate: 'undo' }],
    },
  ],
}
const isTaken = (change: object) => Definition().safeParse({ ...TRIAGE, ...change }).success

test('a definition says when, of what, what to suggest and what to do', () => {
  expect(Definition().parse(TRIAGE)).toEqual(TRIAGE)
})

test('what is unknown, too deep or too large is refused', () => {
  const act = { id: 'a', do: 'notify', input: {} }
  const each = (steps: object[], id: string) => ({ id, forEach: 'findings', as: 'one', max: 1, steps })
  expect(isTaken({ actions: [each([each([act], 'c')], 'b')] })).toBe(true)
  expect(isTaken({ actions: [each([each([each([act], 'd')], 'c')], 'b')] })).toBe(false)
  expect(isTaken({ code: 'process.exit()' })).toBe(false)
  expect(isTaken({ triggers: [] })).toBe(false)
  expect(isTaken({ actions: [{ ...act, input: { a: 'x'.repeat(20_001) } }] })).toBe(false)
  expect(isTaken({ gather: [{ name: 'function', source: 'insights' }] })).toBe(false)
  expect(isTaken({ actions: [{ ...act, input: { a: 'a\0b' } }] })).toBe(false)
})

test('the published schema is JSON Schema of the same', () => {
  const schema = definitionSchema()
  expect(schema).toMatchObject({ $schema: 'https://json-schema.org/draft/2020-12/schema', additionalProperties: false })
  expect(schema['required']).toEqual(['triggers', 'priority', 'gather', 'analysis', 'suggestion', 'actions'])
  expect(JSON.stringify(schema)).not.toContain('"code"')
})

const Shape = z.object({
  description: z.string().default(''),
  properties: z.record(z.string(), z.unknown()).default({}),
})
const Triggers = z.object({
  properties: z.object({ triggers: z.object({ items: z.object({ oneOf: z.array(Shape) }) }) }),
})

test('the published schema says of times what is made up for, whose zone is meant and what a change of clocks does', () => {
  const all = Triggers.parse(definitionSchema()).properties.triggers.items.oneOf
  const of = (kind: string) => all.find(({ properties }) => JSON.stringify(properties['kind']).includes(`"${kind}"`))
  const field = (kind: string, name: string) => Shape.parse(of(kind)?.properties[name]).description
  for (const kind of ['at', 'every', 'cron', 'rrule']) {
    expect(field(kind, 'missed')).toMatch(/5 minutes late.*`skip`: nothing.*`once`, the default.*`all`.*50 at most/)
    expect(field(kind, 'timeZone')).toContain("the person's own")
  }
  for (const kind of ['at', 'cron', 'rrule'])
    expect(of(kind)?.description).toMatch(/leaves out comes after the jump.*twice the first is meant/)
  expect(of('every')?.description).toContain('Counts minutes')
  expect(of('event')?.description).toContain('event.soon')
})

test('the numbers it says are those that hold', () => {
  const minute = (n: number) => new Date(n * 60_000)
  const times = Array.from({ length: 60 }, (_, n) => minute(n))
  expect(timesToRun(times, 'all', minute(59))).toEqual(times.slice(-50))
  expect(timesToRun([minute(0)], 'skip', minute(5))).toEqual([minute(0)])
  expect(timesToRun([minute(0)], 'skip', minute(5.1))).toEqual([])
})
