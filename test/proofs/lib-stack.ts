import { type ChildProcess, spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { freePort } from '../../local/free-port.ts'
import { copySource } from '../../local/worker.ts'
import type { Sabotage } from '../world.ts'

/** What `npm start` starts, as a process that may be killed. */
export type Stack = {
  url: string
  /** Resolves when it says that it is ready; rejects with what it says instead. */
  start(): Promise<void>
  /** Resolves the next time it is ready, at once if it is. */
  ready(): Promise<void>
  /** `all`: with every process it has started, as when a machine loses its power; else it alone. */
  kill(how: 'all' | 'alone'): Promise<void>
  /** As Ctrl-C does. */
  stop(): Promise<void>
}

type StackOptions = { tree: string; dataDir: string; databaseUrl?: string | undefined }

const ROOT = resolve(import.meta.dirname, '../..')
const READY_WITHIN_MS = 60_000
const HOST = '127.0.0.1'
const SETTINGS = { RATE_LIMIT_FACTOR: '100000', LOG_LEVEL: 'error' }

export async function createStack({ tree, dataDir, databaseUrl }: StackOptions): Promise<Stack> {
  const port = await freePort()
  const args = ['--port', String(port), '--data', dataDir, ...(databaseUrl ? ['--database-url', databaseUrl] : [])]
  const state = new EventEmitter().setMaxListeners(0)
  let child: ChildProcess | undefined
  let isReady = false

  const end = async (signal: NodeJS.Signals, everybody: boolean) => {
    isReady = false
    const ending = child
    if (!ending?.pid || ending.exitCode !== null || ending.signalCode !== null) return
    const exited = once(ending, 'exit')
    process.kill(everybody ? -ending.pid : ending.pid, signal)
    await exited
  }

  return {
    url: `http://${HOST}:${port}`,
    async start() {
      const starting = spawn(process.execPath, [join(tree, 'local/start.ts'), ...args], {
        cwd: tree,
        env: { ...process.env, ...SETTINGS },
        // A group of its own, to be killed as one.
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      child = starting
      await saysReady(starting)
      isReady = true
      state.emit('ready')
    },
    async ready() {
      while (!isReady) await once(state, 'ready')
    },
    kill: (how) => end('SIGKILL', how === 'all'),
    stop: () => end('SIGTERM', false),
  }
}

/** All of what `npm start` runs, in a folder of its own, with the changes made. */
export function copyTree(changes: Sabotage[]): string {
  const dir = mkdtempSync(join(tmpdir(), 'aurelius-tree-'))
  copySource(dir)
  for (const name of ['local', 'migrations']) cpSync(join(ROOT, name), join(dir, name), { recursive: true })
  for (const change of changes) tamper(dir, change)
  return dir
}

function tamper(dir: string, { file, find, replace }: Sabotage): void {
  const path = join(dir, file)
  const parts = readFileSync(path, 'utf8').split(find)
  if (parts.length !== 2) throw new Error(`${file} has ${parts.length - 1} places to be changed: ${find}`)
  writeFileSync(path, parts.join(replace))
}

async function saysReady(child: ChildProcess): Promise<void> {
  const said: string[] = []
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const timer = setTimeout(() => reject(new Error(`not ready in time: ${said.join(' ')}`)), READY_WITHIN_MS)
  for (const stream of [child.stdout, child.stderr]) {
    if (!stream) continue
    createInterface(stream).on('line', (line) => {
      said.push(line)
      if (line.startsWith('Aurelius is ready at')) resolve()
    })
  }
  child.once('exit', (code, signal) => reject(new Error(`ended by ${signal ?? code}: ${said.join(' ')}`)))
  try {
    await promise
  } finally {
    clearTimeout(timer)
  }
}
