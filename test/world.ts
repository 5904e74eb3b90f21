import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { importJWK, type JWTPayload, SignJWT } from 'jose'
import { type Mailbox, startMailbox } from '../local/mailbox.ts'
import type { Postgres, PostgresOptions, Row } from '../local/postgres.ts'
import { newSecrets } from '../local/secrets.ts'
import { buildWorker, type LogLine, type RunningWorker, startWorker } from '../local/worker.ts'
import { ABSENT_PROVIDER } from './absent-provider.ts'
import { startMigrated } from './migrated.ts'
import { createContract } from './openapi-contract.ts'
import { type OpenApi, type Operation, readOperations } from './openapi-document.ts'
import { type Sabotage, withSource } from './proofs/sabotage.ts'

export type { Sabotage } from './proofs/sabotage.ts'

export type Answer = { status: number; headers: Headers; text: string; json: unknown; ms: number }
export type CallOptions = {
  token?: string | undefined
  /** Sent as JSON. */
  body?: unknown
  /** Sent as it is, with no content type but that of `headers`. */
  raw?: string | Uint8Array
  headers?: Record<string, string>
  signal?: AbortSignal
  /** Reads an event stream to its end. */
  whole?: boolean
}
export type Call = (method: string, path: string, options?: CallOptions) => Promise<Answer>

export type Person = {
  userId: string
  sessionId: string
  email: string
  accessToken: string
  refreshToken: string
  /** A call with this person's access token. */
  api(method: string, path: string, options?: Omit<CallOptions, 'token'>): Promise<Answer>
}

export type TokenParts = {
  header?: Record<string, unknown>
  claims?: JWTPayload
  /** Seconds from now. */
  expiresIn?: number
  key?: object
}

export type World = {
  url: string
  vars: Record<string, string>
  document: OpenApi
  operations: Operation[]
  /** The one that runs now; what is called is the first of its isolates. */
  worker: RunningWorker
  /** What was done to this system's source. */
  changes: Sabotage[]
  /** Every answer is held against the document; what does not fit is kept in `contract.drift`. */
  contract: ReturnType<typeof createContract>
  logs: LogLine[]
  /** Where its mail ends. */
  mailbox: Mailbox
  call: Call
  /** Registers over HTTP. */
  person(): Promise<Person>
  /** People made behind the API, one session and one refresh token each: no password, no hashing. */
  people(count: number): Promise<Person[]>
  token(userId: string, sessionId: string, parts?: TokenParts): Promise<string>
  /** Behind the API, for auditing. */
  query(sql: string, params?: unknown[]): Promise<Row[]>
  /** Delivers messages to the queue's consumer, as often as asked; answers which were acknowledged. */
  queue(bodies: unknown[], queue?: string): Promise<{ acked: number; retried: number }>
  scheduled(at?: Date): Promise<void>
  /** A deploy: the Worker goes and comes back on the same port, with the same objects. */
  restart(): Promise<void>
  /** The same database under a Worker that was tampered with, over what was done to this one, or set otherwise. */
  sabotaged(changes: Sabotage[], vars?: Record<string, string>, isolates?: number): Promise<World>
  stop(): Promise<void>
}

export const PASSWORD = 'correct horse battery staple'
const ROOT = resolve(import.meta.dirname, '..')
const BUNDLES = join(ROOT, 'node_modules/.cache/aurelius')
const QUEUE = 'aurelius-events'
const RATE_LIMIT_FACTOR = '100000'
const SESSION_DAYS = 180

/** `changes` are made to the source before it is built. */
export type WorldOptions = { postgres?: PostgresOptions; vars?: Record<string, string>; changes?: Sabotage[] }

/** The whole system as it would be deployed, on a Postgres of its own. */
export async function startWorld({ postgres, vars, changes = [] }: WorldOptions = {}): Promise<World> {
  const [database, secrets, mailbox] = await Promise.all([startMigrated(postgres), newSecrets(), startMailbox()])
  const settings = {
    ENVIRONMENT: 'test',
    PUBLIC_URL: 'http://aurelius.test',
    DATABASE_URL: database.connectionString,
    DATABASE_FETCH_ENDPOINT: database.url,
    RATE_LIMIT_FACTOR,
    LOG_LEVEL: 'error',
    ...secrets,
    ...mailbox.vars,
    ...ABSENT_PROVIDER,
    ...vars,
  }
  const close = async () => {
    await mailbox.stop()
    await database.close()
  }
  try {
    return await standUp({ database, mailbox }, settings, changes, close)
  } catch (error) {
    await close()
    throw error
  }
}

type Ground = { database: Postgres; mailbox: Mailbox }

async function standUp(
  ground: Ground,
  vars: Record<string, string>,
  changes: Sabotage[],
  onStop = async () => {},
  isolates = 1,
): Promise<World> {
  const { database, mailbox } = ground
  const logs: LogLine[] = []
  const persistDir = mkdtempSync(join(tmpdir(), 'aurelius-world-'))
  const start = (port: number) =>
    withSource(changes, async (sourceDir) => {
      const bundleDir = await buildWorker(BUNDLES, { sourceDir })
      return await startWorker({
        bundleDir,
        persistDir,
        vars,
        port,
        isolates,
        sourceDir,
        onLog: (line) => logs.push(line),
      })
    })
  const remove = () => rmSync(persistDir, { recursive: true, force: true })
  process.once('exit', remove)
  const stop = async (worker?: RunningWorker) => {
    await worker?.stop()
    process.off('exit', remove)
    remove()
  }
  let worker = await start(0).catch(async (error) => {
    await stop()
    throw error
  })
  const { url } = worker
  const document: OpenApi = JSON.parse(await (await fetch(`${url}/openapi.json`)).text())
  const operations = readOperations(document)
  const contract = createContract(document, operations)
  const call: Call = async (method, path, options = {}) => {
    const answer = await request(url, method, path, options)
    contract.check(method, path, answer)
    return answer
  }
  const token = (userId: string, sessionId: string, parts?: TokenParts) => signToken(vars, userId, sessionId, parts)
  const as = (made: Omit<Person, 'api'>): Person => ({
    ...made,
    api: (method, path, options) => call(method, path, { ...options, token: made.accessToken }),
  })
  return {
    url,
    vars,
    document,
    operations,
    contract,
    changes,
    logs,
    mailbox,
    call,
    token,
    get worker() {
      return worker
    },
    person: async () => as(await register(call)),
    people: async (count) => (await insertPeople(database, count, token)).map(as),
    query: (sql, params) => database.query(sql, params),
    queue: (bodies, queue = QUEUE) => deliver(worker, queue, bodies),
    scheduled: (at) => worker.scheduled(at),
    sabotaged: (more, other, count) => standUp(ground, { ...vars, ...other }, [...changes, ...more], undefined, count),
    async restart() {
      await worker.stop()
      worker = await start(Number(new URL(url).port))
    },
    async stop() {
      await stop(worker)
      await onStop()
    },
  }
}

async function request(url: string, method: string, path: string, options: CallOptions): Promise<Answer> {
  const { token, body, raw, headers, signal } = options
  const sent = {
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
    ...(body !== undefined && { 'content-type': 'application/json' }),
    ...headers,
  }
  const started = performance.now()
  const content = raw ?? (body === undefined ? null : JSON.stringify(body))
  const init = { method, headers: sent, body: content, signal: signal ?? null, redirect: 'manual' as const }
  const response = await fetch(url + path, init)
  const text = await read(response, options)
  const ms = performance.now() - started
  const json: unknown = /json/.test(response.headers.get('content-type') ?? '') ? JSON.parse(text) : undefined
  return { status: response.status, headers: response.headers, text, json, ms }
}

// A stream may have no end: only its beginning is waited for, unless it was asked for whole.
async function read(response: Response, { whole = false }: CallOptions): Promise<string> {
  const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') ?? false
  if (whole || !isStream) return await response.text()
  await response.body?.cancel()
  return ''
}

async function register(call: Call): Promise<Omit<Person, 'api'>> {
  const email = `p${randomUUID()}@example.com`
  const answer = await call('POST', '/v1/auth/register', { body: { email, password: PASSWORD, displayName: 'Sam' } })
  if (answer.status !== 201) throw new Error(`registering answered ${answer.status}: ${answer.text}`)
  const { user, sessionId, accessToken, refreshToken } = JSON.parse(answer.text)
  return { userId: user.id, sessionId, email, accessToken, refreshToken }
}

// The shape of an id, without its time: what is made in bulk need not be in order.
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'
export function makeId(prefix: string): string {
  return `${prefix}_01${[...randomBytes(24)].map((byte) => ALPHABET[byte % 32]).join('')}`
}

export const tokenHash = (token: string): string => createHash('sha256').update(token).digest('base64url')
export const makeRefreshToken = (): string => `rt_${randomBytes(32).toString('base64url')}`

async function insertPeople(database: Postgres, count: number, token: World['token']): Promise<Omit<Person, 'api'>[]> {
  const rows = Array.from({ length: count }, () => {
    const userId = makeId('usr')
    const refreshToken = makeRefreshToken()
    const [sessionId, tokenId] = [makeId('ses'), makeId('rft')]
    return { userId, sessionId, tokenId, email: `${userId}@example.com`, refreshToken, hash: tokenHash(refreshToken) }
  })
  const from =
    'from json_to_recordset($1::json) as r("userId" text, "sessionId" text, "tokenId" text, email text, hash text)'
  const params = [JSON.stringify(rows)]
  await database.batch([
    { query: `insert into users (id, email, display_name) select "userId", email, 'Test Person' ${from}`, params },
    {
      query: `insert into sessions (id, user_id, device_name, user_agent, address, expires_at)
        select "sessionId", "userId", 'test', 'test', '192.0.2.1', now() + interval '${SESSION_DAYS} days' ${from}`,
      params,
    },
    {
      query: `insert into refresh_tokens (id, session_id, hash, generation) select "tokenId", "sessionId", hash, 1 ${from}`,
      params,
    },
  ])
  return await Promise.all(
    rows.map(async ({ userId, sessionId, email, refreshToken }) => {
      return { userId, sessionId, email, refreshToken, accessToken: await token(userId, sessionId) }
    }),
  )
}

async function signToken(
  vars: Record<string, string>,
  userId: string,
  sessionId: string,
  { header, claims, expiresIn = 600, key }: TokenParts = {},
): Promise<string> {
  const [jwk] = JSON.parse(vars.JWT_KEYS ?? '[]')
  const now = Math.floor(Date.now() / 1000)
  const payload = {
    iss: vars.PUBLIC_URL,
    aud: vars.PUBLIC_URL,
    sub: userId,
    sid: sessionId,
    iat: now,
    auth_time: now,
    ...claims,
  }
  return await new SignJWT({ exp: now + expiresIn, ...payload })
    .setProtectedHeader({ alg: 'EdDSA', kid: jwk.kid, typ: 'at+jwt', ...header })
    .sign(await importJWK(key ?? jwk, 'EdDSA'))
}

async function deliver(worker: RunningWorker, queue: string, bodies: unknown[]) {
  const target = await worker.miniflare.getWorker()
  const messages = bodies.map((body) => ({ id: randomUUID(), timestamp: new Date(), attempts: 1, body }))
  const result = await target.queue(queue, messages)
  if (result.outcome !== 'ok') throw new Error(`the queue's consumer ended with "${result.outcome}"`)
  const retried = result.retryBatch.retry ? bodies.length : result.retryMessages.length
  return { acked: result.ackAll ? bodies.length - retried : result.explicitAcks.length, retried }
}
