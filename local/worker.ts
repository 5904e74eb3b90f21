import { execFile } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import {
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
} from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify, stripVTControlCharacters } from 'node:util'
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare, type V4WorkerOptions } from 'miniflare'
import { unstable_getMiniflareWorkerOptions } from 'wrangler'
import { freePort } from './free-port.ts'
import { guardRuntimes } from './guardian.ts'

export type BuildOptions = {
  minify?: boolean
  /** The tree to build, if not this one; see `copySource`. */
  sourceDir?: string
}

export type LogLine = { level: string; message: string; timestamp: number }

export type WorkerOptions = {
  /** What `buildWorker` answered. */
  bundleDir: string
  /** Where Durable Objects keep their storage. */
  persistDir: string
  /** Vars and secrets, over those of wrangler.toml; PUBLIC_URL is the Worker's own unless given. */
  vars: Record<string, string>
  /** 0 or none: any free one. */
  port?: number
  /** How many isolates answer, each at its own of `urls`, with the same objects behind them; one unless given. */
  isolates?: number
  /** The tree whose wrangler.toml names the bindings, if not this one. */
  sourceDir?: string
  /** Each line the Worker logs; without it nothing is shown. */
  onLog?: (line: LogLine) => void
}

export type RunningWorker = {
  /** Straight into workerd: no proxy in front, WebSockets included. */
  url: string
  urls: string[]
  /** For what a test does behind the API: bindings, storage and eviction of Durable Objects. */
  miniflare: Miniflare
  /** One cron tick, as of `at`; throws when the handler does. */
  scheduled(at?: Date): Promise<void>
  stop(): Promise<void>
}

const ROOT = resolve(import.meta.dirname, '..')
const HOST = '127.0.0.1'
const NAME = 'aurelius'
const CONFIG = 'wrangler.toml'
const SOURCE_DIRS = ['workers', 'src', 'bundle']
const SOURCE_FILES = [CONFIG, 'package.json', 'package-lock.json', 'tsconfig.json']
const KEEP_UNUSED_MS = 3600_000
// No account, no questions, no look for a newer wrangler: a build needs nobody else.
const QUIET = {
  WRANGLER_HIDE_BANNER: 'true',
  WRANGLER_SEND_METRICS: 'false',
  WRANGLER_WRITE_LOGS: 'false',
  CLOUDFLARE_CF_FETCH_ENABLED: 'false',
}

const run = promisify(execFile)

/**
 * The Worker as it would be deployed, in a folder of its own under `outDir`; answers that folder. A tree that was
 * built before is not built again.
 */
export async function buildWorker(
  outDir: string,
  { minify = false, sourceDir = ROOT }: BuildOptions = {},
): Promise<string> {
  const bundleDir = resolve(outDir, hashOf(resolve(sourceDir), minify))
  if (!existsSync(bundleDir)) {
    const fresh = `${bundleDir}.${randomUUID().slice(0, 8)}`
    await bundle(sourceDir, fresh, minify)
    keep(fresh, bundleDir)
  }
  const now = new Date()
  utimesSync(bundleDir, now, now)
  dropUnused(resolve(outDir), now.getTime() - KEEP_UNUSED_MS)
  return bundleDir
}

/** A copy of what a build reads, to be changed and built with `sourceDir`. */
export function copySource(target: string): void {
  const isTest = (path: string) => path.endsWith('.test.ts')
  for (const name of [...SOURCE_DIRS, ...SOURCE_FILES]) {
    cpSync(join(ROOT, name), join(target, name), { recursive: true, filter: (path) => !isTest(path) })
  }
  symlinkSync(join(ROOT, 'node_modules'), join(target, 'node_modules'), 'junction')
}

async function bundle(sourceDir: string, outDir: string, minify: boolean): Promise<void> {
  const wrangler = join(sourceDir, 'node_modules/wrangler/bin/wrangler.js')
  const args = ['deploy', '--dry-run', '--env=', '--outdir', outDir, ...(minify ? ['--minify'] : [])]
  try {
    await run(process.execPath, [wrangler, ...args], { cwd: sourceDir, env: { ...process.env, ...QUIET } })
  } catch (cause) {
    const said = cause instanceof Error && 'stderr' in cause ? stripVTControlCharacters(String(cause.stderr)) : ''
    throw new Error(`the Worker does not build: ${said.replace(/\s+/g, ' ').trim() || String(cause)}`, { cause })
  }
}

// Whoever built the same meanwhile was as good.
function keep(fresh: string, bundleDir: string): void {
  try {
    renameSync(fresh, bundleDir)
  } catch (error) {
    rmSync(fresh, { recursive: true, force: true })
    if (!existsSync(bundleDir)) throw error
  }
}

function dropUnused(outDir: string, beforeMs: number): void {
  for (const name of readdirSync(outDir)) {
    const path = join(outDir, name)
    const used = statSync(path, { throwIfNoEntry: false })
    if (used && used.mtimeMs < beforeMs) rmSync(path, { recursive: true, force: true })
  }
}

function hashOf(sourceDir: string, minify: boolean): string {
  const hash = createHash('sha256').update(minify ? 'minified' : 'plain')
  const inside = (dir: string) =>
    readdirSync(join(sourceDir, dir), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && !entry.name.endsWith('.test.ts'))
      .map((entry) => join(entry.parentPath, entry.name))
  const files = SOURCE_FILES.map((name) => join(sourceDir, name)).filter((path) => existsSync(path))
  for (const path of [...SOURCE_DIRS.flatMap(inside).sort(), ...files]) {
    hash.update(`\0${path.slice(sourceDir.length)}\0`).update(readFileSync(path))
  }
  return hash.digest('hex').slice(0, 16)
}

/** Runs a bundle in workerd with the bindings of wrangler.toml's top level. Several may run in one process. */
export async function startWorker(options: WorkerOptions): Promise<RunningWorker> {
  const { bundleDir, persistDir, vars, sourceDir = ROOT, onLog = () => {}, isolates = 1 } = options
  const port = options.port || (await freePort())
  const ports = [port, ...(await Promise.all(Array.from({ length: isolates - 1 }, freePort)))]
  const urls = ports.map((each) => `http://${HOST}:${each}`)
  const [url = ''] = urls
  guardRuntimes()
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      host: HOST,
      port: 0,
      cf: false,
      logRequests: false,
      resourcePersistencePath: resolve(persistDir),
      handleStructuredLogs: onLog,
      log: logTo(onLog),
      workers: workersOf(sourceDir, bundleDir, ports, { PUBLIC_URL: url, ...vars }),
    }),
  )
  await miniflare.ready.catch(async (error) => {
    await miniflare.dispose().catch(() => {})
    throw error
  })
  let stopped: Promise<void> | undefined
  return {
    url,
    urls,
    miniflare,
    async scheduled(at = new Date()) {
      const worker = await miniflare.getWorker(NAME)
      const { outcome } = await worker.scheduled({ scheduledTime: at, cron: '* * * * *' })
      if (outcome !== 'ok') throw new Error(`the cron handler ended with "${outcome}"; its log says why`)
    },
    stop() {
      stopped ??= miniflare.dispose()
      return stopped
    },
  }
}

function workersOf(
  sourceDir: string,
  bundleDir: string,
  [port = 0, ...morePorts]: number[],
  vars: Record<string, string>,
): V4WorkerOptions[] {
  // Typed here: wrangler's own type for it has lost its fields.
  const read: Partial<V4WorkerOptions> = unstable_getMiniflareWorkerOptions(join(sourceDir, CONFIG)).workerOptions
  const { assets, modulesRules: _, bindings, serviceBindings, compatibilityDate, ...rest } = read
  const files = readdirSync(bundleDir).filter((name) => /\.(js|wasm)$/.test(name))
  const main = {
    ...rest,
    name: NAME,
    compatibilityDate,
    modulesRoot: bundleDir,
    // The entry comes first.
    modules: files
      .toSorted((a, b) => Number(b.endsWith('.js')) - Number(a.endsWith('.js')))
      .map((name) => ({ type: moduleType(name), path: join(bundleDir, name) })),
    bindings: { ...bindings, ...vars },
    unsafeDirectSockets: [{ host: HOST, port }],
    // A Worker before each outbound request, that takes away a header nothing here sends.
    stripCfConnectingIp: false,
  }
  const { durableObjects = {} } = main
  const elsewhere = Object.entries(durableObjects).map(([name, object]) => [
    name,
    { ...(typeof object === 'string' ? { className: object } : object), scriptName: NAME },
  ])
  // Isolates of the same code, whose objects live beside the first.
  const more = morePorts.map((each, at) => ({
    ...main,
    name: `${NAME}-${at + 2}`,
    durableObjects: Object.fromEntries(elsewhere),
    queueConsumers: {},
    unsafeDirectSockets: [{ host: HOST, port: each }],
  }))
  if (!assets?.binding) return [main, ...more].map((each) => ({ ...each, serviceBindings }))
  // Beside the Worker, not around it: with `run_worker_first` nothing else reaches the files, and a request to a Worker
  // that has assets passes two more Workers on its way, which costs a third of the throughput.
  const beside = {
    name: `${NAME}-assets`,
    compatibilityDate,
    modules: [{ type: 'ESModule' as const, path: 'none.js', contents: 'export default {}' }],
    assets: { ...assets, binding: undefined, run_worker_first: false, routerConfig: { has_user_worker: false } },
  }
  const services = { ...serviceBindings, [assets.binding]: beside.name }
  return [...[main, ...more].map((each) => ({ ...each, serviceBindings: services })), beside]
}

function moduleType(name: string): 'ESModule' | 'CompiledWasm' {
  return name.endsWith('.js') ? 'ESModule' : 'CompiledWasm'
}

// What Miniflare itself has to say: a runtime that crashed and was started again, for one.
function logTo(onLog: (line: LogLine) => void): Log {
  const say = (message: string) =>
    onLog({ level: 'warn', message: stripVTControlCharacters(message), timestamp: Date.now() })
  return Object.assign(new Log(LogLevel.WARN), { log: say })
}
