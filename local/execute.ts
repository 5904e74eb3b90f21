import type { ClientBase } from 'pg'

export type Statement = { query: string; params: (string | null)[] }

/** `begin` null: one statement on its own. Otherwise the statements are one transaction, opened with that command. */
export type Work = { statements: Statement[]; begin: string | null }

export type Result = {
  fields: { name: string; dataTypeID: number }[]
  rows: (string | null)[][]
  command: string | null
  rowCount: number | null
}

/** Lends a connection nobody else uses. When `signal` aborts, nothing more is begun and what is open is rolled back. */
export type Backend = {
  /** Whether a statement under way is ended too, when `signal` aborts. */
  interrupts: boolean
  use<T>(signal: AbortSignal, job: (client: ClientBase) => Promise<T>): Promise<T>
  close(): Promise<void>
}

export type Limits = { statementTimeoutMs: number; queueTimeoutMs: number }

export type Execute = (work: Work, signal: AbortSignal) => Promise<Result[]>

/** An error of ours in Postgres's clothes: `code` is an SQLSTATE. */
export class PostgresError extends Error {
  readonly severity = 'ERROR'
  readonly code: string
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

const MAX_NAMED_STATEMENTS = 500
const MAX_REMEMBERED_TEXTS = 5000
// What may stand in a transaction, whatever it says.
const TRANSACTIONAL = /^\s*(?:with|select|insert|update|delete|merge)\b/i

const text = (value: string) => value
const asText = { getTypeParser: () => text }

export function createExecute(backend: Backend, session?: string): Execute {
  const names = createStatementNames()
  const begun = new WeakSet<ClientBase>()

  const run = async (client: ClientBase, { query, params }: Statement): Promise<Result> => {
    // The extended protocol even without parameters: it refuses two commands in one string, as Neon does.
    const config = {
      text: query,
      values: params,
      name: names.of(query),
      rowMode: 'array' as const,
      types: asText,
      queryMode: 'extended',
    }
    const { fields, rows, command, rowCount } = await client.query<(string | null)[]>(config)
    return { fields: fields.map(({ name, dataTypeID }) => ({ name, dataTypeID })), rows, command, rowCount }
  }

  // What cannot be interrupted is finished, and then rolled back: a statement alone must have something to roll back.
  const isKeepable = ({ query }: Statement) => backend.interrupts || !TRANSACTIONAL.test(query)
  const opening = ({ statements, begin }: Work) => begin ?? (statements.every(isKeepable) ? null : 'begin')

  const attempt = (work: Work, signal: AbortSignal) =>
    backend.use(signal, async (client) => {
      try {
        if (session !== undefined && !begun.has(client)) await client.query(session)
        begun.add(client)
        const results = await transact(client, { ...work, begin: opening(work) }, signal, run)
        if (results.some(({ command }) => command === 'SET')) {
          await client.query('reset all')
          begun.delete(client)
        }
        return results
      } finally {
        // A failed batch, or a stray BEGIN: the connection must not carry it into the next request.
        if (client.getTransactionStatus() !== 'I') await client.query('rollback').catch(() => {})
      }
    })

  return async (work, signal) => {
    if (work.statements.length === 0) return []
    try {
      return await attempt(work, signal)
    } catch (error) {
      if (!isStalePlan(error)) throw error
      // Refused before it ran, and a batch was rolled back: once more, prepared afresh.
      names.forget()
      return await attempt(work, signal)
    }
  }
}

async function transact(
  client: ClientBase,
  { statements, begin }: Work,
  signal: AbortSignal,
  run: (client: ClientBase, statement: Statement) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = []
  if (begin) await client.query(begin)
  for (const statement of statements) {
    signal.throwIfAborted()
    results.push(await run(client, statement))
  }
  signal.throwIfAborted()
  if (begin) await client.query('commit')
  return results
}

// A text seen a second time gets a name, so that each connection parses it once; one-off texts stay unnamed.
function createStatementNames() {
  const seen = new Set<string>()
  const names = new Map<string, string>()
  let count = 0
  return {
    of(query: string): string | undefined {
      const name = names.get(query)
      if (name || names.size >= MAX_NAMED_STATEMENTS) return name
      if (!seen.has(query)) {
        if (seen.size >= MAX_REMEMBERED_TEXTS) seen.clear()
        seen.add(query)
        return undefined
      }
      const fresh = `s${++count}`
      names.set(query, fresh)
      return fresh
    },
    forget: () => names.clear(),
  }
}

// After a migration a prepared `select *` has the wrong columns; after DISCARD ALL it is not there.
function isStalePlan(error: unknown): boolean {
  if (!(error instanceof Error) || !('code' in error)) return false
  return error.code === '26000' || (error.code === '0A000' && error.message.startsWith('cached plan'))
}
