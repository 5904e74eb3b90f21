import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { type Place, seal, unseal } from './envelope.ts'

const makeKey = (id: string) => ({ id, key: randomBytes(32).toString('base64') })
const place: Place = { table: 'mcp_servers', column: 'secret', rowId: 'mcp_1', userId: 'usr_1' }

test('what is sealed opens in its place, and is never the same twice', async () => {
  const keys = [makeKey('k1')]
  const [one, two] = [await seal(keys, place, 'Bearer caf\u00e9'), await seal(keys, place, 'Bearer caf\u00e9')]
  expect(one).toMatch(/^v1\.k1\.[\w-]{54}\.[\w-]{16}\.[\w-]+$/)
  expect(one).not.toBe(two)
  expect(await unseal(keys, place, one)).toBe('Bearer caf\u00e9')
  expect(await unseal(keys, place, await seal(keys, place, ''))).toBe('')
})

test.each(['table', 'column', 'rowId', 'userId'] as const)('moved to another %s, it does not open', async (where) => {
  const keys = [makeKey('k1')]
  const sealed = await seal(keys, place, 'secret')
  await expect(unseal(keys, { ...place, [where]: 'other' }, sealed)).rejects.toThrow('does not open')
})

test('a changed part, a part of another text, and what was never sealed do not open', async () => {
  const keys = [makeKey('k1'), makeKey('k2')]
  const [one, two] = [await seal(keys, place, 'secret'), await seal(keys, place, 'other!')].map((text) =>
    text.split('.'),
  )
  for (const at of [2, 3, 4]) {
    const swapped = one?.with(at, two?.[at] ?? '').join('.') ?? ''
    await expect(unseal(keys, place, swapped)).rejects.toThrow('does not open')
    const part = one?.[at] ?? ''
    const changed = one?.with(at, part.replace(/^./, part.startsWith('A') ? 'B' : 'A')).join('.') ?? ''
    await expect(unseal(keys, place, changed)).rejects.toThrow('does not open')
  }
  await expect(unseal(keys, place, one?.with(1, 'k2').join('.') ?? '')).rejects.toThrow('does not open')
  for (const text of ['', 'secret', 'v2.k1.a.b.c', `${one?.join('.')}.more`])
    await expect(unseal(keys, place, text)).rejects.toThrow('is not a sealed text')
})

test('after a rotation the new key seals and the old one still opens; once it is gone, nothing of it does', async () => {
  const [old, fresh] = [makeKey('2026'), makeKey('2027')]
  const before = await seal([old], place, 'secret')
  const after = await seal([fresh, old], place, 'secret')
  expect(after.split('.')[1]).toBe('2027')
  expect(await unseal([fresh, old], place, before)).toBe('secret')
  expect(await unseal([fresh], place, after)).toBe('secret')
  await expect(unseal([fresh], place, before)).rejects.toThrow('2026, which is not configured')
  // The same name for another key is another key.
  await expect(unseal([makeKey('2026')], place, before)).rejects.toThrow('does not open')
})

test('of twenty thousand texts no two have an initialization vector or a key in common', async () => {
  const keys = [makeKey('k1')]
  const seen = { wrapped: new Set<string>(), iv: new Set<string>() }
  for (let n = 0; n < 20_000; n++) {
    const [, , wrapped = '', iv = ''] = (await seal(keys, place, 'x')).split('.')
    seen.wrapped.add(wrapped)
    seen.iv.add(iv)
  }
  expect([seen.wrapped.size, seen.iv.size]).toEqual([20_000, 20_000])
})
