import { afterAll, beforeAll, expect, test } from 'vitest'
import { makePerson } from '#test/database'
import { connectApp } from '#test/oauth-browser'
import { PASSWORD, type Person, startWorld, type World } from '#test/world'
import { listCron, runCron } from './cron.ts'
import { flag, putFlag } from './flags.ts'

let world: World
let admin: Person
let support: Person
beforeAll(async () => {
  world = await startWorld()
  admin = await world.person()
  support = await world.person()
  await world.query("update users set role = 'admin' where id = $1", [admin.userId])
  await world.query("update users set role = 'support' where id = $1", [support.userId])
}, 60_000)
afterAll(() => world.stop())

const codeOf = ({ status, json }: { status: number; json: unknown }) => `${status} ${String(Object(json).code)}`
const audit = async (person: Person) => Object((await person.api('GET', '/v1/audit?limit=100')).json).items

test('support sees who has an account and nothing of what is in it, and the person sees that they looked', async () => {
  const person = await world.person()
  await person.api('POST', '/v1/tasks', { body: { title: 'For no other eyes' } })
  const path = `/v1/admin/people/${person.userId}`
  const shown = await support.api('GET', path)
  expect(shown.json).toMatchObject({
    id: person.userId,
    role: 'person',
    plan: 'free',
    counts: { tasks: 1, sessions: 1 },
  })
  expect((await support.api('GET', `/v1/admin/people?email=${encodeURIComponent(person.email)}`)).json).toMatchObject({
    items: [{ id: person.userId }],
  })
  expect((await support.api('GET', `${path}/sessions`)).status).toBe(200)
  const all = await support.api('GET', `/v1/admin/audit?person=${person.userId}`)
  expect(all.text).toContain('createTask')
  expect(all.text).not.toContain('no other eyes')
  const looks = (await audit(person)).filter((line: { actor: { kind: string } }) => line.actor.kind === 'support')
  expect(looks.map((line: { action: string }) => line.action)).toEqual([
    'listAllAudit',
    'listSessionsOfPerson',
    'listPeople',
    'getPerson',
  ])
  for (const line of (await audit(person)).filter((one: { actor: { kind: string } }) => one.actor.kind === 'support'))
    expect(line).toMatchObject({ actor: { id: '' }, address: '', agent: '' })
  expect(codeOf(await support.api('PATCH', path, { body: { role: 'admin' }, headers: { 'if-match': '*' } }))).toBe(
    '403 forbidden',
  )
})

test('who sees a job of somebody, or what is tried out on them, is seen by them', async () => {
  const person = await world.person()
  const flag = { name: `tried_${person.userId.slice(-8)}`, enabled: true, people: [person.userId] }
  expect((await admin.api('PUT', '/v1/admin/flags', { body: flag })).status).toBe(200)
  const jobs = await support.api('GET', `/v1/admin/jobs?userId=${person.userId}`)
  const [{ id }] = Object(jobs.json).items
  expect((await support.api('GET', `/v1/admin/jobs/${id}`)).json).toMatchObject({ userId: person.userId })
  await support.api('GET', '/v1/admin/flags')
  const looks = (await audit(person)).filter((line: { actor: { kind: string } }) => line.actor.kind === 'support')
  expect(looks.map((line: { action: string }) => line.action)).toEqual(['listFeatureFlags', 'getJob', 'listJobs'])
})

test('no key or app of staff acts in their role, and support locks out no staff', async () => {
  const made = await admin.api('POST', '/v1/api-keys', { body: { name: 'script', scopes: ['tasks:read'] } })
  const { secret } = JSON.parse(made.text)
  const other = await world.person()
  const path = `/v1/admin/people/${other.userId}`
  expect(codeOf(await world.call('GET', path, { token: secret }))).toBe('401 invalid_token')
  const { accessToken, person: chief } = await connectApp(world, { scope: 'tasks:read' })
  await world.query("update users set role = 'admin' where id = $1", [chief.userId])
  const asApp = (method: string, body?: object) =>
    world.call(method, path, { token: accessToken, headers: { 'if-match': '*' }, ...(body && { body }) })
  expect(codeOf(await asApp('GET'))).toBe('403 forbidden')
  expect(codeOf(await asApp('PATCH', { role: 'admin' }))).toBe('403 forbidden')
  const sessions = `/v1/admin/people/${admin.userId}/sessions`
  expect(codeOf(await support.api('DELETE', `${sessions}/${admin.sessionId}`))).toBe('403 forbidden')
  expect((await admin.api('GET', '/v1/me')).status).toBe(200)
})

test('a role is gone with the next request after it was taken', async () => {
  const helper = await world.person()
  const give = (role: string) =>
    admin.api('PATCH', `/v1/admin/people/${helper.userId}`, { body: { role }, headers: { 'if-match': '*' } })
  expect(codeOf(await helper.api('GET', '/v1/admin/cron'))).toBe('403 forbidden')
  expect((await give('support')).json).toMatchObject({ role: 'support' })
  expect((await helper.api('GET', '/v1/admin/cron')).status).toBe(200)
  await give('person')
  expect(codeOf(await helper.api('GET', '/v1/admin/cron'))).toBe('403 forbidden')
  expect(
    codeOf(
      await admin.api('PATCH', `/v1/admin/people/${admin.userId}`, {
        body: { role: 'person' },
        headers: { 'if-match': '*' },
      }),
    ),
  ).toBe('403 forbidden')
})

test('whoever is disabled is refused by the next request, with a key too, and signs in no more', async () => {
  const person = await world.person()
  const made = await person.api('POST', '/v1/api-keys', { body: { name: 'robot', scopes: ['tasks:read'] } })
  const { secret } = Object(made.json)
  const set = async (disabled: boolean) =>
    await world.call('PATCH', `/v1/admin/people/${person.userId}`, {
      token: world.vars.OPERATOR_TOKEN,
      body: { disabled },
      headers: { 'if-match': '*' },
    })
  const login = () => world.call('POST', '/v1/auth/login', { body: { email: person.email, password: PASSWORD } })
  expect((await set(true)).status).toBe(200)
  expect(codeOf(await person.api('GET', '/v1/tasks'))).toBe('401 session_ended')
  expect(codeOf(await world.call('GET', '/v1/tasks', { token: secret }))).toBe('401 session_ended')
  const asked = { jsonrpc: '2.0', id: 1, method: 'tools/list' }
  expect((await world.call('POST', '/mcp', { token: secret, body: asked })).status).toBe(401)
  expect(codeOf(await world.call('POST', '/v1/auth/refresh', { body: { refreshToken: person.refreshToken } }))).toBe(
    '401 session_ended',
  )
  expect(codeOf(await login())).toBe('401 account_disabled')
  expect((await set(false)).status).toBe(200)
  expect((await world.call('GET', '/v1/tasks', { token: secret })).status).toBe(200)
  expect((await login()).status).toBe(200)
  expect(codeOf(await person.api('GET', '/v1/tasks'))).toBe('401 session_ended')
})

test('a flag is off for who nobody named, on for a share of people that stays the same', async () => {
  const people = await Promise.all(Array.from({ length: 40 }, () => makePerson()))
  const [first] = people
  if (!first) throw new Error('no people')
  const on = async () =>
    (await Promise.all(people.map((person) => flag(person, 'new_briefing')))).filter(Boolean).length
  expect(await on()).toBe(0)
  await putFlag(first, { name: 'new_briefing', enabled: true, percent: 0, people: [first.actor.userId] })
  expect(await on()).toBe(1)
  await putFlag(first, { name: 'new_briefing', enabled: true, percent: 50, people: [] })
  const half = await on()
  expect(half).toBeGreaterThan(5)
  expect(half).toBeLessThan(35)
  expect(await on()).toBe(half)
  await putFlag(first, { name: 'new_briefing', enabled: false, percent: 100, people: [first.actor.userId] })
  expect(await on()).toBe(0)
})

test('what came of a job is noted, and one that fails takes no other with it', async () => {
  const ctx = await makePerson()
  const jobs = {
    fine: async () => undefined,
    broken: async () => {
      throw new Error('no such luck')
    },
  }
  await runCron(ctx, jobs)
  await runCron(ctx, jobs)
  const found = await listCron(ctx)
  expect(found.find(({ job }) => job === 'fine')).toMatchObject({ error: null, failures: 0 })
  expect(found.find(({ job }) => job === 'broken')).toMatchObject({ error: 'Error: no such luck', failures: 2 })
})
