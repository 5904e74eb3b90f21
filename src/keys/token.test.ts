import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isKeyToken, newKeyToken, newPrefix, prefixOf } from './token.ts'

const LETTERS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

test('a key is its prefix, 256 bits of chance and a checksum a scanner can verify', () => {
  const prefix = newPrefix()
  const token = newKeyToken(prefix)
  expect(token).toMatch(/^aur_live_[0-9A-Za-z]{59}$/)
  expect(43 * Math.log2(LETTERS.length)).toBeGreaterThanOrEqual(256)
  expect(isKeyToken(token)).toBe(true)
  expect(prefixOf(token)).toBe(prefix)
  // Against another's CRC-32.
  const value = [...token.slice(-6)].reduce((sum, letter) => sum * 62 + LETTERS.indexOf(letter), 0)
  expect(value).toBe(crc32(token.slice(0, -6)))
})

test('the letters of secrets are of equal chance, and no two keys are alike', () => {
  const tokens = Array.from({ length: 4000 }, () => newKeyToken(newPrefix()))
  expect(new Set(tokens.map((token) => token.slice(9, 19))).size).toBe(tokens.length)
  const drawn = tokens.map((token) => token.slice(9, -6)).join('')
  const expected = drawn.length / LETTERS.length
  const counts = [...LETTERS].map((letter) => drawn.split(letter).length - 1)
  const chiSquare = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
  // 61 degrees of freedom: one run in ten million is above. A byte modulo 62 without redrawing would be at thousands.
  expect(chiSquare).toBeLessThan(130)
})

test('a key with any one letter changed is not one', () => {
  const token = newKeyToken(newPrefix())
  fc.assert(
    fc.property(fc.nat(58), fc.nat(61), (at, letter) => {
      const place = 9 + at
      const changed = token.slice(0, place) + LETTERS[letter] + token.slice(place + 1)
      return changed === token || prefixOf(changed) === undefined
    }),
    { numRuns: 500 },
  )
  for (const other of ['', 'aur_live_', token.slice(1), `${token}0`, token.slice(0, -1), token.replace('live', 'test')])
    expect(prefixOf(other)).toBeUndefined()
})
