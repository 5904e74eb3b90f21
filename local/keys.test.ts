import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { importJWK, SignJWT } from 'jose'
import { afterAll, expect, test } from 'vitest'
import { readAccessToken } from '#auth'
import { readConfig } from '#config'
import { seal, unseal } from '#security'
import { testCtx } from '#test/database'
import { changeSet, type Kind, newSet, type Step } from './key-set.ts'
import type { Secrets } from './secrets.ts'

const folder = mkdtempSync(join(tmpdir(), 'aurelius-keys-'))
afterAll(() => rmSync(folder, { recursive: true }))

const run = (...args: string[]) =>
  spawnSync(process.execPath, [join(import.meta.dirname, 'keys.ts'), ...args], { encoding: 'utf8' })
const read = (file: string): Secrets => JSON.parse(readFileSync(file, 'utf8'))
const configOf = (set: Secrets) =>
  readConfig({ ENVIRONMENT: 'production', DATABASE_URL: 'postgres://x/x', PUBLIC_URL: 'https://a.example', ...set })

async function after(set: Secrets, kind: Kind, ...steps: Step[]): Promise<Secrets> {
  let changed = set
  for (const step of steps) changed = await changeSet(changed, kind, step)
  return changed
}

test('a new set is what production asks for, in a file that is its owner’s alone', () => {
  const file = join(folder, 'new.json')
  const said = run('--out', file)
  expect([said.status, said.stdout.includes('wrangler secret bulk')]).toEqual([0, true])
  expect(statSync(file).mode & 0o777).toBe(0o600)
  const set = read(file)
  expect(Object.keys(set).sort()).toEqual([
    'ENCRYPTION_KEYS',
    'JWT_KEYS',
    'OPERATOR_TOKEN',
    'PASSWORD_PEPPER',
    'REFRESH_KEY',
    'VAPID_PRIVATE_KEY',
    'VAPID_PUBLIC_KEY',
  ])
  expect(configOf(set).auth.jwtKeys).toHaveLength(1)
  for (const value of Object.values(set)) expect(said.stdout + said.stderr).not.toContain(value)
})

test('a set is not written over another, nor into the repository, nor printed unless asked', () => {
  const file = join(folder, 'kept.json')
  run('--out', file)
  const before = readFileSync(file, 'utf8')
  expect(run('--out', file)).toMatchObject({ status: 1, stderr: expect.stringContaining('is there already') })
  expect(readFileSync(file, 'utf8')).toBe(before)
  const inside = resolve(import.meta.dirname, '../keys.json')
  expect(run('--out', inside)).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('not kept in the repository'),
  })
  expect(run()).toMatchObject({ status: 1, stdout: '' })
  expect(configOf(JSON.parse(run('--stdout').stdout)).encryptionKeys).toHaveLength(1)
})

test('a rotation is done in its file, with two keys live at most and the rest of the set untouched', () => {
  const file = join(folder, 'rotated.json')
  run('--out', file)
  const before = read(file)
  expect(run('rotate', 'jwt', '--from', file).status).toBe(0)
  const once = read(file)
  const [first, second] = JSON.parse(once.JWT_KEYS)
  expect(second).toEqual(JSON.parse(before.JWT_KEYS)[0])
  expect({ ...once, JWT_KEYS: '' }).toEqual({ ...before, JWT_KEYS: '' })
  // Another would take with it what the old one may be needed for.
  expect(run('rotate', 'jwt', '--from', file)).toMatchObject({ status: 1, stderr: expect.stringContaining('retire') })
  expect(read(file)).toEqual(once)
  expect(run('retire', 'jwt', '--from', file).stdout).toContain(`jwt keys: ${first.kid} (the first is used)`)
  expect(run('retire', 'jwt', '--from', file)).toMatchObject({ status: 1, stderr: expect.stringContaining('only one') })
  expect(JSON.parse(read(file).JWT_KEYS)).toEqual([first])
  expect(statSync(file).mode & 0o777).toBe(0o600)
  for (const wrong of [
    ['rotate', 'pepper', '--from', file],
    ['rotate', 'jwt'],
    ['turn', 'jwt', '--from', file],
  ])
    expect(run(...wrong).status).toBe(1)
})

test('step by step, no Worker meets a key it does not know while those before and after a step both run', async () => {
  for (const kind of ['jwt', 'encryption'] as const) {
    const start = await newSet()
    const stages = [start]
    for (const step of ['add', 'promote', 'retire'] as const)
      stages.push(await changeSet(stages.at(-1) ?? start, kind, step))
    const names = stages.map((set) => {
      const { auth, encryptionKeys } = configOf(set)
      return kind === 'jwt' ? auth.jwtKeys.map(({ kid }) => kid) : encryptionKeys.map(({ id }) => id)
    })
    for (const [at, known] of names.entries()) {
      for (const beside of [names[at - 1], names[at + 1]]) if (beside) expect(known).toContain(beside[0])
    }
    expect([names.at(0)?.length, names.at(-1)?.length]).toEqual([1, 1])
    expect(names.at(-1)).not.toEqual(names.at(0))
    await expect(after(start, kind, 'promote')).rejects.toThrow('add one first')
    await expect(after(start, kind, 'add', 'add')).rejects.toThrow('two keys are live')
  }
})

test('what the old key signed and sealed is good until the key is retired', async () => {
  const old = await newSet()
  const config = configOf(old)
  const [jwk] = config.auth.jwtKeys
  if (!jwk) throw new Error('no key')
  const token = await new SignJWT({ sid: 'ses_1', auth_time: 0 })
    .setProtectedHeader({ alg: 'EdDSA', kid: jwk.kid, typ: 'at+jwt' })
    .setIssuer(config.publicUrl)
    .setAudience(config.publicUrl)
    .setSubject('usr_1')
    .setIssuedAt()
    .setExpirationTime('10m')
    .sign(await importJWK(jwk, 'EdDSA'))
  const place = { table: 't', column: 'c', rowId: 'r', userId: 'usr_1' }
  const sealed = await seal(config.encryptionKeys, place, 'secret')
  const under = async (...steps: Step[]) =>
    configOf(await after(await after(old, 'jwt', ...steps), 'encryption', ...steps))
  // Another Worker each: what one of them has verified it knows.
  const whose = async (settings: ReturnType<typeof configOf>, text = token) =>
    (await readAccessToken(testCtx({ config: settings }), text, settings.publicUrl)).userId
  const retired = await under('rotate', 'retire')
  await expect(whose(retired)).rejects.toMatchObject({ code: 'invalid_token' })
  await expect(unseal(retired.encryptionKeys, place, sealed)).rejects.toThrow('not configured')
  for (const steps of [['add'], ['add', 'promote'], ['rotate']] as const) {
    const settings = await under(...steps)
    expect(await whose(settings)).toBe('usr_1')
    expect(await unseal(settings.encryptionKeys, place, sealed)).toBe('secret')
  }
})
