import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { confirmedApp } from './matrix-factors.ts'
import { need } from './matrix-identity.ts'
import { OBJECTS } from './matrix-objects.ts'
import { mailedCode } from './matrix-valid.ts'
import { type Answer, PASSWORD, type Person, startWorld, type World } from './world.ts'

const START_MS = 60_000
const WITHIN_MS = 10_000
const OTHER = 'another four words to keep'

let world: World
beforeAll(async () => {
  world = await startWorld()
}, START_MS)
afterAll(() => world.stop())

// What lets in, or sends out.
const LEFT = [
  '/v1/api-keys',
  '/v1/auth/passkeys',
  '/v1/auth/identities',
  '/v1/oauth/grants',
  '/v1/devices',
  '/v1/webhooks',
  '/v1/mcp/servers',
  '/v1/signing-keys',
]
const read = ({ text }: Answer) => JSON.parse(text)
const login = (email: string, password: string) => world.call('POST', '/v1/auth/login', { body: { email, password } })

/** Leaves one of everything behind, as whoever registered with the address of somebody else. */
async function leaveAll(person: Person) {
  const make = async (path: string) => (await OBJECTS[path]?.make(world, person, 'left')) ?? ''
  const { secret } = await need(person, 'POST', '/v1/api-keys', { name: 'left', scopes: ['tasks:read'] })
  for (const path of LEFT) await make(path)
  await need(person, 'PUT', '/v1/autonomy', { rules: [{ kind: 'send_mail', workflowId: null, level: 'act_silently' }] })
  await make('/v1/tasks')
  const [workflow, schedule, run, effect] = [
    await make('/v1/workflows'),
    await make('/v1/schedules'),
    await make('/v1/runs'),
    await make('/v1/effects'),
  ]
  const hook = await need(person, 'POST', `/v1/workflows/${workflow}/hook-secret`)
  await confirmedApp(person)
  return { secret, hook, at: { workflow, schedule, run, effect } }
}

async function eventually<T>(look: () => Promise<T>, wanted: T): Promise<void> {
  const deadline = performance.now() + WITHIN_MS
  for (;;) {
    const found = await look()
    if (JSON.stringify(found) === JSON.stringify(wanted)) return
    if (performance.now() > deadline) return expect(found).toEqual(wanted)
    await wait(50)
  }
}

/** The owner of the address comes in. */
const WAYS: Record<string, (person: Person) => Promise<Answer>> = {
  'a link': async (person) =>
    await world.call('POST', '/v1/auth/magic-link/confirm', {
      body: { token: await mailedCode(world, 'link', person) },
    }),
  'a new password': async (person) => {
    const token = await mailedCode(world, 'reset', person)
    await world.call('POST', '/v1/auth/password-reset/confirm', { body: { token, password: OTHER } })
    return await login(person.email, OTHER)
  },
}

test.each(Object.keys(WAYS))(
  'by %s the owner of an address comes into an account of which nobody else has anything any more',
  async (way) => {
    const stranger = await world.person()
    const left = await leaveAll(stranger)
    const signedIn = await WAYS[way]?.(stranger)
    // Not the stranger's second factor.
    expect(signedIn?.status).toBe(200)
    const { accessToken } = JSON.parse(signedIn?.text ?? '{}')
    const get = async (path: string) => read(await world.call('GET', path, { token: accessToken }))

    expect((await stranger.api('GET', '/v1/me')).status).toBe(401)
    expect((await login(stranger.email, PASSWORD)).status).toBe(401)
    const refreshed = await world.call('POST', '/v1/auth/refresh', { body: { refreshToken: stranger.refreshToken } })
    expect(refreshed.status).toBe(401)
    expect((await world.call('GET', '/v1/tasks', { token: left.secret })).status).toBe(401)
    expect((await get('/v1/auth/sessions')).items).toHaveLength(1)

    const { workflow, schedule, run, effect } = left.at
    await eventually(async () => {
      const lists = await Promise.all(LEFT.map(async (path) => (await get(path)).items.length))
      const { rules } = await get('/v1/autonomy')
      const states = [
        (await get(`/v1/workflows/${workflow}`)).status,
        (await get(`/v1/schedules/${schedule}`)).status,
        (await get(`/v1/runs/${run}`)).run.status,
        (await get(`/v1/effects/${effect}`)).status,
      ]
      return [lists, rules, states]
    }, [LEFT.map(() => 0), [], ['disabled', 'paused', 'cancelled', 'cancelled']])
    const secrets = await world.query('select id from triggers where user_id = $1 and secret is not null', [
      stranger.userId,
    ])
    expect(secrets).toEqual([])
    expect((await get('/v1/tasks')).items).toHaveLength(1)
    await eventually(
      async () =>
        world.mailbox
          .messages(stranger.email)
          .some(({ text }) => /confirmed for the first time\. .* called off\./.test(text)),
      true,
    )
  },
  START_MS,
)

test('who confirmed their address keeps what is theirs, whatever they come in by', async () => {
  const owner = await world.person()
  await world.query('update users set email_verified_at = now() where id = $1', [owner.userId])
  const left = await leaveAll(owner)
  expect((await WAYS['a link']?.(owner))?.status).toBe(202)
  for (const path of LEFT) expect([path, (await need(owner, 'GET', path)).items.length > 0]).toEqual([path, true])
  expect((await world.call('GET', '/v1/tasks', { token: left.secret })).status).toBe(200)
  expect((await login(owner.email, PASSWORD)).status).toBe(202)
  expect((await need(owner, 'GET', `/v1/workflows/${left.at.workflow}`)).status).toBe('enabled')
})
