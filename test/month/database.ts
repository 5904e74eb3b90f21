import { join, resolve } from 'node:path'
import { migrate } from '../../local/migrate.ts'
import { type Postgres, startPostgres } from '../../local/postgres.ts'
import { findPostgres, startTempPostgres } from '../../local/temp-postgres.ts'

const MIGRATIONS = join(resolve(import.meta.dirname, '../..'), 'migrations')
// Before that of Postgres itself: what is written down as `now()` is by the clock that is set.
const SESSION = 'set search_path = public, pg_catalog'
const CLOCK = [
  'create table set_clock (at timestamptz not null)',
  "insert into set_clock values ('2020-01-01')",
  `create function public.now() returns timestamptz language sql stable as 'select at from public.set_clock'`,
]

/** A Postgres with our schema whose `now()` is set: a server where there is one on this machine, else PGlite. */
export async function startClockedDatabase({ isSmall }: { isSmall: boolean }) {
  const installation = isSmall ? undefined : findPostgres()
  const server = installation && (await startTempPostgres(installation))
  const postgres = await startPostgres({ session: SESSION, ...(server && { databaseUrl: server.databaseUrl }) })
  for (const query of CLOCK) await postgres.query(query)
  await migrate(postgres, MIGRATIONS)
  const database = {
    ...postgres,
    detach: attach(postgres),
    engine: server ? 'PostgreSQL' : 'PGlite',
    set: async (ms: number) => {
      await postgres.query('update set_clock set at = $1::timestamptz', [new Date(ms).toISOString()])
    },
    async close() {
      database.detach()
      await postgres.close()
      await server?.close()
    },
  }
  return database
}

type Asked = { query: string; params: (string | null)[] }

/** Whoever in this process asks the endpoint is answered without a wire; answers how to undo that. */
function attach({ url, execute }: Postgres): () => void {
  const real = globalThis.fetch
  globalThis.fetch = async (input, init) => {
    if (input !== url || typeof init?.body !== 'string') return await real(input, init)
    const asked: Asked | { queries: Asked[] } = JSON.parse(init.body)
    const isBatch = 'queries' in asked
    try {
      const work = { statements: isBatch ? asked.queries : [asked], begin: isBatch ? 'begin' : null }
      const results = await execute(work, init.signal ?? new AbortController().signal)
      return Response.json(isBatch ? { results } : results[0])
    } catch (error) {
      if (!(error instanceof Error) || !('code' in error)) throw error
      return Response.json({ ...error, message: error.message }, { status: 400 })
    }
  }
  return () => {
    globalThis.fetch = real
  }
}

export type ClockedDatabase = Awaited<ReturnType<typeof startClockedDatabase>>
