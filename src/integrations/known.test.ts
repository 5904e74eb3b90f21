import { expect, test } from 'vitest'
import { inputProblem, knownTools } from './known.ts'

const tool = (over: object = {}) => ({ name: 'a', inputSchema: { type: 'object' }, ...over })
const names = (...tools: ReturnType<typeof tool>[]) => knownTools(tools).map(({ name }) => name)

test('only what a model can be told of is kept', () => {
  const deep = (depth: number): object => (depth === 0 ? {} : { type: 'object', properties: { a: deep(depth - 1) } })
  for (const inputSchema of [
    { type: 'object', properties: { 'a b': {} } },
    { type: 'object', properties: { a: { type: 'text' } } },
    { type: 'object', properties: { a: 5 } },
    { type: 'object', properties: { a: { items: 'x' } } },
    { type: 'object', properties: { a: { anyOf: [{ type: 'nil' }] } } },
    { type: 'object', properties: { a: { $ref: 'https://evil.example/schema' } } },
    { type: 'object', required: 'a' },
    { type: 'object', description: 'x'.repeat(8000) },
    { type: 'object', description: 'a\0b' },
    { type: 'object', description: '\ud800' },
    { type: 'object', ...deep(20) },
  ])
    expect(names(tool({ inputSchema })), JSON.stringify(inputSchema).slice(0, 80)).toEqual([])
  for (const name of ['', 'a b', 'é', 'x'.repeat(41), '__proto__\n']) expect(names(tool({ name }))).toEqual([])
  expect(names(tool(), tool(), tool({ name: 'a.b' }), tool({ name: 'a_b' }))).toEqual(['a', 'a.b'])
  expect(names(...Array.from({ length: 80 }, (_, n) => tool({ name: `t${n}` })))).toHaveLength(64)
})

test('a tool is read-only when it says so, and its schema is an object without a choice at the top', () => {
  const [kept] = knownTools([
    tool({
      description: 'd'.repeat(900),
      inputSchema: { $schema: 'x', anyOf: [{}], properties: { a: { anyOf: [{ type: 'string' }, { type: 'null' }] } } },
      annotations: { readOnlyHint: false, destructiveHint: false },
    }),
  ])
  expect(kept).toEqual({
    name: 'a',
    description: 'd'.repeat(500),
    readOnly: false,
    inputSchema: { type: 'object', properties: { a: { anyOf: [{ type: 'string' }, { type: 'null' }] } } },
  })
})

test('an input is refused only for what is surely wrong', () => {
  const schema = { required: ['a'], properties: { a: { type: 'number' }, b: { type: ['string', 'null'] }, c: {} } }
  for (const fine of [{ a: 1 }, { a: 1.5, b: null }, { a: 1, c: [], d: 'unknown' }])
    expect(inputProblem(schema, fine)).toBeUndefined()
  expect(inputProblem(schema, {})).toBe('a: is required')
  expect(inputProblem(schema, { a: '1' })).toBe('a: must be number')
  expect(inputProblem(schema, { a: 1, b: 2 })).toBe('b: must be string or null')
  expect(inputProblem({ properties: { a: { type: 'integer' } } }, { a: 1.5 })).toBe('a: must be integer')
  expect(inputProblem({}, { a: 1 })).toBeUndefined()
})
