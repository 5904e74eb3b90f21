import { expect, test } from 'vitest'
import { Definition, definitionSchema } from './definition.ts'

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
