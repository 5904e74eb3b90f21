import { randomUUID } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join, resolve } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { type Cron, startCron } from './cron.ts'
import { claimDataFolder } from './data-folder.ts'
import { startEmbeddings } from './embeddings.ts'
import { type Mailbox, startMailbox } from './mailbox.ts'
import { migrate } from './migrate.ts'
import { type Postgres, startPostgres } from './postgres.ts'
import { type Providers, startProviders } from './providers.ts'
import { type PushServices, startPushServices } from './push-services.ts'
import { newSecrets, type Secrets } from './secrets.ts'
import { buildWorker, type RunningWorker, startWorker } from './worker.ts'
import { openWorkerLog } from './worker-log.ts'

export type WorldOptions = {
  dataDir: string
  port: number
  /** A Postgres server instead of PGlite. */
  databaseUrl?: string
  /** Whether Google, Microsoft and Apple are played, on the three ports after the mailbox's. */
  withProviders?: boolean
  /** Settings over the local ones. */
  vars?: Record<string, string>
  /** What somebody at the terminal should hear of. */
  onNotice?: (line: string) => void
}

export type World = {
  url: string
  worker: RunningWorker
  postgres: Postgres
  /** Where its mail ends; undefined where somebody else sends it. */
  mailbox: Mailbox | undefined
  /** Where pushes to apps end, and those to browsers of this machine. */
  pushes: PushServices
  /** Who plays Google, Microsoft and Apple; undefined where nobody does. */
  providers: Providers | undefined
  /** The Worker first, then what it stands on. */
  stop(): Promise<void>
}

const ROOT = resolve(import.meta.dirname, '..')
const BUNDLES = join(ROOT, 'node_modules/.cache/aurelius')
const HOST = '127.0.0.1'
const PORT_PATIENCE_MS = 1500
const READY_PATIENCE_MS = 20_000

/** The whole product on this machine: database, migrations, Worker, cron. Resolves when it answers that it is ready. */
export async function startWorld(options: WorldOptions): Promise<World> {
  const { port, databaseUrl, vars = {}, onNotice = () => {} } = options
  const dataDir = resolve(options.dataDir)
  await requireFreePort(port)
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const undo: (() => unknown)[] = []
  const stop = async () => {
    for (let end = undo.pop(); end; end = undo.pop()) await end()
  }
  try {
    const building = buildWorker(BUNDLES)
    // Whoever comes too late to hear of a failed build hears of what failed before it.
    building.catch(() => {})
    const postgres = await openDatabase(dataDir, databaseUrl, undo)
    await migrate(postgres, join(ROOT, 'migrations'), (tag, extension) =>
      onNotice(`migration ${tag} waits: this database has no extension ${extension}`),
    )
    // The queues of the process before us are gone with all that was in them, and nobody does what it did: the first tick
    // of cron sends it anew, at once.
    // No instance of a run outlives the process here: what was under way is begun again within a minute, where it was.
    await postgres.query(`update workflow_runs set deadline_at = greatest(now(), deadline_at - interval '15 minutes')
      where ended_at is null and deadline_at is not null`)
    await postgres.query('update outbox set available_at = now() where dispatched_at is null and available_at > now()')
    await postgres.query(`update jobs set send_at = now(),
      available_at = case when status = 'running' then now() else available_at end where send_at is not null`)
    const log = openWorkerLog(join(dataDir, 'logs'), onNotice)
    undo.push(() => log.close())
    const mailbox = vars.MAIL_PROVIDER
      ? undefined
      : await startMailbox({ file: join(dataDir, 'mailbox.json'), port: port + 1 })
    undo.push(() => mailbox?.stop())
    const pushes = await startPushServices({ port: port + 5 })
    undo.push(() => pushes.stop())
    const publicUrl = `http://${HOST}:${port}`
    const providers = options.withProviders ? await startProviders({ publicUrl, port: port + 2 }) : undefined
    undo.push(() => providers?.stop())
    const settings = {
      ...(await keepSecrets(join(dataDir, 'secrets.json'))),
      ALLOWED_ORIGINS: `http://localhost:${port}`,
      // On one's own machine, with one's own key, nobody else pays.
      AI_PLAN: 'max',
      ...(await embeddingVars(vars, undo)),
      ...mailbox?.vars,
      ...pushes.vars,
      ...(providers && { PUBLIC_URL: publicUrl, ...providers.vars }),
      ...vars,
      DATABASE_URL: postgres.connectionString,
      DATABASE_FETCH_ENDPOINT: postgres.url,
    }
    const persistDir = join(dataDir, 'objects')
    const worker = await startWorker({ bundleDir: await building, persistDir, vars: settings, port, onLog: log.write })
    undo.push(() => worker.stop())
    await answersReady(worker.url)
    const cron: Cron = startCron(worker.scheduled, (error) => onNotice(`cron: ${error.message}`))
    undo.push(() => cron.stop())
    return { url: worker.url, worker, postgres, mailbox, pushes, providers, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

// One process a folder: PGlite takes it; over a server there is the rest to keep to oneself.
async function openDatabase(dataDir: string, databaseUrl: string | undefined, undo: (() => unknown)[]) {
  const folder = join(dataDir, 'postgres')
  try {
    if (databaseUrl) undo.push(claimDataFolder(folder).release)
    const postgres = await startPostgres(databaseUrl ? { databaseUrl } : { dataDir: folder })
    undo.push(() => postgres.close())
    return postgres
  } catch (error) {
    if (error instanceof Error) error.message = error.message.replace(folder, dataDir).replace('not executed: ', '')
    throw error
  }
}

// Whoever names embeddings of their own has those.
async function embeddingVars(vars: Record<string, string>, undo: (() => unknown)[]) {
  if (Object.keys(vars).some((name) => name.startsWith('EMBEDDINGS_'))) return {}
  const embeddings = await startEmbeddings()
  undo.push(() => embeddings.stop())
  return embeddings.vars
}

/** The secrets of this folder, made once; what a newer version needs besides is added. */
async function keepSecrets(path: string): Promise<Secrets> {
  const fresh = `${path}.${randomUUID().slice(0, 8)}`
  const made = await newSecrets()
  let kept: Partial<Secrets> = {}
  try {
    kept = JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    if (!isMissing(error)) throw new Error(`${path} cannot be read; without it nobody can sign in`, { cause: error })
  }
  const all = { ...made, ...kept }
  if (Object.keys(made).every((name) => name in kept)) return all
  // Whole or not at all.
  writeFileSync(fresh, JSON.stringify(all, null, 2), { mode: 0o600 })
  renameSync(fresh, path)
  return all
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}

// A start right after a SIGKILL may find the port still held by what is being ended.
async function requireFreePort(port: number): Promise<void> {
  const deadline = Date.now() + PORT_PATIENCE_MS
  while (!(await isFree(port))) {
    if (Date.now() > deadline) throw new Error(`port ${port} is taken`)
    await wait(100)
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = createServer().once('error', (error) =>
      'code' in error && error.code === 'EADDRINUSE' ? resolve(false) : reject(error),
    )
    probe.listen(port, HOST, () => probe.close(() => resolve(true)))
  })
}

async function answersReady(url: string): Promise<void> {
  const deadline = Date.now() + READY_PATIENCE_MS
  for (;;) {
    const answer = await fetch(`${url}/health/ready`).catch(() => undefined)
    if (answer?.ok) return void (await answer.body?.cancel())
    const said = await answer?.text()
    if (Date.now() > deadline) throw new Error(`the Worker does not become ready: ${said ?? 'no answer'}`)
    await wait(100)
  }
}
