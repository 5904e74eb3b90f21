import { and, asc, eq, sql } from 'drizzle-orm'
import { AppError, requireFresh, type UserCtx } from '#core'
import { duplicateOf, iso, jsonObject, ownedBy, ownerId } from '#database'
import { kick } from '#queue'
import { getMe, renewStamp } from '#users'
import { startFlow, takeClaims } from './federation.ts'
import { identityMail } from './mails.ts'
import type { FlowStart, Identity, IdentityStart, LinkCode } from './schema.ts'
import { identities } from './tables.ts'
import { lockWaysIn, waysIn } from './ways-in.ts'

type LinkCtx = Pick<UserCtx, 'actor' | 'db' | 'config' | 'now' | 'newId' | 'client' | 'env' | 'waitUntil' | 'log'>

const shown = jsonObject<Identity>({
  id: identities.id,
  provider: identities.provider,
  email: identities.email,
  createdAt: iso(identities.createdAt),
  lastUsedAt: iso(identities.lastUsedAt),
})

/** With whose accounts the person signs in; one of each provider at most. One trip. */
export async function listIdentities({ db, actor }: Pick<UserCtx, 'db' | 'actor'>) {
  const rows = await db
    .select({ identity: shown })
    .from(identities)
    .where(ownedBy(actor, identities.userId))
    .orderBy(asc(identities.id))
  return { items: rows.map(({ identity }) => identity) }
}

/** Where the person's browser is to go to link an account; only right after they signed in. */
export async function startLink(ctx: LinkCtx, { provider, ...input }: IdentityStart): Promise<FlowStart> {
  requireFresh(ctx)
  return await startFlow(ctx, provider, input, ctx.actor)
}

/** Links the account a code stands for, in the session that began, and tells the person. */
export async function linkIdentity(ctx: LinkCtx, input: LinkCode): Promise<Identity> {
  const { db, actor } = ctx
  const { provider, claims } = await takeClaims(ctx, input, actor)
  const { issuer, subject, email } = claims
  const me = await getMe(ctx)
  const id = ctx.newId('idt')
  const told = await identityMail(ctx, me, { id, provider, email }, 'linked')
  const row = { id, userId: actor.userId, provider, issuer, subject, email, createdAt: ctx.now() }
  try {
    const [made] = await db.batch([
      db.insert(identities).values(row).returning({ identity: shown }),
      ...told.statements,
    ])
    kick(ctx, [told.job])
    if (!made[0]) throw new Error('an insert returned no row')
    return made[0].identity
  } catch (error) {
    // Which of the two it is, the account itself knows; whose it is, nobody is told.
    if (duplicateOf(error)?.startsWith('identities_'))
      throw new AppError('conflict', 'This account is linked already, or you have another of this provider')
    throw error
  }
}

/** Unlinks an account, unless nobody could sign in then; only right after they signed in. */
export async function unlinkIdentity(ctx: LinkCtx, id: string): Promise<void> {
  requireFresh(ctx)
  const { db, actor } = ctx
  const isMine = and(eq(identities.id, id), ownedBy(actor, identities.userId))
  const left = sql`${waysIn(actor.userId)} > 1`
  const [found] = await db
    .select({ provider: identities.provider, email: identities.email, isLast: sql<boolean>`not ${left}` })
    .from(identities)
    .where(isMine)
  if (!found) throw new AppError('not_found', 'No such account is linked')
  if (found.isLast) throw lastWayIn()
  const told = await identityMail(ctx, await getMe(ctx), { id, ...found }, 'unlinked')
  const [, , gone] = await db.batch([
    renewStamp(db, sql`${ownerId(actor)}`),
    lockWaysIn(db, actor.userId),
    db.delete(identities).where(and(isMine, left)).returning({ id: identities.id }),
    ...told.statements,
  ])
  // Two at once took the last two: the mail of the second is a warning too many, not one too few.
  if (gone.length === 0) throw lastWayIn()
  kick(ctx, [told.job])
}

const lastWayIn = () =>
  new AppError('last_way_in', 'Without it you could not sign in: set a password first, or link another')
