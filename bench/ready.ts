import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { treeCpuS } from '#test/cpu'
import { freePort } from '../local/free-port.ts'
import { buildWorker } from '../local/worker.ts'

type Start = { wallS: number; cpuS: number }
/** On an empty folder, and again on what that left. */
export type Starts = { first: Start; later: Start }
export type Ready = { ours: Starts; bare: Starts; buildS: number }

const LOCAL = join(import.meta.dirname, '../local')

/**
 * How long `npm start` takes until it says that it is ready, and with it all of its processes; beside it a process that
 * opens a database without tables and a Worker that does nothing. Building the Worker, once for a version, is told apart.
 */
export async function measureReady(): Promise<Ready> {
  const dir = mkdtempSync(join(tmpdir(), 'aurelius-ready-'))
  try {
    const began = performance.now()
    await buildWorker(join(dir, 'bundles'))
    const buildS = secondsSince(began)
    const port = String(await freePort())
    const start = [join(LOCAL, 'start.ts'), '--port', port, '--data', join(dir, 'ours')]
    const twice = async (args: string[]) => ({ first: await timeReady(args), later: await timeReady(args) })
    const ours = await twice(start)
    return { ours, bare: await twice([join(import.meta.dirname, 'bare-ready.ts'), join(dir, 'bare')]), buildS }
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

const secondsSince = (began: number) => (performance.now() - began) / 1000

async function timeReady(args: string[]): Promise<Start> {
  const began = performance.now()
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'close')
  let said = ''
  for await (const chunk of child.stdout) {
    said += chunk
    if (said.includes(' is ready at ')) break
  }
  const start = { wallS: secondsSince(began), cpuS: treeCpuS(child.pid ?? 0) }
  child.kill('SIGTERM')
  await ended
  if (!said.includes(' is ready at ')) throw new Error(`${args[0]} did not become ready: ${said}`)
  return start
}
