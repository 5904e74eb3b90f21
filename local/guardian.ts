import { ChildProcess, spawn } from 'node:child_process'
import { subscribe } from 'node:diagnostics_channel'
import { Socket } from 'node:net'
import { createInterface } from 'node:readline'

let guardian: ChildProcess | undefined

/**
 * From now on no Workers runtime outlives this process, however it ends: left alone after a SIGKILL, workerd would go
 * on answering on its port with the storage open.
 */
export function guardRuntimes(): void {
  if (guardian) return
  guardian = spawn(process.execPath, [import.meta.filename], { stdio: ['pipe', 'ignore', 'ignore'] })
  guardian.unref()
  const { stdin } = guardian
  if (stdin instanceof Socket) stdin.unref()
  // If somebody killed the guardian alone, there is nobody to tell.
  stdin?.on('error', () => {})
  subscribe('child_process', (message) => {
    const child = typeof message === 'object' && message && 'process' in message ? message.process : undefined
    if (!(child instanceof ChildProcess)) return
    child.once('spawn', () => {
      if (!/workerd(\.exe)?$/.test(child.spawnfile)) return
      stdin?.write(`+${child.pid}\n`)
      child.once('exit', () => stdin?.write(`-${child.pid}\n`))
    })
  })
}

// The end of its standard input is the end of the process it stands guard for.
async function guard(): Promise<void> {
  const pids = new Set<number>()
  // Ctrl-C reaches every process of a terminal; what it means is for the guarded one to say.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})
  for await (const line of createInterface(process.stdin)) {
    const pid = Number(line.slice(1))
    if (line.startsWith('+')) pids.add(pid)
    else pids.delete(pid)
  }
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It was gone already.
    }
  }
}

if (import.meta.main) await guard()
