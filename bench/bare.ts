import { createHash, createHmac } from 'node:crypto'
import { neon, neonConfig } from '@neondatabase/serverless'
import { type SQL, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/neon-http'
import { type Context, Hono } from 'hono'
import { streamSSE } from 'hono/streaming'
import { importJWK, jwtVerify, SignJWT } from 'jose'
import type { Operation } from './operations.ts'
import type { Param, Statement, Trips } from './statements.ts'

type Vars = {
  DATABASE_URL: string
  DATABASE_FETCH_ENDPOINT: string
  PUBLIC_URL: string
  JWT_KEYS: string
  REFRESH_KEY: string
  TRIPS: string
}
type C = Context<{ Bindings: Vars }>
type Kit = Awaited<ReturnType<typeof makeKit>>
type Template = { strings: TemplateStringsArray; params: Param[] }
type Values = Record<string, string>

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'
const ACCESS_TOKEN_S = 600
const alg = 'EdDSA'
let made: Kit | undefined

/** All that can be made once for an isolate. */
async function makeKit(vars: Vars) {
  neonConfig.fetchEndpoint = vars.DATABASE_FETCH_ENDPOINT
  const [jwk] = JSON.parse(vars.JWT_KEYS)
  const { d: _, ...publicJwk } = jwk
  const trips: Trips = JSON.parse(vars.TRIPS)
  const templates = Object.entries(trips).map(([name, all]) => [name, all.map((trip) => trip.map(toTemplate))])
  return {
    db: drizzle({ client: neon(vars.DATABASE_URL) }),
    trips: Object.fromEntries(templates) as Record<Operation, Template[][]>,
    sign: await importJWK(jwk, alg),
    verify: await importJWK(publicJwk, alg),
    kid: jwk.kid,
    ours: vars.PUBLIC_URL,
    refreshKey: vars.REFRESH_KEY,
  }
}

function toTemplate({ query, params }: Statement): Template {
  const strings = query.split(/\$\d+/)
  // In the order of the text, which is not that of their numbers.
  const placed = [...query.matchAll(/\$(\d+)/g)].map(([, n]) => params[Number(n) - 1] ?? null)
  return { strings: Object.assign(strings, { raw: strings }), params: placed }
}

/** The statement as drizzle takes it from a handler that has it written out. */
function fill({ strings, params }: Template, values: Values): SQL {
  return sql(strings, ...params.map((param) => param?.map((part) => textOf(part, values)).join('') ?? null))
}

function textOf(part: string | { slot: string }, values: Values): string {
  if (typeof part === 'string') return part
  const { slot } = part
  values[slot] ??= slot.startsWith('new:') ? newId(slot.slice('new:'.length)) : now(slot)
  return values[slot]
}

const now = (slot: string) => (slot === 'nowIso' ? new Date().toISOString() : String(Date.now()))

function newId(prefix: string): string {
  let id = `${prefix}_01`
  for (const byte of crypto.getRandomValues(new Uint8Array(24))) id += ALPHABET[byte & 31]
  return id
}

async function start(c: C): Promise<{ kit: Kit; values: Values }> {
  made ??= await makeKit(c.env)
  const token = c.req.header('authorization')?.slice('Bearer '.length) ?? ''
  const claims = { algorithms: [alg], typ: 'at+jwt', issuer: made.ours, audience: made.ours }
  const { payload } = await jwtVerify(token, made.verify, claims)
  return { kit: made, values: { user: String(payload.sub), session: String(payload['sid']) } }
}

async function run({ db, trips }: Kit, operation: Operation, values: Values, trip = 0) {
  const [first, ...more] = (trips[operation][trip] ?? []).map((template) => db.execute(fill(template, values)))
  if (!first) throw new Error(`${operation} has no trip ${trip}`)
  return more.length === 0 ? (await first).rows : (await db.batch([first, ...more])).flatMap(({ rows }) => rows)
}

async function write(c: C, operation: Operation, body: object): Promise<Response> {
  const { kit, values } = await start(c)
  const fields = JSON.stringify(body).slice(1, -1)
  const [row] = await run(kit, operation, { ...values, id: c.req.param('id') ?? '', fields })
  return c.json(row, operation === 'create' ? 201 : 200)
}

const hashOf = (text: string) => createHash('sha256').update(text).digest('base64url')

const app = new Hono<{ Bindings: Vars }>()

app.get('/v1/tasks', async (c) => {
  const { kit, values } = await start(c)
  const rows = await run(kit, 'list', values)
  return c.json({ items: rows.slice(0, 20).map((row) => row['json_build_object']), nextCursor: rows[19]?.['to_char'] })
})
app.get('/v1/tasks/:id', async (c) => {
  const { kit, values } = await start(c)
  const [row] = await run(kit, 'get', { ...values, id: c.req.param('id') })
  return row ? c.json(row['json_build_object']) : c.notFound()
})
app.post('/v1/tasks', async (c) => await write(c, 'create', await c.req.json()))
app.patch('/v1/tasks/:id', async (c) => await write(c, 'update', await c.req.json()))
app.post('/v1/tasks/:id/complete', async (c) => await write(c, 'complete', {}))

app.post('/v1/auth/refresh', async (c) => {
  made ??= await makeKit(c.env)
  const { sign, kid, ours, refreshKey } = made
  const { refreshToken } = await c.req.json<{ refreshToken: string }>()
  const next = `rt_${createHmac('sha256', refreshKey).update(refreshToken).digest('base64url')}`
  const [row] = await run(made, 'refresh', { hash: hashOf(refreshToken), nextHash: hashOf(next) })
  if (row?.['verdict'] !== 'rotate') return c.json({ code: 'invalid_token' }, 401)
  const { user_id: userId, session_id: sessionId } = row
  const accessToken = await new SignJWT({ sid: sessionId })
    .setProtectedHeader({ alg, kid, typ: 'at+jwt' })
    .setIssuer(ours)
    .setAudience(ours)
    .setSubject(String(userId))
    .setIssuedAt()
    .setExpirationTime(`${ACCESS_TOKEN_S} s`)
    .sign(sign)
  return c.json({ accessToken, tokenType: 'Bearer', expiresIn: ACCESS_TOKEN_S, refreshToken: next, sessionId })
})

// The trips of a turn one after the other, each told as an event: no model, no tools, no object that owns the turn.
app.post('/v1/conversations/:id/messages', async (c) => {
  const { kit, values } = await start(c)
  const { text } = await c.req.json<{ text: string }>()
  const said = { ...values, id: c.req.param('id'), text, question: newId('msg'), answer: newId('msg') }
  return streamSSE(c, async (stream) => {
    for (const trip of kit.trips.turn.keys()) {
      const [row] = await run(kit, 'turn', said, trip)
      await stream.writeSSE({ event: 'trip', id: String(trip), data: JSON.stringify(row) })
    }
    await stream.writeSSE({ event: 'turn.ended', data: '{}' })
  })
})

export default app
