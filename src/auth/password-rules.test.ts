import { expect, test } from 'vitest'
import { minPasswordLength, requireStrong } from './password-rules.ts'
import { Registration } from './schema.ts'

const OWNER = {
  email: 'samantha.jones@garden-club.example',
  displayName: 'Samantha J\u00f6rg Jones',
  hasSecondFactor: false,
}
const alone = (password: string) => requireStrong(password, OWNER)
const beside = (password: string) => requireStrong(password, { ...OWNER, hasSecondFactor: true })
const WEAK = { code: 'weak_password' }
const registers = (password: string) =>
  Registration.safeParse({ email: 'a@example.com', displayName: 'A', password }).success

test('fifteen characters alone, eight beside a second factor, and no more is asked of them', async () => {
  expect([minPasswordLength(false), minPasswordLength(true)]).toEqual([15, 8])
  await expect(alone('kqzvbwxjmhtfgy')).rejects.toMatchObject({
    ...WEAK,
    errors: [{ pointer: '/password', detail: 'must have at least 15 characters' }],
  })
  await alone('kqzvbwxjmhtfgyp')
  await expect(beside('kqzvbwx')).rejects.toMatchObject(WEAK)
  await beside('kqzvbwxj')
})

test('a character is a code point, as it is hashed', async () => {
  const faces = Array.from({ length: 15 }, (_, n) => String.fromCodePoint(0x1f600 + n))
  await alone(faces.join(''))
  await expect(alone(faces.slice(0, 14).join(''))).rejects.toMatchObject(WEAK)
  // Fourteen and a combining accent are fourteen once they are composed.
  await expect(alone('kqzvbwxjmhtfge\u0301')).rejects.toMatchObject(WEAK)
})

test('256 are taken, 257 are not; spaces count at both ends, NUL and half a character are refused', async () => {
  const long = Array.from({ length: 256 }, (_, n) => String.fromCodePoint(0x4e00 + n)).join('')
  await alone(long)
  expect([registers(long), registers(`${long}x`)]).toEqual([true, false])
  expect(
    Registration.parse({ email: 'a@example.com', displayName: 'A', password: '  four words are here  ' }).password,
  ).toBe('  four words are here  ')
  await alone(' kqzvbwxjmhtfg ')
  expect(registers('four words\0are here')).toBe(false)
  expect(registers('four words \ud800 are here')).toBe(false)
})

test.each([
  ['among the commonest', 'password', beside],
  ['among the commonest, in capitals', 'PassWord1', beside],
  ['common and full-width', '\uff50\uff41\uff53\uff53\uff57\uff4f\uff52\uff44', beside],
  ['common and long', '123456789qwerty', alone],
  ['common and long, in capitals', 'QazWsxEdcRfvTgb', alone],
  ['a common one twice', 'passwordpassword', alone],
  ['a key held down', 'aaaaaaaaaaaaaaaaaaaa', alone],
  ['a few characters again and again', 'abc1abc1abc1abc1', alone],
  ['the address', 'samantha.jones@garden-club.example', alone],
  ['the name and a year', 'Samantha-Jones-2026', alone],
  ['the name backed by ours', 'aurelius samantha', alone],
  ['ours thrice', 'AureliusAurelius!Aurelius', alone],
])('%s is refused', async (_, password, check) => {
  await expect(check(password)).rejects.toMatchObject(WEAK)
})

test.each([
  'correct horse battery staple',
  'samantha walks her dog at nine',
  'aurelius knows too much of me',
  'alllowercaseandnodigits',
  '8316402957163048',
])('%j is taken, whatever it is composed of', async (password) => {
  await alone(password)
})

test('of ten thousand that nobody leaked at most two are taken for leaked', async () => {
  const random = Array.from({ length: 10_000 }, () => crypto.randomUUID())
  const refused = await Promise.all(
    random.map((password) =>
      alone(password).then(
        () => 0,
        () => 1,
      ),
    ),
  )
  expect(refused.reduce<number>((sum, one) => sum + one, 0)).toBeLessThanOrEqual(2)
})
