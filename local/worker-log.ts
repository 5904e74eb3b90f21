import { closeSync, fstatSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { LogLine } from './worker.ts'

export type WorkerLog = { write(line: LogLine): void; close(): void }

const MAX_BYTES = 10_000_000
const MAX_SHORT = 240

/** The Worker's log as a file of JSON lines, the file before it kept as `.1`; `onError` hears of errors in short. */
export function openWorkerLog(dir: string, onError: (short: string) => void, maxBytes = MAX_BYTES): WorkerLog {
  mkdirSync(dir, { recursive: true })
  const path = join(dir, 'worker.log')
  let file = openSync(path, 'a', 0o600)
  let size = fstatSync(file).size
  let isOpen = true
  return {
    write(line) {
      if (!isOpen) return
      const fields = fieldsOf(line)
      if (fields['level'] === 'error') onError(shorten(fields))
      if (size > maxBytes) {
        closeSync(file)
        renameSync(path, `${path}.1`)
        file = openSync(path, 'a', 0o600)
        size = 0
      }
      size += writeSync(file, `${JSON.stringify({ at: new Date(line.timestamp).toISOString(), ...fields })}\n`)
    },
    close() {
      if (isOpen) closeSync(file)
      isOpen = false
    },
  }
}

// Ours are JSON already; the runtime's own are words.
function fieldsOf({ level, message }: LogLine): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(message)
    if (typeof parsed === 'object' && parsed !== null) return { ...parsed }
  } catch {
    // Words, then.
  }
  return { level: level === 'log' ? 'info' : level, event: 'runtime', message }
}

function shorten(fields: Record<string, unknown>): string {
  const { event, message, error, code, requestId } = fields
  const parts = [event, message, error, code, requestId].filter((part) => typeof part === 'string')
  return parts.join(' · ').split('\n')[0]?.slice(0, MAX_SHORT) ?? ''
}
