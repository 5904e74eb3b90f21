import { randomUUID } from 'node:crypto'
import type { Server } from 'node:http'
import { type Backend, createExecute, type Execute, type Limits, type Result } from './execute.ts'
import { createNeonServer } from './neon-http.ts'
import { openPglite } from './pglite.ts'
import { openRealPostgres } from './real-postgres.ts'
import { toJsonRow, toObject, toText } from './values.ts'

export type PostgresOptions = {
  /** Where PGlite keeps its data; without it a temporary folder, gone after close. */
  dataDir?: string
  /** A Postgres server to serve instead of PGlite. */
  databaseUrl?: string
  /** Of the HTTP endpoint; 0 or none: any free one. */
  port?: number
  /** In the connection string; none: a new one each time. */
  password?: string
  statementTimeoutMs?: number
  queueTimeoutMs?: number
  /** What each session begins with. */
  session?: string
}

export type Row = Record<string, unknown>

export type Query = { query: string; params?: unknown[] }

export type Postgres = {
  /** For `neonConfig.fetchEndpoint`. */
  url: string
  /** For `neon()`: its host and port are the endpoint's. */
  connectionString: string
  /** What the endpoint does with a request. */
  execute: Execute
  query(query: string, params?: unknown[]): Promise<Row[]>
  /** One transaction. */
  batch(queries: Query[]): Promise<Row[][]>
  close(): Promise<void>
}

const HOST = '127.0.0.1'
const USER = 'aurelius'
const STATEMENT_TIMEOUT_MS = 15_000
const QUEUE_TIMEOUT_MS = 30_000

/** Neon's HTTP protocol on this machine, over PGlite or over a Postgres server. */
export async function startPostgres(options: PostgresOptions = {}): Promise<Postgres> {
  const limits = {
    statementTimeoutMs: options.statementTimeoutMs ?? STATEMENT_TIMEOUT_MS,
    queueTimeoutMs: options.queueTimeoutMs ?? QUEUE_TIMEOUT_MS,
  }
  const password = options.password ?? randomUUID()
  const backend = await openBackend(options, limits)
  const execute = createExecute(backend, options.session)
  const server = createNeonServer(execute, { user: USER, password })
  const port = await listen(server, options.port ?? 0).catch(async (error) => {
    await backend.close()
    throw error
  })

  const run = async (queries: Query[], begin: string | null) => {
    const statements = queries.map(({ query, params = [] }) => ({ query, params: params.map(toText) }))
    const results = await execute({ statements, begin }, new AbortController().signal)
    return results.map(toRows)
  }

  let closed: Promise<void> | undefined
  return {
    url: `http://${HOST}:${port}/sql`,
    connectionString: `postgresql://${USER}:${password}@${HOST}:${port}/aurelius`,
    execute,
    query: async (query, params = []) => (await run([{ query, params }], null)).flat(),
    batch: (queries) => run(queries, 'begin'),
    close() {
      closed ??= shutDown(server, backend)
      return closed
    },
  }
}

async function shutDown(server: Server, backend: Backend): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve))
  server.closeIdleConnections()
  await backend.close()
  server.closeAllConnections()
  await closed
}

function openBackend({ databaseUrl, dataDir }: PostgresOptions, limits: Limits): Promise<Backend> {
  return databaseUrl ? openRealPostgres(databaseUrl, limits) : openPglite(dataDir, limits)
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => reject(new Error(`the database endpoint cannot use port ${port}`, { cause })))
    server.listen(port, HOST, () => {
      const address = server.address()
      resolve(typeof address === 'object' && address ? address.port : port)
    })
  })
}

function toRows({ fields, rows }: Result): Row[] {
  return rows.map((row) => toObject(toJsonRow(row, fields), fields))
}
