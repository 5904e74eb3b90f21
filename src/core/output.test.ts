import { expect, test } from 'vitest'
import { bounded, canonical, MAX_OUTPUT_CHARS } from './output.ts'

const size = (value: unknown) => JSON.stringify(value).length

test('what fits is left as it is', () => {
  const output = { items: [1, 2], nextCursor: 'c' }
  expect(bounded(output)).toBe(output)
})

test('a long list keeps its first items and says how many more there are', () => {
  const items = Array.from({ length: 100 }, (_, n) => ({ n, text: 'x'.repeat(1000) }))
  const cut = bounded({ items, nextCursor: 'after the last of them' })
  expect(cut).toMatchObject({ items: items.slice(0, 15), more: 85 })
  expect(cut).not.toHaveProperty('nextCursor')
  expect(size(cut)).toBeLessThanOrEqual(MAX_OUTPUT_CHARS)
})

test.each([
  ['a long text', { notes: '"'.repeat(50_000) }],
  ['a list whose first item is too long', { items: ['x'.repeat(50_000)] }],
  ['a bare list', Array.from({ length: 9000 }, () => '😀')],
])('%s is cut to its beginning, as well-formed text', (_, output) => {
  const cut = bounded(output)
  expect(cut).toMatchObject({ note: expect.stringContaining('characters') })
  expect(size(cut)).toBeLessThanOrEqual(MAX_OUTPUT_CHARS)
  expect(JSON.stringify(cut).isWellFormed()).toBe(true)
  expect(JSON.stringify(cut)).not.toMatch(/\\ud[89a-f]/)
})

test('the order of keys does not make another call', () => {
  expect(canonical({ b: [{ d: 1, c: 2 }], a: null })).toBe(canonical({ a: null, b: [{ c: 2, d: 1 }] }))
  expect(canonical([1, 2])).not.toBe(canonical([2, 1]))
})
