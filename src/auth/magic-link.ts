import { sql } from 'drizzle-orm'
import { kick } from '#queue'
import { hashToken, heedGuesses } from '#security'
import { reachAddress, userById } from '#users'
import { askCode, badCode, TAKEN, takeCode } from './codes.ts'
import { isKnownDevice } from './mails.ts'
import { type Admission, admit, type SignInCtx } from './open.ts'
import type { MagicLinkConfirm } from './schema.ts'

/** Mails a link that signs in, if the address is known: the answer does not say. */
export async function askLink(ctx: SignInCtx, { email }: { email: string }): Promise<void> {
  await heedGuesses(ctx, email)
  await askCode(ctx, 'link', email)
}

/** Signs in whoever has the link, or says what must be shown besides. */
export async function confirmLink(ctx: SignInCtx, { token, deviceName }: MagicLinkConfirm): Promise<Admission> {
  const { db } = ctx
  const taken = takeCode(ctx, 'link', await hashToken(token))
  const reached = reachAddress(db, { ...TAKEN, at: ctx.now() })
  const [code] = await db
    .with(taken, ...reached)
    .select({ userId: taken.userId, eventId: sql<string | null>`(select id from told_reached)` })
    .from(taken)
  if (!code?.userId) throw badCode()
  kick(ctx, [code.eventId])
  const found = userById(db, code.userId).as('found')
  const [row] = await db.select({ me: found.me, isKnown: isKnownDevice(ctx, found.id) }).from(found)
  if (!row) throw badCode()
  return await admit(ctx, { userId: code.userId, ...row }, { method: 'link', deviceName })
}
