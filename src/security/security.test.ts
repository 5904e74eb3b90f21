import { expect, test } from 'vitest'
import { makePerson, testCtx } from '#test/database'
import { claimKey, keepAnswer, releaseKey } from './idempotency.ts'
import { networkOf, takeLimit } from './limits.ts'
import { hashPassword, verifyPassword } from './password.ts'
import { isSame, sign } from './signature.ts'

const request = (principal: string, over = {}) => ({
  principal,
  route: 'POST /v1/x',
  key: crypto.randomUUID(),
  fingerprint: 'f1',
  ...over,
})

test('a limit lets its quota through and says when the window ends', () => {
  const caller = crypto.randomUUID()
  const start = new Date('2026-11-21T12:00:00Z')
  const takes = Array.from({ length: 22 }, () => takeLimit('guess', caller, start, 1))
  expect(takes.filter(({ ok }) => ok)).toHaveLength(20)
  expect(takes.at(-1)).toEqual({ ok: false, quota: 20, left: 0, windowS: 60, resetS: 60 })
  expect(takeLimit('guess', caller, new Date(start.getTime() + 60_000), 1).ok).toBe(true)
  expect(takeLimit('guess', crypto.randomUUID(), start, 1).left).toBe(19)
})

test('a password is stored with its parameters, peppered, and compared whole', async () => {
  const ctx = testCtx()
  const auth = { ...ctx.config.auth, passwordPepper: 'q'.repeat(32) }
  const other = { ...ctx, config: { ...ctx.config, auth } }
  const hash = await hashPassword(ctx, 'correct horse battery staple')
  expect(hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
  expect(await verifyPassword(ctx, 'correct horse battery staple', hash)).toEqual({ ok: true, stale: false })
  expect((await verifyPassword(ctx, 'correct horse battery stapl', hash)).ok).toBe(false)
  expect((await verifyPassword(other, 'correct horse battery staple', hash)).ok).toBe(false)
  expect((await verifyPassword(ctx, 'anything', undefined)).ok).toBe(false)
})

test('a key is taken once, answers again, and refuses another request', async () => {
  const person = await makePerson()
  const asked = request(person.actor.userId)
  const claim = await claimKey(person, asked)
  expect(claim.kind).toBe('run')
  await expect(claimKey({ ...person, requestId: 'req_other' }, asked)).rejects.toMatchObject({
    code: 'idempotency_in_progress',
  })
  await keepAnswer(person, asked, { status: 201, headers: {}, body: '{"a":1}' })
  expect(await claimKey({ ...person, requestId: 'req_other' }, asked)).toMatchObject({
    kind: 'replay',
    answer: { status: 201, body: '{"a":1}' },
  })
  await expect(claimKey(person, { ...asked, fingerprint: 'f2' })).rejects.toMatchObject({
    code: 'idempotency_mismatch',
  })
})

test('whoever takes over from a holder that died makes the same ids', async () => {
  const person = await makePerson()
  const asked = request(person.actor.userId)
  const first = await claimKey(person, asked)
  const made = first.kind === 'run' ? [first.newId('task'), first.newId('task')] : []
  await releaseKey(person, asked)
  const second = await claimKey({ ...person, requestId: 'req_second' }, asked)
  const again = second.kind === 'run' ? [second.newId('task'), second.newId('task')] : []
  expect(again).toEqual(made)
  expect(made[0]).not.toBe(made[1])
  expect([...made].sort()).toEqual(made)
})

test.each([
  ['192.0.2.7', '192.0.2.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:0db8:0001:0002::9', '2001:db8:1:2::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
])('the calls of %s are counted with those of %s', (address, network) => {
  expect(networkOf(address)).toBe(network)
})

test('a signature holds for its key, purpose and text alone', () => {
  const made = sign('key', 'ticket', 'text')
  expect(isSame(made, sign('key', 'ticket', 'text'))).toBe(true)
  for (const other of [
    sign('kez', 'ticket', 'text'),
    sign('key', 'mail', 'text'),
    sign('key', 'ticket', 'texu'),
    made.slice(1),
    '',
  ]) {
    expect(isSame(made, other)).toBe(false)
  }
})
