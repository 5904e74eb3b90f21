import { and, desc, eq, gt, sql } from 'drizzle-orm'
import { AppError, randomToken, requireFresh, type UserCtx } from '#core'
import { type ColumnsOf, duplicateOf, iso, jsonObject, ownedBy, ownerId } from '#database'
import { kick } from '#queue'
import { hashToken } from '#security'
import { getMe, renewStamp } from '#users'
import type { NewPasskey, Passkey, PasskeyCreation, PasskeyPatch, PasskeyRequest } from './factors-schema.ts'
import { factorMail } from './mails.ts'
import { type SignInCtx, sessionOf } from './open.ts'
import { wrongFactor } from './prove.ts'
import { passkeyChallenges, passkeys } from './tables.ts'
import { lockWaysIn, waysIn } from './ways-in.ts'
import { ALGORITHMS, challengeOf, verifyAttestation } from './webauthn.ts'

const CEREMONY_MS = 300_000
const MOST = 20
const p = passkeys

type ReadCtx = Pick<UserCtx, 'actor' | 'db'>
type WriteCtx = Omit<SignInCtx, 'actor'> & Pick<UserCtx, 'actor'>

const missing = () => new AppError('not_found', 'There is no such passkey')
const mine = ({ actor }: Pick<UserCtx, 'actor'>, id: string) => and(eq(p.id, id), ownedBy(actor, p.userId))

const shown = (k: ColumnsOf<typeof passkeys>) =>
  jsonObject<Passkey>({
    id: k.id,
    name: k.name,
    backupEligible: k.backupEligible,
    backedUp: k.backedUp,
    createdAt: iso(k.createdAt),
    lastUsedAt: iso(k.lastUsedAt),
  })

/** What an authenticator needs to make a passkey, for five minutes, for this session. */
export async function offerPasskey(ctx: WriteCtx): Promise<PasskeyCreation> {
  requireFresh(ctx)
  const { db, actor, config } = ctx
  const { rpId } = config.passkeys
  const challenge = randomToken()
  const values = {
    hash: await hashToken(challenge),
    userId: ownerId(actor),
    sessionId: sessionOf(actor),
    // One handle for all of a person's passkeys: an authenticator has one of them, not one more each time.
    handle: sql`coalesce((select k.handle from ${p} k where k.user_id = ${actor.userId} limit 1), ${randomToken()}::text)`,
    expiresAt: new Date(ctx.now().getTime() + CEREMONY_MS),
  }
  const [me, [row]] = await Promise.all([
    getMe(ctx),
    db
      .insert(passkeyChallenges)
      .values(values)
      .returning({
        handle: passkeyChallenges.handle,
        known: sql<PasskeyCreation['excludeCredentials']>`(select coalesce(json_agg(json_build_object(
          'type', 'public-key', 'id', k.credential_id, 'transports', k.transports)), '[]'::json)
          from ${p} k where k.user_id = ${actor.userId})`,
      }),
  ])
  if (!row?.handle) throw new Error('an insert returned no row')
  return {
    challenge,
    rp: { id: rpId, name: 'Aurelius' },
    user: { id: row.handle, name: me.email, displayName: me.displayName },
    pubKeyCredParams: ALGORITHMS.map((alg) => ({ type: 'public-key', alg })),
    timeout: CEREMONY_MS,
    excludeCredentials: row.known.slice(0, MOST),
    authenticatorSelection: { residentKey: 'required', requireResidentKey: true, userVerification: 'required' },
    attestation: 'none',
    extensions: { credProps: true },
  }
}

/** Keeps a passkey an authenticator made for a challenge of this session. At most twenty. */
export async function addPasskey(ctx: WriteCtx, { response, name }: NewPasskey): Promise<Passkey> {
  requireFresh(ctx)
  const { db, actor } = ctx
  const challenge = challengeOf(response)
  const c = passkeyChallenges
  const [me, [taken]] = await Promise.all([
    getMe(ctx),
    db
      .delete(c)
      .where(
        and(
          eq(c.hash, await hashToken(challenge)),
          ownedBy(actor, c.userId),
          eq(c.sessionId, sessionOf(actor)),
          gt(c.expiresAt, ctx.now()),
        ),
      )
      .returning({
        handle: c.handle,
        count: sql<number>`(select count(*)::int from ${p} k where k.user_id = ${actor.userId})`,
      }),
  ])
  if (!taken?.handle) throw wrongFactor(actor.userId)
  if (taken.count >= MOST) throw new AppError('conflict', `There are ${MOST} passkeys already; remove one first`)
  const verified = await verifyAttestation(ctx, response, challenge)
  if (!verified.ok) throw wrongFactor(actor.userId, verified.cause)
  const id = ctx.newId('psk')
  const { transports } = response.response
  const row = {
    ...verified.value,
    id,
    userId: ownerId(actor),
    handle: taken.handle,
    transports,
    name,
    createdAt: ctx.now(),
  }
  const mail = await factorMail(ctx, me, 'A passkey was added', `passkey-added:${id}`)
  try {
    const [[made]] = await db.batch([
      db
        .insert(p)
        .values(row)
        .returning({ passkey: shown(p) }),
      ...mail.statements,
    ])
    if (!made) throw new Error('an insert returned no row')
    kick(ctx, [mail.job])
    return made.passkey
  } catch (error) {
    if (duplicateOf(error) === 'passkeys_credential') throw new AppError('conflict', 'This passkey is known already')
    throw error
  }
}

/** The person's passkeys, newest first. One trip. */
export async function listPasskeys({ db, actor }: ReadCtx): Promise<Passkey[]> {
  const rows = await db
    .select({ passkey: shown(p) })
    .from(p)
    .where(ownedBy(actor, p.userId))
    .orderBy(desc(p.id))
    .limit(MOST)
  return rows.map(({ passkey }) => passkey)
}

export async function renamePasskey(ctx: ReadCtx, id: string, { name }: PasskeyPatch): Promise<Passkey> {
  const [row] = await ctx.db
    .update(p)
    .set({ name })
    .where(mine(ctx, id))
    .returning({ passkey: shown(p) })
  if (!row) throw missing()
  return row.passkey
}

/** `conflict` for the last way in: whoever could not sign in again would not know before they are out. */
export async function removePasskey(ctx: WriteCtx, id: string): Promise<void> {
  const { db, actor } = ctx
  const last = () => new AppError('conflict', 'This is the last way to sign in; add another one first')
  const [me, [row]] = await Promise.all([
    getMe(ctx),
    db
      .select({ name: p.name, ways: waysIn(actor.userId) })
      .from(p)
      .where(mine(ctx, id)),
  ])
  if (!row) throw missing()
  requireFresh(ctx)
  if (Number(row.ways) < 2) throw last()
  const mail = await factorMail(ctx, me, `The passkey "${row.name}" was removed`, `passkey-removed:${id}`)
  const [, , gone] = await db.batch([
    renewStamp(db, sql`${ownerId(actor)}`),
    lockWaysIn(db, actor.userId),
    db
      .delete(p)
      .where(and(mine(ctx, id), sql`${waysIn(actor.userId)} > 1`))
      .returning({ id: p.id }),
    ...mail.statements,
  ])
  if (gone.length === 0) throw last()
  kick(ctx, [mail.job])
}

/** What any authenticator may sign to sign somebody in, once, within five minutes. */
export async function offerSignIn(ctx: Pick<SignInCtx, 'db' | 'config' | 'now'>): Promise<PasskeyRequest> {
  const challenge = randomToken()
  await ctx.db
    .insert(passkeyChallenges)
    .values({ hash: await hashToken(challenge), expiresAt: new Date(ctx.now().getTime() + CEREMONY_MS) })
  return { challenge, rpId: ctx.config.passkeys.rpId, timeout: CEREMONY_MS, userVerification: 'required' }
}
