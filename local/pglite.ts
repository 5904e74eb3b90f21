import { once } from 'node:events'
import { join } from 'node:path'
import { Duplex } from 'node:stream'
import { Worker } from 'node:worker_threads'
import pg from 'pg'
import { claimDataFolder } from './data-folder.ts'
import { type Backend, type Limits, PostgresError } from './execute.ts'
import type { FromWorker, ToWorker } from './pglite-worker.ts'
import { createTurns } from './turns.ts'

type Engine = { client: pg.Client; isAlive: () => boolean; stop: () => Promise<void>; kill: () => Promise<void> }

const CLOSE_PATIENCE_MS = 1000
// A string of JavaScript ends at half a gigabyte.
const MAX_ANSWER_BYTES = 256 * 1024 * 1024
const UPKEEP_INTERVAL_MS = 10 * 60_000

/** PGlite on a data folder of its own (a temporary one if none is named), one caller at a time. */
export async function openPglite(dataDir: string | undefined, limits: Limits): Promise<Backend> {
  const folder = claimDataFolder(dataDir)
  const turns = createTurns(limits.queueTimeoutMs)
  const start = () => startEngine(folder.cluster, limits.statementTimeoutMs)
  let engine = await start().catch((error) => {
    folder.release()
    throw error
  })
  folder.settle()
  let usesSinceUpkeep = 0

  const use: Backend['use'] = async (signal, job) => {
    await turns.enter(signal)
    try {
      // Its thread was ended under a runaway statement: what was committed is on disk, and the next in line reopens it.
      if (!engine.isAlive()) {
        await engine.kill()
        engine = await start()
      }
      signal.throwIfAborted()
      usesSinceUpkeep++
      return await job(engine.client)
    } finally {
      turns.leave()
    }
  }

  // PGlite has neither checkpointer nor autovacuum: without this its log grows for ever and plans know no statistics.
  const upkeep = async () => {
    if (usesSinceUpkeep === 0) return
    await use(new AbortController().signal, async (client) => {
      await client.query('vacuum (analyze)')
      await client.query('checkpoint')
    })
    usesSinceUpkeep = 0
  }
  const upkeepTimer = setInterval(() => upkeep().catch(() => {}), UPKEEP_INTERVAL_MS).unref()

  return {
    use,
    interrupts: false,
    async close() {
      clearInterval(upkeepTimer)
      const patience = AbortSignal.timeout(CLOSE_PATIENCE_MS)
      await Promise.race([turns.close(), once(patience, 'abort')])
      await (patience.aborted ? engine.kill() : engine.stop())
      folder.release()
    },
  }
}

async function startEngine(cluster: string, statementTimeoutMs: number): Promise<Engine> {
  const worker = new Worker(join(import.meta.dirname, 'pglite-worker.ts'), { workerData: { cluster } })
  const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
  await booted(worker)
  const wire = connectWire(worker, statementTimeoutMs)
  const client = new pg.Client({ stream: () => wire, ssl: false, user: 'postgres', database: 'postgres', password: '' })
  // Whoever is running a query gets the error; with nobody there it is noticed at the next use.
  client.on('error', () => {})
  await client.connect()
  return {
    client,
    isAlive: () => !wire.destroyed,
    async stop() {
      if (wire.destroyed) return
      worker.postMessage('close' satisfies ToWorker)
      await exited
    },
    async kill() {
      await worker.terminate()
    },
  }
}

function booted(worker: Worker): Promise<void> {
  return new Promise((resolve, reject) => {
    const refuse = (reason: unknown) => {
      reject(new PostgresError('58000', `the database did not start: ${reason}`))
      worker.terminate()
    }
    worker.once('error', refuse)
    worker.once('exit', refuse)
    worker.once('message', (message: FromWorker) => {
      if ('failed' in message) refuse(message.failed)
      else resolve()
    })
  })
}

// The socket that pg talks into. pg corks what belongs together, so each write is one exchange: one answer, one timer.
function connectWire(worker: Worker, statementTimeoutMs: number): Duplex {
  let timer: NodeJS.Timeout | undefined
  const send = (chunks: Uint8Array[]) => {
    const message: ToWorker = new Uint8Array(Buffer.concat(chunks))
    timer = setTimeout(() => end(timedOut()), statementTimeoutMs)
    worker.postMessage(message, [message.buffer])
  }
  const wire = new Duplex({
    read() {},
    write(chunk, _encoding, done) {
      send([chunk])
      done()
    },
    writev(chunks, done) {
      send(chunks.map(({ chunk }) => chunk))
      done()
    },
  })
  const end = (error: Error) => {
    clearTimeout(timer)
    wire.destroy(error)
    worker.terminate()
  }
  worker.on('message', (bytes: Uint8Array) => {
    clearTimeout(timer)
    if (bytes.length > MAX_ANSWER_BYTES) return end(tooLong())
    wire.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  })
  worker.on('error', (cause) => end(crashed(cause)))
  worker.on('exit', () => end(crashed()))
  const connect = () => process.nextTick(() => wire.emit('connect'))
  return Object.assign(wire, { connect, setNoDelay() {}, ref() {}, unref() {} })
}

function timedOut(): PostgresError {
  return new PostgresError('57014', 'canceling statement due to statement timeout')
}

function tooLong(): PostgresError {
  return new PostgresError('54000', `the result is longer than ${MAX_ANSWER_BYTES} bytes`)
}

function crashed(cause?: unknown): PostgresError {
  return new PostgresError('57P02', 'the database crashed under this statement and was restarted', { cause })
}
