import { createHash } from 'node:crypto'
import { eq, sql } from 'drizzle-orm'
import type { Ctx, UserCtx } from '#core'
import { iso, jsonObject } from '#database'
import type { Flag, FlagInput } from './schema.ts'
import { featureFlags as f } from './tables.ts'

const MAX_FLAGS = 1000

const shown = () =>
  jsonObject<Flag>({
    name: f.name,
    enabled: f.enabled,
    percent: f.percent,
    people: f.people,
    updatedAt: iso(f.updatedAt),
  })

/** Every flag, by name. One trip. */
export async function listFlags({ db }: Pick<Ctx, 'db'>): Promise<Flag[]> {
  const rows = await db.select({ flag: shown() }).from(f).orderBy(f.name).limit(MAX_FLAGS)
  return rows.map(({ flag }) => flag)
}

/** Sets a flag as a whole. One trip. */
export async function putFlag({ db }: Pick<Ctx, 'db'>, input: FlagInput): Promise<Flag> {
  const [row] = await db
    .insert(f)
    .values(input)
    .onConflictDoUpdate({ target: f.name, set: { ...input, updatedAt: sql`now()` } })
    .returning({ flag: shown() })
  if (!row) throw new Error('an upsert returned no row')
  return row.flag
}

/** Whether what is tried out is on for whoever asks; a flag that nobody set is off. One trip. */
export async function flag({ db, actor }: Pick<UserCtx, 'db' | 'actor'>, name: string): Promise<boolean> {
  const [found] = await db.select().from(f).where(eq(f.name, name))
  if (!found?.enabled) return false
  if (found.people.includes(actor.userId)) return true
  const place = createHash('sha256').update(`${name}\n${actor.userId}`, 'utf8').digest().readUInt32BE(0)
  return place % 100 < found.percent
}
