import { sql } from 'drizzle-orm'
import type { Database } from './connect.ts'

/** Answers when Postgres does; one trip. */
export async function ping(db: Database): Promise<void> {
  await db.execute(sql`select 1`)
}
