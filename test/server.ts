import pg from 'pg'
import { inject } from 'vitest'
import { readConfig } from '#config'
import { connect } from '#database'
import { users } from '#users/tables'
import { migrate } from '../local/migrate.ts'
import { startPostgres } from '../local/postgres.ts'
import { findPostgres, startTempPostgres } from '../local/temp-postgres.ts'
import { testCtx } from './database.ts'

/** A person on a PostgreSQL server of their own, if it can be run here: PGlite serves one caller at a time. */
export async function personOnServer() {
  const installation = findPostgres()
  if (!installation) return undefined
  const temporary = await startTempPostgres(installation)
  const gateway = await startPostgres({ databaseUrl: temporary.databaseUrl })
  await migrate(gateway)
  const vars = { DATABASE_URL: gateway.connectionString, DATABASE_FETCH_ENDPOINT: gateway.url }
  const meter = { trips: 0, ms: 0 }
  const ctx = testCtx()
  const db = connect(readConfig({ ...inject('vars'), ...vars }).database, meter)
  const userId = ctx.newId('usr')
  await db.insert(users).values({ id: userId, email: `${userId}@example.com`, displayName: 'Test Person' })
  const actor = { kind: 'person', userId, sessionId: null } as const
  const clients: pg.Client[] = []
  return {
    person: { ...ctx, db, meter, actor },
    /** Somebody else on the same server, whose transaction takes as long as the test wants. */
    async other() {
      const client = new pg.Client(temporary.databaseUrl)
      clients.push(client)
      await client.connect()
      return client
    },
    async close() {
      await Promise.all(clients.map((client) => client.end()))
      await gateway.close()
      await temporary.close()
    },
  }
}
