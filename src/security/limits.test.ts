import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { LIMITS } from './limits.ts'

test('the guide for those who run it has the limits as they are', () => {
  const guide = readFileSync(join(import.meta.dirname, '../../docs/operations.md'), 'utf8')
  const rows = guide.matchAll(/^\| `(\w+)` \| (\d+) \| (\d+) \| [^|]+ \| (\w+) \|$/gm)
  const told = [...rows].map(([, name, quota, windowS, counted]) => [name, Number(quota), Number(windowS), counted])
  const known = Object.entries(LIMITS).map(([name, { quota, windowS, counted }]) => [name, quota, windowS, counted])
  expect(told).toEqual(known)
})
