import { and, eq, getTableColumns, inArray, type SQL, sql } from 'drizzle-orm'
import { z } from 'zod'
import { type Ctx, defineEvent, s, type UserCtx } from '#core'
import { type ColumnsOf, jsonObject, ownedBy } from '#database'
import { tell } from '#queue'
import { emailMessages } from './tables.ts'

const FATES = ['sent', 'failed', 'maybe_sent'] as const
const Settled = z.strictObject({ id: s.id('eml'), status: z.enum(FATES) })

/** What became of a letter is known. */
export const letterSettled = defineEvent('letter.settled', 'mail', Settled)

type Changed = Parameters<typeof tell>[2] & ColumnsOf<typeof emailMessages>

/** CTEs that tell of the letters among the mail that a CTE settled. */
export function tellLetters(db: Ctx['db'], changed: Changed) {
  const isLetter = and(eq(changed.kind, 'letter'), inArray(changed.status, [...FATES]))
  const columns = getTableColumns(emailMessages)
  const letters = db.$with('letters', columns).as(sql`select * from ${changed} where ${isLetter}`)
  const { id, userId, attempts, status } = letters
  const about = { userId, key: id, version: attempts, data: jsonObject({ id, status }) }
  return [letters, tell(db, 'told', letters, { kind: letterSettled, ...about })] as const
}

/** How letters of the person's stand, for whoever had them sent. One trip. */
export async function fatesOf({ actor, db }: Pick<UserCtx, 'actor' | 'db'>, ids: string[]) {
  const { id, userId, toAddress: to, status, providerId, error } = emailMessages
  return await db
    .select({ id, to, status, providerId, error })
    .from(emailMessages)
    .where(and(inArray(id, ids), ownedBy(actor, userId)))
    .orderBy(id)
}

/** Whether a letter of the person's whose key begins so was put in the queue, as a condition of a statement. */
export function isQueued({ actor }: Pick<UserCtx, 'actor'>, key: string): SQL<boolean> {
  const e = emailMessages
  return sql`exists (select 1 from ${e}
    where ${ownedBy(actor, e.userId)} and starts_with(${e.key}, ${key}) and ${e.status} <> 'refused')`
}
