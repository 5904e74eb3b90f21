import { ChildProcess } from 'node:child_process'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from 'miniflare'
import pg from 'pg'
import { makeId } from '#test/world'
import { freePort } from '../local/free-port.ts'
import { migrate } from '../local/migrate.ts'
import { type Postgres, startPostgres } from '../local/postgres.ts'
import { newSecrets } from '../local/secrets.ts'
import { findPostgres, startTempPostgres } from '../local/temp-postgres.ts'
import { type RunningWorker, startWorker } from '../local/worker.ts'
import { COMPATIBILITY_DATE, readModules } from './bundles.ts'

const ROOT = resolve(import.meta.dirname, '..')
const HOST = '127.0.0.1'
// Where a write costs no disk: what a Durable Object waits for in production is not this machine's disk either.
const MEMORY = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
const NO_POSTGRES = `There is no PostgreSQL server to measure with.
Install one (Debian: apt-get install postgresql), or name one: npm run bench -- --database-url postgres://USER@HOST/DATABASE
The bench makes a database of its own there and drops it at the end.`

export type Stage = {
  postgres: Postgres
  vars: Awaited<ReturnType<typeof makeVars>>
  serverVersion: string
  /** Requests the gateway has had: trips, whoever made them. */
  trips(): number
  close(): Promise<void>
}

/** A real Postgres with our schema behind the gateway of `npm start`. */
export async function openStage(databaseUrl: string | undefined): Promise<Stage> {
  const undo: (() => unknown)[] = []
  const close = async () => {
    for (let end = undo.pop(); end; end = undo.pop()) await end()
  }
  try {
    const server = databaseUrl ?? (await startServer(undo))
    const own = await createDatabase(server, undo)
    const postgres = await startPostgres({ databaseUrl: own })
    undo.push(() => postgres.close())
    await migrate(postgres, join(ROOT, 'migrations'))
    const [row] = await postgres.query(`select current_setting('server_version') as version`)
    const trips = countRequests(Number(new URL(postgres.url).port), undo)
    return { postgres, vars: await makeVars(postgres), serverVersion: String(row?.['version']), trips, close }
  } catch (error) {
    await close()
    throw error
  }
}

async function startServer(undo: (() => unknown)[]): Promise<string> {
  const installation = findPostgres()
  if (!installation) throw new Error(NO_POSTGRES)
  const server = await startTempPostgres(installation)
  undo.push(() => server.close())
  return server.databaseUrl
}

async function createDatabase(server: string, undo: (() => unknown)[]): Promise<string> {
  const name = makeId('bench')
  const command = async (text: string) => {
    const client = new pg.Client({ connectionString: server })
    await client.connect()
    await client.query(text).finally(() => client.end())
  }
  await command(`create database ${name}`)
  undo.push(() => command(`drop database ${name} with (force)`))
  const own = new URL(server)
  own.pathname = name
  return own.href
}

async function makeVars(postgres: Postgres) {
  return {
    ENVIRONMENT: 'test',
    PUBLIC_URL: 'http://aurelius.bench',
    DATABASE_URL: postgres.connectionString,
    DATABASE_FETCH_ENDPOINT: postgres.url,
    RATE_LIMIT_FACTOR: '100000',
    ...(await newSecrets()),
  }
}

function countRequests(port: number, undo: (() => unknown)[]): () => number {
  let count = 0
  const onRequest = (message: unknown) => {
    if (typeof message !== 'object' || !message || !('socket' in message)) return
    const { socket } = message
    if (typeof socket === 'object' && socket && 'localPort' in socket && socket.localPort === port) count++
  }
  subscribe('http.server.request.start', onRequest)
  undo.push(() => unsubscribe('http.server.request.start', onRequest))
  return () => count
}

/** A Worker in a workerd of its own, reached without a proxy; `gone` when that ends before it is stopped. */
export type Contender = { name: string; url: string; pid: number; gone: AbortSignal; stop(): Promise<void> }

export type Whole = Contender & { worker: RunningWorker }

/** The whole Worker with all its objects and queues; `sourceDir` is where its wrangler.toml is, if not here. */
export async function startOurs(
  name: string,
  bundleDir: string,
  vars: Record<string, string>,
  sourceDir = ROOT,
): Promise<Whole> {
  const persistDir = mkdtempSync(join(MEMORY, 'aurelius-bench-'))
  const [worker, runtime] = await withRuntime(name, () => startWorker({ bundleDir, persistDir, vars, sourceDir }))
  const stop = async () => {
    await worker.stop()
    rmSync(persistDir, { recursive: true, force: true })
  }
  return { name, url: worker.url, ...runtime, worker, stop }
}

/** The bare handler, with objects of its own where it names their classes. */
export async function startBare(
  bundleDir: string,
  bindings: Record<string, string>,
  objects: Record<string, string> = {},
): Promise<Contender> {
  const port = await freePort()
  const [miniflare, runtime] = await withRuntime('bare', async () => {
    const made = new Miniflare(
      convertV4MiniflareOptions({
        host: HOST,
        port: 0,
        cf: false,
        log: new Log(LogLevel.WARN),
        workers: [
          {
            name: 'bare',
            compatibilityDate: COMPATIBILITY_DATE,
            ...readModules(bundleDir),
            bindings,
            durableObjects: Object.fromEntries(
              Object.entries(objects).map(([name, className]) => [name, { className, useSQLite: true }]),
            ),
            unsafeDirectSockets: [{ host: HOST, port }],
            stripCfConnectingIp: false,
          },
        ],
      }),
    )
    await made.ready
    return made
  })
  return { name: 'bare', url: `http://${HOST}:${port}`, ...runtime, stop: () => miniflare.dispose() }
}

/** What `start` started, and its workerd. */
async function withRuntime<T>(name: string, start: () => Promise<T>): Promise<[T, Pick<Contender, 'pid' | 'gone'>]> {
  const ended = new AbortController()
  let pid = 0
  const onChild = (message: unknown) => {
    const child = typeof message === 'object' && message && 'process' in message ? message.process : undefined
    if (!(child instanceof ChildProcess)) return
    child.once('spawn', () => {
      if (!/workerd(\.exe)?$/.test(child.spawnfile)) return
      pid = child.pid ?? 0
      child.once('exit', (code, signal) => ended.abort(new Error(`the workerd of ${name} ended: ${signal ?? code}`)))
    })
  }
  subscribe('child_process', onChild)
  try {
    return [await start(), { pid, gone: ended.signal }]
  } finally {
    unsubscribe('child_process', onChild)
  }
}
