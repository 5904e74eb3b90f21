import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { cookieOf } from '../cookie-jar.ts'
import { makeKey } from '../matrix-keys.ts'
import { type Answer, makeId, type Person, tokenHash, type World } from '../world.ts'
import { eachOf } from './all.ts'
import { createChance } from './chance.ts'
import { forgeries, theirJwks } from './lib-forgeries.ts'
import { handshake } from './lib-handshake.ts'
import type { Forgery } from './lib-jws.ts'
import { type Proof, scaled } from './proof.ts'

const ROUNDS = 5
const AT_ONCE = 8
const SCOPES = ['profile:read', 'tasks:read', 'tasks:write', 'ai:read', 'mcp'] as const

export const proof: Proof = {
  id: 13,
  name: 'token forgery',
  fast: true,
  sabotages: {
    'alg none is taken': [
      {
        file: 'src/auth/tokens.ts',
        find: '  const seen = known.get(token)\n',
        replace: `  const part = (at: number) => JSON.parse(atob((token.split('.')[at] ?? '').replaceAll('-', '+').replaceAll('_', '/')))
  try {
    const { sub, sid } = part(1)
    if (part(0).alg === 'none') return { actor: { kind: 'person', userId: sub, sessionId: sid }, expiresMs: 0, resource: null }
  } catch {}
  const seen = known.get(token)
`,
      },
    ],
    'the type is not asked': [
      { file: 'src/auth/tokens.ts', find: '        typ: ACCESS_TYPE,\n        issuer', replace: '        issuer' },
    ],
    'the audience is not asked': [
      {
        file: 'src/auth/tokens.ts',
        find: "        audience: [publicUrl, resourceAt(ctx.config, '/mcp')],\n",
        replace: '',
      },
      { file: 'src/auth/tokens.ts', find: ' || (clientId === undefined && aud !== publicUrl)', replace: '' },
    ],
    'a token may bring its key': [
      {
        file: 'src/auth/tokens.ts',
        find: 'const jwk = ctx.config.auth.jwtKeys.find(({ kid }) => kid === header.kid)',
        replace: 'const jwk = header.jwk ?? ctx.config.auth.jwtKeys.find(({ kid }) => kid === header.kid)',
      },
    ],
    'one token has many texts': [
      { file: 'src/auth/tokens.ts', find: 'if (!COMPACT.test(token))', replace: "if (token === '')" },
    ],
    'a cookie may hold a key': [
      {
        file: 'workers/caller.ts',
        find: 'const actor = await readAccessToken(ctx, cookie, resource)',
        replace:
          'const actor = isKey(cookie) ? await readKey(ctx, cookie) : await readAccessToken(ctx, cookie, resource)',
      },
    ],
    'a CSRF token is that of any session': [
      {
        file: 'src/auth/hand-over.ts',
        find: "sign(config.auth.refreshKey, 'csrf token', sessionId)",
        replace: "sign(config.auth.refreshKey, 'csrf token', sessionId && '')",
      },
    ],
  },
  async run(world, { seed, share }) {
    const violations: string[] = []
    const report = (what: string) => void violations.push(what)
    const chance = createChance(seed)
    const theirs = await serveJwks(world)
    try {
      const [person, other] = await world.people(2)
      if (!person || !other) throw new Error('no people')
      const [ours] = JSON.parse(world.vars.JWT_KEYS ?? '[]')
      const { accessToken: valid } = person
      const issuer = world.vars.PUBLIC_URL ?? ''
      const all = forgeries({ valid, other: other.accessToken, ours, issuer, jwksUrl: theirs.url, chance })
      const tried = await tryForgeries(world, person, all, report)
      if (theirs.asked() > 0) report(`a key was fetched from where a token said, ${theirs.asked()} times`)
      let pairs = 0
      for (let round = 0; round < scaled(ROUNDS, share); round++) pairs += await tryConfusion(world, report)
      const notes = [`${tried / 4} forgeries at four doors each, ${pairs} pairs of a token and a verifier`]
      return { cases: tried + pairs, violations, notes }
    } finally {
      theirs.stop()
    }
  },
}

/** A forger's own JWKS, which nobody may ever ask for. */
async function serveJwks(world: World) {
  const [{ kid }] = JSON.parse(world.vars.JWT_KEYS ?? '[]')
  let asked = 0
  const server = createServer((_, response) => {
    asked++
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(theirJwks(kid)))
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}/jwks`, asked: () => asked, stop: () => server.close() }
}

type Report = (what: string) => void
/** Whether it let the token in. */
type Verify = (world: World, token: string, person: Person) => Promise<boolean>

const isIn = ({ status }: Pick<Answer, 'status'>) => status < 400
const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })
const RPC = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' })
const rpc = (token: string) => ({
  method: 'POST',
  body: RPC,
  headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
})

const DOORS: Record<string, Verify> = {
  'REST bearer': async (world, token) => isIn(await world.call('GET', '/v1/me', bearer(token))),
  cookie: async (world, token) =>
    isIn(await world.call('GET', '/v1/me', { headers: { cookie: cookieOf({ accessToken: token }) } })),
  'compat bearer': async (world, token) => isIn(await fetch(`${world.url}/compat/openai/v1/models`, bearer(token))),
  'MCP bearer': async (world, token) => isIn(await fetch(`${world.url}/mcp`, rpc(token))),
}
const VERIFIERS: Record<string, Verify> = {
  ...DOORS,
  'compat x-api-key': async (world, token) =>
    isIn(await fetch(`${world.url}/compat/anthropic/v1/models`, { headers: { 'x-api-key': token } })),
  refresh: async (world, refreshToken) =>
    isIn(await world.call('POST', '/v1/auth/refresh', { body: { refreshToken } })),
  'refresh by cookie': async (world, token) => {
    const cookie = `__Host-aurelius-refresh=${token}`
    const headers = { cookie, origin: world.vars.PUBLIC_URL ?? '', 'aurelius-session': 'cookie' }
    return isIn(await world.call('POST', '/v1/auth/refresh', { body: {}, headers }))
  },
  'CSRF header': async (world, token, person) => {
    const headers = { cookie: cookieOf(person), origin: world.vars.PUBLIC_URL ?? '', 'x-csrf-token': token }
    return isIn(await world.call('POST', '/v1/tasks', { body: { title: 'x' }, headers }))
  },
  'socket ticket': async (world, token) =>
    (await handshake(`${world.url}/v1/realtime?ticket=${encodeURIComponent(token)}`)).status === 101,
  'operator bearer': async (world, token) => isIn(await world.call('GET', '/v1/admin/dead-letters', bearer(token))),
  // Whatever else is wrong, a state that is known is no longer "gone".
  'OAuth callback': async (world, token) =>
    [200, 403].includes((await world.call('GET', `/v1/mcp/callback?state=${encodeURIComponent(token)}&code=x`)).status),
}

/** A token of each kind, as its owner would have it, and where it is to be let in: nowhere else. */
const KINDS: Record<string, { at: string[]; make(world: World, person: Person): Promise<string> }> = {
  access: { at: Object.keys(DOORS).concat('compat x-api-key'), make: async (_, person) => person.accessToken },
  'API key': {
    at: ['REST bearer', 'compat bearer', 'MCP bearer', 'compat x-api-key'],
    make: async (_, person) => (await makeKey(person, { scopes: SCOPES })).secret,
  },
  refresh: {
    at: ['refresh', 'refresh by cookie'],
    make: async (world, { userId }) => {
      const token = `rt_${randomBytes(32).toString('base64url')}`
      await world.query(
        `with s as (insert into sessions (id, user_id, device_name, user_agent, address, expires_at)
          values ($1, $2, 'x', 'x', '192.0.2.1', now() + interval '1 day') returning id)
          insert into refresh_tokens (id, session_id, hash, generation) select $3, id, $4, 1 from s`,
        [makeId('ses'), userId, makeId('rft'), tokenHash(token)],
      )
      return token
    },
  },
  CSRF: {
    at: ['CSRF header'],
    make: async (world, { refreshToken }) => {
      const cookie = `__Host-aurelius-refresh=${refreshToken}`
      const headers = { cookie, origin: world.vars.PUBLIC_URL ?? '', 'aurelius-session': 'cookie' }
      const answer = await world.call('POST', '/v1/auth/refresh', { body: {}, headers })
      return String(JSON.parse(answer.text).csrfToken)
    },
  },
  'socket ticket': {
    at: ['socket ticket'],
    make: async (_, person) => String(JSON.parse((await person.api('POST', '/v1/realtime/ticket')).text).ticket),
  },
  operator: { at: ['operator bearer'], make: async (world) => world.vars.OPERATOR_TOKEN ?? '' },
  'OAuth state': {
    at: ['OAuth callback'],
    make: async (world, { userId }) => {
      const state = randomBytes(32).toString('base64url')
      await world.query(
        `with m as (insert into mcp_servers (id, user_id, name, url) values ($1, $2, $1, 'https://x.example') returning id)
          insert into oauth_states (server_id, hash, user_id, server_version, sealed, expires_at)
          select id, $3, $2, 1, 'none', now() + interval '10 minutes' from m`,
        [makeId('mcp'), userId, tokenHash(state)],
      )
      return state
    },
  },
}

async function tryForgeries(world: World, person: Person, all: Forgery[], report: Report): Promise<number> {
  const doors = Object.entries(DOORS)
  const honest = async (when: string) => {
    for (const [name, verify] of doors)
      if (!(await verify(world, person.accessToken, person))) report(`${name} refuses a valid token, ${when}`)
  }
  await honest('before')
  await eachOf(all, AT_ONCE, async ({ what, token }) => {
    for (const [name, verify] of doors) if (await verify(world, token, person)) report(`${name} takes ${what}`)
  })
  await honest('after')
  return all.length * doors.length
}

/** Every kind of token at every verifier, each time a new one: tickets and refresh tokens are good once. */
async function tryConfusion(world: World, report: Report): Promise<number> {
  const pairs = Object.entries(KINDS).flatMap(([kind, { at, make }]) =>
    Object.entries(VERIFIERS).map(([name, verify]) => ({ kind, name, verify, make, isOwn: at.includes(name) })),
  )
  const people = await world.people(pairs.length * 2)
  await eachOf(pairs, AT_ONCE, async ({ kind, name, verify, make, isOwn }, index) => {
    const [owner, stranger] = [people[index * 2], people[index * 2 + 1]]
    if (!owner || !stranger) throw new Error('no people')
    const token = await make(world, owner)
    const taken = await verify(world, token, owner)
    if (taken !== isOwn) report(`${name} ${taken ? 'takes' : 'refuses'} a token of the kind "${kind}"`)
    // Bound to its session: another person's is worth nothing where the caller is known besides.
    if (name === 'CSRF header' && (await verify(world, await make(world, stranger), owner)))
      report(`${name} takes another person's token of the kind "${kind}"`)
  })
  return pairs.length + Object.keys(KINDS).length
}
