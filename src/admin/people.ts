import { type SQL, sql } from 'drizzle-orm'
import { z } from 'zod'
import { endAllOf, hurry } from '#auth'
import { AppError, type Ctx, decodeCursor, encodeCursor, s, toPage } from '#core'
import { iso } from '#database'
import { changeAccount } from '#users'
import type { Account, AccountPatch, AccountQuery } from './schema.ts'

const LIST = 'people'
const CursorKey = z.tuple([s.id('usr')])

const countOf = (table: SQL, also = sql`true`) =>
  sql`(select count(*)::int from ${table} x where x.user_id = u.id and ${also})`

// It reads of every domain, and of none what is in it: how much there is, not what it says.
const account = sql<Account>`json_build_object(
  'id', u.id, 'email', u.email, 'role', u.role, 'disabledAt', ${iso(sql`u.disabled_at`)},
  'emailVerifiedAt', ${iso(sql`u.email_verified_at`)}, 'version', u.version, 'createdAt', ${iso(sql`u.created_at`)},
  'lastSeenAt', (select ${iso(sql`max(x.last_used_at)`)} from sessions x where x.user_id = u.id),
  'counts', json_build_object(
    'sessions', ${countOf(sql`sessions`, sql`x.ended_at is null and x.expires_at > now()`)},
    'apiKeys', ${countOf(sql`api_keys`, sql`x.revoked_at is null`)},
    'tasks', ${countOf(sql`tasks`, sql`x.deleted_at is null`)},
    'projects', ${countOf(sql`projects`)},
    'memories', ${countOf(sql`memories`, sql`x.deleted_at is null`)},
    'conversations', ${countOf(sql`conversations`)}))`

/** Everybody, or who has this address; oldest first. One trip. */
export async function listPeople({ db }: Pick<Ctx, 'db'>, { limit, cursor, email }: AccountQuery) {
  const [after] = cursor ? decodeCursor(LIST, cursor, CursorKey) : []
  const { rows } = await db.execute<{ account: Account }>(sql`select ${account} as account from users u
    where ${email === undefined ? sql`true` : sql`lower(u.email) = ${email.toLowerCase()}`}
      and ${after === undefined ? sql`true` : sql`u.id > ${after}`}
    order by u.id limit ${limit + 1}`)
  return toPage(
    rows.map((row) => row.account),
    limit,
    (last) => encodeCursor(LIST, [last.id]),
  )
}

const missing = () => new AppError('not_found', 'Nobody has this id')

/** What is known of somebody. One trip. */
export async function getAccount({ db }: Pick<Ctx, 'db'>, id: string): Promise<Account> {
  const { rows } = await db.execute<{ account: Account }>(
    sql`select ${account} as account from users u where u.id = ${id}`,
  )
  if (!rows[0]) throw missing()
  return rows[0].account
}

type ChangeCtx = Pick<Ctx, 'db' | 'actor' | 'env' | 'waitUntil' | 'log'>

/**
 * Gives a role, or lets somebody do nothing any more: in the commit that disables them every session ends, and what
 * they hold opens nothing from the next statement on. Two trips.
 */
export async function changePerson(ctx: ChangeCtx, id: string, patch: AccountPatch, version: number | '*') {
  const { db, actor } = ctx
  const isSelf = actor.kind === 'person' && actor.userId === id
  if (isSelf) throw new AppError('forbidden', 'Another admin does this for you, or nobody might be left')
  const [[found], told] = await db.batch([changeAccount(db, id, patch, version), endAllOf(db, id)])
  hurry(ctx, id, told)
  if (!found) throw missing()
  if (!found.isFit) throw new AppError('version_stale', 'This person has changed since you read them')
  return await getAccount(ctx, id)
}
