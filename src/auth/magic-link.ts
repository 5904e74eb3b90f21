import { sql } from 'drizzle-orm'
import { revokeAll, revokedKeys } from '#keys'
import { kick } from '#queue'
import { hashToken, heedGuesses } from '#security'
import { renewStamp, stampOf, userById } from '#users'
import { askCode, badCode, holderOf, isTheirs, TAKEN, takeCode } from './codes.ts'
import { isKnownDevice } from './mails.ts'
import { type Admission, admit, type SignInCtx } from './open.ts'
import { RECLAIMED, reclaim, reclaimedEvents } from './reclaim.ts'
import type { MagicLinkConfirm } from './schema.ts'
import { endAll, endedSessions, hurry } from './sessions.ts'
import { authCodes, credentials } from './tables.ts'

/** Mails a link that signs in, if the address is known: the answer does not say. */
export async function askLink(ctx: SignInCtx, { email }: { email: string }): Promise<void> {
  await heedGuesses(ctx, email)
  await askCode(ctx, 'link', email)
}

/**
 * Signs in whoever has the link, or says what must be shown besides. Where nobody had confirmed the address, what opened
 * the account before opens it no more, its password too.
 */
export async function confirmLink(ctx: SignInCtx, { token, deviceName }: MagicLinkConfirm): Promise<Admission> {
  const { db } = ctx
  const hash = await hashToken(token)
  const taken = takeCode(ctx, 'link', hash, isTheirs)
  const noPassword = db.$with('no_password', {}).as(sql`delete from ${credentials} where user_id = ${RECLAIMED}`)
  const voided = db.$with('voided', {}).as(sql`
    delete from ${authCodes} where user_id = ${RECLAIMED} and id not in (select id from taken)`)
  const confirmed = db
    .with(
      taken,
      ...reclaim(db, { ...TAKEN, at: ctx.now() }),
      ...endAll(db, { userId: RECLAIMED, now: ctx.now(), reason: 'reclaimed' }),
      ...revokeAll(db, RECLAIMED),
      noPassword,
      voided,
    )
    .select({
      userId: taken.userId,
      stamp: stampOf(TAKEN.userId),
      events: reclaimedEvents,
      ended: endedSessions,
      revoked: revokedKeys,
    })
    .from(taken)
  const renewed = renewStamp(db, holderOf(ctx, 'link', hash), { unconfirmed: true })
  const [, [code]] = await db.batch([renewed, confirmed])
  if (!code?.userId || code.stamp === null) throw badCode()
  const { userId, stamp } = code
  kick(ctx, code.events)
  hurry(ctx, userId, [...code.ended, ...code.revoked])
  const found = userById(db, userId).as('found')
  const [row] = await db.select({ me: found.me, isKnown: isKnownDevice(ctx, found.id) }).from(found)
  if (!row) throw badCode()
  return await admit(ctx, { userId, stamp, ...row }, { method: 'link', deviceName })
}
