import { PostgresError } from './execute.ts'

export type Turns = {
  /** Resolves when it is the caller's turn; rejects, its turn lost, when it waited too long or its signal aborts. */
  enter(signal: AbortSignal): Promise<void>
  leave(): void
  /** Refuses everyone who waits or comes later; resolves when nobody is left inside. */
  close(): Promise<void>
}

/** First come, first served, one at a time. */
export function createTurns(queueTimeoutMs: number): Turns {
  const waiting = new Set<(refusal?: unknown) => void>()
  const emptied = Promise.withResolvers<void>()
  let busy = false
  let closed = false

  const join = (signal: AbortSignal) =>
    new Promise<void>((resolve, reject) => {
      const call = (refusal?: unknown) => {
        waiting.delete(call)
        clearTimeout(timer)
        signal.removeEventListener('abort', abort)
        if (refusal) reject(refusal)
        else resolve()
      }
      const abort = () => call(signal.reason)
      const timer = setTimeout(() => call(waitedTooLong(queueTimeoutMs)), queueTimeoutMs)
      signal.addEventListener('abort', abort)
      waiting.add(call)
    })

  return {
    async enter(signal) {
      signal.throwIfAborted()
      if (closed) throw shuttingDown()
      if (busy) return await join(signal)
      busy = true
    },
    leave() {
      const [next] = waiting
      if (next) return next()
      busy = false
      if (closed) emptied.resolve()
    },
    close() {
      closed = true
      for (const call of waiting) call(shuttingDown())
      if (!busy) emptied.resolve()
      return emptied.promise
    },
  }
}

export function waitedTooLong(ms: number): PostgresError {
  return new PostgresError('53300', `not executed: no database connection became free within ${ms} ms`)
}

function shuttingDown(): PostgresError {
  return new PostgresError('57P03', 'not executed: the database is shutting down')
}
