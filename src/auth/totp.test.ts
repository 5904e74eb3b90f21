import fc from 'fast-check'
import { Secret, TOTP, URI } from 'otpauth'
import { expect, test } from 'vitest'
import { newSecret, otpauthUri, stepOf } from './totp.ts'

const STEP_MS = 30_000
// RFC 6238, appendix B: SHA-1, the last six of its eight digits.
const RFC_SECRET = new Secret({ buffer: new TextEncoder().encode('12345678901234567890').buffer }).base32
const VECTORS: [number, string][] = [
  [59, '287082'],
  [1_111_111_109, '081804'],
  [1_111_111_111, '050471'],
  [1_234_567_890, '005924'],
  [2_000_000_000, '279037'],
  [20_000_000_000, '353130'],
]

test.each(VECTORS)("at second %d the code is the RFC's, %s", (second, code) => {
  expect(stepOf(RFC_SECRET, code, new Date(second * 1000))).toBe(Math.floor(second / 30))
})

test('the codes are those of another generator, by our secret and by our URI', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4_000_000_000 }), (second) => {
      const secret = newSecret()
      expect(secret).toMatch(/^[A-Z2-7]{32}$/)
      const timestamp = second * 1000
      const bySecret = new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp })
      expect(stepOf(secret, bySecret, new Date(timestamp))).toBe(Math.floor(second / 30))
    }),
    { numRuns: 200 },
  )
})

test('an app that reads the URI knows who it is for and gives the same codes', () => {
  const secret = newSecret()
  const read = URI.parse(otpauthUri(secret, 'sam+a@example.com'))
  expect(read).toMatchObject({
    issuer: 'Aurelius',
    label: 'sam+a@example.com',
    algorithm: 'SHA1',
    digits: 6,
    period: 30,
  })
  if (!(read instanceof TOTP)) throw new Error('not by time')
  expect(stepOf(secret, read.generate({ timestamp: 9e11 }), new Date(9e11))).toBe(3e7)
})

test('a code holds one half minute before and after its own, and no longer', () => {
  const at = new Date(60_000_000 * STEP_MS)
  const totp = new TOTP({ secret: Secret.fromBase32(RFC_SECRET) })
  const code = (steps: number) => totp.generate({ timestamp: at.getTime() + steps * STEP_MS })
  const taken = [-3, -2, -1, 0, 1, 2, 3].map((steps) => stepOf(RFC_SECRET, code(steps), at))
  expect(taken).toEqual([null, null, 59_999_999, 60_000_000, 60_000_001, null, null])
  for (const wrong of ['', '12345', '1234567', 'abcdef']) expect(stepOf(RFC_SECRET, wrong, at)).toBeNull()
})
