import { type Column, eq, type SQL, sql } from 'drizzle-orm'
import { type Ctx, describeError } from '#core'
import { kick } from '#queue'
import { networkOf } from '#security'
import type { Me } from '#users'
import { factorMail } from './mails.ts'
import { passwordFailures, sessions } from './tables.ts'

// NIST SP 800-63B-4, 3.2.2: at most a hundred wrong ones in a row.
const MOST = 100
const CHANGE = `${MOST} wrong passwords were given in a row. Until your password is given where you signed in before, elsewhere it opens nothing; a link by mail does, and so does a new password`

type FailureCtx = Pick<Ctx, 'db' | 'config' | 'now' | 'newId' | 'client' | 'env' | 'waitUntil' | 'log'>

export function failuresOf(userId: Column | SQL.Aliased): SQL<number> {
  return sql<number>`coalesce((select f.failures from ${passwordFailures} f where f.user_id = ${userId}), 0)`
}

/** Whether the person never had a session where this is asked from: an IPv6 host changes its address within a /64. */
export function isElsewhere({ client }: Pick<Ctx, 'client'>, userId: Column | SQL.Aliased): SQL<boolean> {
  const network = networkOf(client.address)
  const isHere = client.address.includes(':')
    ? sql`case when s.address like '%:%' then s.address::inet <<= ${network}::inet else false end`
    : sql`s.address = ${network} and s.address <> ''`
  return sql<boolean>`not exists (select 1 from ${sessions} s where s.user_id = ${userId} and ${isHere})`
}

/** After too many wrong ones a password is taken where they signed in before: who guesses from elsewhere locks nobody out. */
export const isShut = ({ failures, isElsewhere: elsewhere }: { failures: number; isElsewhere: boolean }) =>
  elsewhere && failures >= MOST

export const forgetFailures = ({ db }: Pick<Ctx, 'db'>, userId: string) =>
  db.delete(passwordFailures).where(eq(passwordFailures.userId, userId))

/** The part of a statement that forgets them: a new password is not the one that was guessed at. */
export const forgotten = (db: Ctx['db'], userId: SQL) =>
  db.$with('forgotten', {}).as(sql`delete from ${passwordFailures} where user_id = ${userId}`)

/** Counts a wrong one beside the answer, by the same trip for an address nobody has; the owner is told of the last that counts. */
export function countFailure(ctx: FailureCtx, person: { userId: string; me: Me } | undefined): void {
  ctx.waitUntil(
    count(ctx, person).catch((error: unknown) => ctx.log.error('auth.failure_not_counted', describeError(error))),
  )
}

async function count(ctx: FailureCtx, person: { userId: string; me: Me } | undefined): Promise<void> {
  const { db } = ctx
  const { rows } = await db.execute<{ failures: number }>(sql`
    insert into ${passwordFailures} as f (user_id, failures) select id, 1 from users where id = ${person?.userId ?? ''}
    on conflict (user_id) do update set failures = f.failures + 1 returning f.failures`)
  if (!person || rows[0]?.failures !== MOST) return
  const { statements, job } = await factorMail(ctx, person.me, CHANGE, `guessed:${ctx.newId('cod')}`)
  const [first, ...more] = statements
  if (first) await db.batch([first, ...more])
  kick(ctx, [job])
}
