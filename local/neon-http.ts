import { createServer, type IncomingHttpHeaders, type IncomingMessage, type Server } from 'node:http'
import pg from 'pg'
import { type Execute, PostgresError, type Result, type Statement, type Work } from './execute.ts'
import { toJsonRow, toObject, toText } from './values.ts'

export type Credentials = { user: string; password: string }

type SqlRequest = Work & { isBatch: boolean; rawText: boolean; asArrays: boolean }

type Reply = { status: number; json: string }

const MAX_BODY_BYTES = 64 * 1024 * 1024
// The wire protocol counts parameters in 16 bits.
const MAX_PARAMS = 65_535

const ISOLATION_LEVELS = new Map([
  ['ReadUncommitted', 'read uncommitted'],
  ['ReadCommitted', 'read committed'],
  ['RepeatableRead', 'repeatable read'],
  ['Serializable', 'serializable'],
])

// What the Neon driver copies from an error answer.
const ERROR_FIELDS = [
  'severity',
  'code',
  'detail',
  'hint',
  'position',
  'internalPosition',
  'internalQuery',
  'where',
  'schema',
  'table',
  'column',
  'dataType',
  'constraint',
  'file',
  'line',
  'routine',
] as const

/** A server that speaks Neon's `POST /sql`. Anyone on the machine can reach it, so it asks for the password. */
export function createNeonServer(execute: Execute, credentials: Credentials): Server {
  const server = createServer(async (request, response) => {
    const gone = new AbortController()
    response.on('close', () => {
      if (!response.writableFinished) gone.abort()
    })
    const { status, json } = await answer(execute, credentials, request, gone.signal).catch(toReply)
    if (!response.destroyed) response.writeHead(status, { 'content-type': 'application/json' }).end(json)
  })
  // Clients keep connections in pools; closing an idle one under them would fail their next request.
  server.keepAliveTimeout = 0
  return server
}

async function answer(
  execute: Execute,
  credentials: Credentials,
  request: IncomingMessage,
  signal: AbortSignal,
): Promise<Reply> {
  if (request.url !== '/sql') return reply(404, { message: 'not found: POST /sql' })
  if (request.method !== 'POST') return reply(405, { message: 'only POST' })
  const body = await readBody(request)
  if (!body) return reply(413, { message: `request body over ${MAX_BODY_BYTES} bytes` })
  authenticate(request.headers, credentials)
  const work = parseRequest(body.toString('utf8'), request.headers)
  const results = await execute(work, signal)
  const shaped = results.map((result) => shape(result, work))
  return reply(200, work.isBatch ? { results: shaped } : shaped[0])
}

/** Undefined if it is too long; the rest is then still read, so that the client hears the answer. */
async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request) {
    size += chunk.length
    if (size <= MAX_BODY_BYTES) chunks.push(chunk)
  }
  return size <= MAX_BODY_BYTES ? Buffer.concat(chunks) : undefined
}

function authenticate(headers: IncomingHttpHeaders, { user, password }: Credentials): void {
  const url = parseConnectionString(headers['neon-connection-string'])
  if (url.username === user && url.password === password) return
  if (headers.authorization) throw new PostgresError('28000', 'authorization by token is not available here')
  throw new PostgresError('28P01', `password authentication failed for user "${url.username}"`)
}

function parseConnectionString(header: string | string[] | undefined): URL {
  const url = URL.parse(String(header))
  if (url && /^postgres(ql)?:$/.test(url.protocol)) return url
  throw new PostgresError('08P01', 'header neon-connection-string must be a postgres:// URL')
}

function parseRequest(text: string, headers: IncomingHttpHeaders): SqlRequest {
  const options = {
    rawText: headers['neon-raw-text-output'] === 'true',
    asArrays: headers['neon-array-mode'] === 'true',
  }
  const body = parseJson(text)
  if (typeof body === 'object' && body !== null && 'queries' in body) {
    if (!Array.isArray(body.queries)) throw malformed('queries must be an array')
    return { ...options, isBatch: true, statements: body.queries.map(parseStatement), begin: beginCommand(headers) }
  }
  return { ...options, isBatch: false, statements: [parseStatement(body)], begin: null }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw malformed('the body is not JSON', cause)
  }
}

function parseStatement(body: unknown): Statement {
  if (typeof body !== 'object' || body === null || !('query' in body) || typeof body.query !== 'string') {
    throw malformed('expected { query, params } or { queries: [{ query, params }] }')
  }
  const params = 'params' in body ? (body.params ?? []) : []
  if (!Array.isArray(params)) throw malformed('params must be an array')
  if (params.length > MAX_PARAMS) throw malformed(`more than ${MAX_PARAMS} params`)
  if (body.query.includes('\0')) throw malformed('the query contains a zero byte')
  return { query: body.query, params: params.map(toText) }
}

function beginCommand(headers: IncomingHttpHeaders): string {
  const parts = ['begin']
  const isolation = headers['neon-batch-isolation-level']
  if (isolation !== undefined) {
    const level = ISOLATION_LEVELS.get(String(isolation))
    if (!level) throw malformed(`unknown isolation level ${isolation}`)
    parts.push(`isolation level ${level}`)
  }
  if (headers['neon-batch-read-only'] === 'true') parts.push('read only')
  if (headers['neon-batch-deferrable'] === 'true') parts.push('deferrable')
  return parts.join(' ')
}

function shape({ fields, rows, command, rowCount }: Result, { rawText, asArrays }: SqlRequest): unknown {
  if (rawText && asArrays) return { fields, rows, command, rowCount, rowAsArray: true }
  const arrays = rawText ? rows : rows.map((row) => toJsonRow(row, fields))
  const shaped = asArrays ? arrays : arrays.map((row) => toObject(row, fields))
  return { fields, rows: shaped, command, rowCount, rowAsArray: asArrays }
}

function malformed(message: string, cause?: unknown): PostgresError {
  return new PostgresError('08P01', message, { cause })
}

function toReply(error: unknown): Reply {
  if (!(error instanceof PostgresError || error instanceof pg.DatabaseError)) {
    return reply(500, { message: error instanceof Error ? error.message : String(error) })
  }
  const fields = ERROR_FIELDS.map((field) => [field, Reflect.get(error, field)])
  return reply(400, { message: error.message, ...Object.fromEntries(fields) })
}

function reply(status: number, body: unknown): Reply {
  return { status, json: JSON.stringify(body) }
}
