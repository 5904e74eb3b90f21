import { join, resolve } from 'node:path'
import { migrate } from '../../local/migrate.ts'
import { startPostgres } from '../../local/postgres.ts'
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
  return {
    ...postgres,
    engine: server ? 'PostgreSQL' : 'PGlite',
    set: async (ms: number) => {
      await postgres.query('update set_clock set at = $1::timestamptz', [new Date(ms).toISOString()])
    },
    async close() {
      await postgres.close()
      await server?.close()
    },
  }
}

export type ClockedDatabase = Awaited<ReturnType<typeof startClockedDatabase>>
