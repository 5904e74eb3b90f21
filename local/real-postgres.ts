import pg from 'pg'
import { type Backend, type Limits, PostgresError } from './execute.ts'
import { waitedTooLong } from './turns.ts'

const MAX_CONNECTIONS = 20

/** A Postgres server by its URL, through a pool. */
export async function openRealPostgres(databaseUrl: string, limits: Limits): Promise<Backend> {
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    max: MAX_CONNECTIONS,
    statement_timeout: limits.statementTimeoutMs,
    connectionTimeoutMillis: limits.queueTimeoutMs,
    // Neon's clock is UTC, whatever this server's machine believes.
    options: '-c timezone=UTC',
  })
  const broken = new WeakSet<pg.ClientBase>()
  pool.on('connect', (client) => client.on('error', () => broken.add(client)))
  // A connection that breaks while idle leaves the pool by itself.
  pool.on('error', () => {})

  const use: Backend['use'] = async (signal, job) => {
    const client = await pool.connect().catch((error) => {
      throw notConnected(error, limits.queueTimeoutMs)
    })
    const abandon = () => endSession(databaseUrl, client).catch(() => {})
    try {
      signal.throwIfAborted()
      signal.addEventListener('abort', abandon)
      return await job(client)
    } catch (cause) {
      if (cause instanceof pg.DatabaseError || !broken.has(client)) throw cause
      throw new PostgresError('08006', 'connection to the database lost; whether it committed is unknown', { cause })
    } finally {
      signal.removeEventListener('abort', abandon)
      client.release(signal.aborted)
    }
  }

  const backend: Backend = { use, interrupts: true, close: () => pool.end() }
  // A wrong URL should be heard of at the start, not at the first request.
  await use(new AbortController().signal, (client) => client.query('select 1')).catch(async (error) => {
    await pool.end()
    throw error
  })
  return backend
}

function notConnected(cause: Error, queueTimeoutMs: number): Error {
  if (cause instanceof pg.DatabaseError) return cause
  if (cause.message.includes('timeout')) return waitedTooLong(queueTimeoutMs)
  return new PostgresError('08001', `not executed: no connection to the database (${cause.message})`, { cause })
}

// Ending the session stops what it runs and rolls it back; should this fail, the statement timeout does the same later.
async function endSession(databaseUrl: string, client: pg.ClientBase): Promise<void> {
  if (!('processID' in client)) return
  const other = new pg.Client({ connectionString: databaseUrl })
  other.on('error', () => {})
  await other.connect()
  await other.query('select pg_terminate_backend($1)', [client.processID]).finally(() => other.end())
}
