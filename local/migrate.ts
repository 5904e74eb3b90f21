import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Postgres, Query } from './postgres.ts'

type Database = Pick<Postgres, 'query' | 'batch'>

type Migration = { tag: string; when: number; hash: string; statements: string[]; requires: string | undefined }

type Journal = { entries: { tag: string; when: number }[] }

// Any number will do, as long as nobody else uses it.
const TAKE_TURN: Query = { query: 'select pg_advisory_xact_lock(7266279001)' }
const NO_TIMEOUT: Query = { query: 'set local statement_timeout = 0' }
const APPLIED_ONCE = '__drizzle_migrations_applied_once'

// The table of drizzle-orm's own migrator, so that either goes on where the other stopped. The index is ours.
const JOURNAL_TABLE: Query[] = [
  { query: 'create schema if not exists drizzle' },
  {
    query: `create table if not exists drizzle.__drizzle_migrations (
      id serial primary key, hash text not null, created_at bigint
    )`,
  },
  { query: `create unique index if not exists ${APPLIED_ONCE} on drizzle.__drizzle_migrations (created_at)` },
]

/**
 * Apply drizzle-kit's migrations that are missing, in order, each in one transaction; returns their tags.
 * One that says `-- requires: EXTENSION` waits until that extension can be had, and `onSkip` hears of it.
 */
export async function migrate(
  pg: Database,
  dir = 'migrations',
  onSkip: (tag: string, extension: string) => void = () => {},
): Promise<string[]> {
  const migrations = readMigrations(dir)
  const missing = await findMissing(pg, migrations)
  const extensions = await readExtensions(pg)
  const applied: string[] = []
  for (const migration of missing) {
    const { tag, requires } = migration
    if (requires && !extensions.has(requires)) onSkip(tag, requires)
    else if (await apply(pg, migration)) applied.push(tag)
  }
  return applied
}

function readMigrations(dir: string): Migration[] {
  const journal: Journal = JSON.parse(readFileSync(join(dir, 'meta', '_journal.json'), 'utf8'))
  return journal.entries.map(({ tag, when }) => {
    const text = readFileSync(join(dir, `${tag}.sql`), 'utf8')
    return {
      tag,
      when,
      hash: createHash('sha256').update(text).digest('hex'),
      statements: text.split('--> statement-breakpoint').filter((statement) => statement.trim()),
      requires: /^-- requires: ([\w-]+)\s*$/m.exec(text)?.[1],
    }
  })
}

async function findMissing(pg: Database, migrations: Migration[]): Promise<Migration[]> {
  await pg.batch([TAKE_TURN, ...JOURNAL_TABLE])
  const rows = await pg.query('select created_at, hash from drizzle.__drizzle_migrations')
  const recorded = new Map(rows.map((row) => [String(row.created_at), row.hash]))
  const changed = migrations.filter(({ when, hash }) => recorded.has(`${when}`) && recorded.get(`${when}`) !== hash)
  if (changed.length > 0) {
    const tags = changed.map(({ tag }) => tag).join(', ')
    throw new Error(`changed after it was applied: ${tags}. Restore the file and write a new migration instead.`)
  }
  return migrations.filter(({ when }) => !recorded.has(`${when}`))
}

async function readExtensions(pg: Database): Promise<Set<unknown>> {
  const rows = await pg.query('select name from pg_available_extensions')
  return new Set(rows.map(({ name }) => name))
}

/** False if another process applied it meanwhile. */
async function apply(pg: Database, { tag, when, hash, statements }: Migration): Promise<boolean> {
  const record = {
    query: 'insert into drizzle.__drizzle_migrations (hash, created_at) values ($1, $2)',
    params: [hash, when],
  }
  try {
    await pg.batch([NO_TIMEOUT, TAKE_TURN, record, ...statements.map((query) => ({ query }))])
    return true
  } catch (cause) {
    if (cause instanceof Error && 'constraint' in cause && cause.constraint === APPLIED_ONCE) return false
    throw new Error(`migration ${tag} failed: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}
