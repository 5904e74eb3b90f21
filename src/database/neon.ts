import { makePgArray } from 'drizzle-orm/pg-core'
import { AppError } from '#core'

type Shape = { arrayMode?: boolean }
type Field = { name: string; dataTypeID: number }
type Answered = { fields: Field[]; rows: (string | null)[][]; command: string; rowCount: number | null }
export type Result = Omit<Answered, 'rows'> & { rows: unknown[] }
type Statement = { query: string; params: (string | null)[] }
/** It is sent when somebody waits for it, unless a transaction has taken it. */
type Query = PromiseLike<Result> & { statement: Statement; shape: Shape }

/** What of a response is read. */
export type Answer = { ok: boolean; status: number; text(): Promise<string>; json(): Promise<unknown> }
type Send = (init: { method: 'POST'; body: string; headers: Record<string, string> }) => Promise<Answer>

/** What drizzle and `prepared` ask of Neon's HTTP driver, and nothing else of it. */
export type NeonClient = {
  query(query: string, params: unknown[], shape?: Shape): Query
  transaction(queries: Query[]): Promise<Result[]>
}

// By the OIDs of Postgres. What is not here stays text: a time as drizzle wants it, an int8, which may be too large.
const PARSERS = new Map<number, (value: string) => unknown>([
  [16, (value) => value === 't'],
  ...[21, 23, 26, 700, 701].map((oid) => [oid, Number] as const),
  ...[114, 3802].map((oid) => [oid, (value: string): unknown => JSON.parse(value)] as const),
])

// What is known of an error besides its message.
const ERROR_FIELDS = [
  'severity',
  'code',
  'detail',
  'hint',
  'where',
  'schema',
  'table',
  'column',
  'constraint',
  'routine',
]

/** Where Neon answers for the database of this connection string. */
export function neonEndpoint(connectionString: string): string {
  return `https://${new URL(connectionString).hostname.replace(/^[^.]+\./, 'api.')}/sql`
}

const CHANGES = /\b(?:insert into|delete from)\b|\bupdate\s+(?!of\b)["\w]/i
const TAINT: Statement = { query: "select set_config('aurelius.tainted', 'true', true)", params: [] }
const FLUSH: Statement = { query: 'select flush_audit()', params: [] }

/** A statement that also says what is being done, in its text for all times and in a parameter for this one. */
function telling({ query, params }: Statement, act: object): Statement {
  const told = `with act as (insert into act (context) values ($${params.length + 1}))`
  const rest = /^\s*with\s+/i.exec(query)
  const text = rest ? `${told}, ${query.slice(rest[0].length)}` : `${told} ${query}`
  return { query: text, params: [...params, JSON.stringify(act)] }
}

type SaidAct = { tainted?: boolean }

/**
 * Neon's `POST /sql`: a statement, or several as one transaction, for each trip. What changes anything says `act`, for
 * the triggers of the audit.
 */
export function neonClient(connectionString: string, send: Send, given?: (() => SaidAct) | 'readOnly'): NeonClient {
  const isReadOnly = given === 'readOnly'
  const act = given === 'readOnly' ? undefined : given
  // What an act did in one commit is told there; in a later one of the same act it may have been told already.
  let again = false
  const told = (batch: boolean) => {
    const said = { ...act?.(), again, batch }
    again = true
    return said
  }
  const one = (statement: Statement) =>
    act && CHANGES.test(statement.query) ? telling(statement, told(false)) : statement
  const all = (statements: Statement[]) => {
    const first = act ? statements.findIndex(({ query }) => CHANGES.test(query)) : -1
    const found = statements[first]
    return found ? [...statements.with(first, telling(found, told(true))), FLUSH] : statements
  }
  // Said before all else: a trigger marks the rows as they are written.
  const isTainted = (statements: Statement[]) =>
    act?.().tainted === true && statements.some(({ query }) => CHANGES.test(query))
  const headers = {
    'Neon-Connection-String': connectionString,
    'Neon-Raw-Text-Output': 'true',
    'Neon-Array-Mode': 'true',
    // Heeded of a batch alone.
    ...(isReadOnly && { 'Neon-Batch-Read-Only': 'true' }),
  }
  async function ask<T>(work: Statement | { queries: Statement[] }): Promise<T> {
    const answer = await send({ method: 'POST', body: JSON.stringify(work), headers })
    if (!answer.ok) throw await failureOf(answer)
    // biome-ignore lint/nursery/noUnsafeTypeAssertion: the protocol, which the tests of both gateways hold it to
    return (await readAnswer(answer)) as T
  }
  async function askOne(statement: Statement): Promise<Answered> {
    if (isTainted([statement])) {
      const { results } = await ask<{ results: Answered[] }>({ queries: [TAINT, ...all([statement])] })
      const [, answered] = results
      if (!answered) throw new Error('a batch of two has one result')
      return answered
    }
    if (!isReadOnly) return await ask<Answered>(one(statement))
    const { results } = await ask<{ results: Answered[] }>({ queries: [statement] })
    const [answered] = results
    if (!answered) throw new Error('a batch of one has no result')
    return answered
  }
  return {
    query(query, params, shape = {}) {
      const statement = { query, params: params.map(toText) }
      let asked: Promise<Result> | undefined
      return {
        statement,
        shape,
        // biome-ignore lint/suspicious/noThenProperty: drizzle makes the statements of a batch before it knows of the batch
        then(resolve, reject) {
          asked ??= askOne(statement).then((answered) => toResult(answered, shape))
          return asked.then(resolve, reject)
        },
      }
    },
    async transaction(queries) {
      const given = queries.map(({ statement }) => statement)
      const before = isTainted(given) ? [TAINT] : []
      const { results } = await ask<{ results: Answered[] }>({ queries: [...before, ...all(given)] })
      return results
        .slice(before.length, before.length + queries.length)
        .map((answered, n) => toResult(answered, queries[n]?.shape ?? {}))
    },
  }
}

function toText(value: unknown): string | null {
  if (value === null || value === undefined) return null
  if (typeof value !== 'object') return String(value)
  if (value instanceof Date) return value.toISOString()
  return Array.isArray(value) ? makePgArray(value) : JSON.stringify(value)
}

function toResult({ rows, ...said }: Answered, { arrayMode }: Shape): Result {
  const parsers = said.fields.map(({ dataTypeID }) => PARSERS.get(dataTypeID))
  const read = (row: (string | null)[]) =>
    row.map((value, at) => {
      const parse = parsers[at]
      return parse && value !== null ? parse(value) : value
    })
  const named = (row: unknown[]) => Object.fromEntries(said.fields.map(({ name }, at) => [name, row[at]]))
  return { ...said, rows: rows.map((row) => (arrayMode ? read(row) : named(read(row)))) }
}

// What stands between may answer in its place.
async function readAnswer(answer: Answer): Promise<unknown> {
  const said = await answer.json().catch((error: unknown) => {
    throw away(error)
  })
  if (typeof said === 'object' && said !== null && ('rows' in said || 'results' in said)) return said
  throw away(new Error("The database's gateway answered what is no result"))
}

const away = (cause: unknown) =>
  new AppError('unavailable', 'The database cannot be reached', { cause, retryAfterS: 2 })

async function failureOf(answer: Answer): Promise<Error> {
  const text = await answer.text()
  const cause = new Error(`The database's gateway answered ${answer.status}: ${text.slice(0, 300)}`)
  if (answer.status === 429 || answer.status >= 500) return away(cause)
  if (answer.status !== 400) return cause
  const said: Record<string, unknown> = JSON.parse(text)
  const known = ERROR_FIELDS.map((name) => [name, said[name] ?? undefined])
  return Object.assign(new Error(String(said['message'])), { name: 'DatabaseError' }, Object.fromEntries(known))
}
