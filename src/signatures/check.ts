import { and, eq, sql } from 'drizzle-orm'
import { isHighSecurity, requireSession } from '#auth'
import { AppError, type PersonActor, type UserCtx } from '#core'
import { ownedBy } from '#database'
import { claimsSignature, isSignedBy, readSignature, SIGNATURE_MAX_AGE_S } from '#security'
import { signatureNonces, signingKeys } from './tables.ts'

// Its clock may be behind ours; a nonce that is kept too long costs a row.
const KEPT_LONGER_S = 60

type CheckCtx = Pick<UserCtx, 'actor' | 'db' | 'config' | 'now'>
type Asked = Pick<Request, 'method' | 'url' | 'headers'>

const invalid = (reason: string) => new AppError('invalid_signature', `The signature is not accepted: ${reason}`)

/**
 * Who acts, once what they signed is known to be theirs. One trip where the request is signed, else none: on a
 * high-security route the statements of an unsigned one fail where its person demands signatures.
 */
export async function asSigned(ctx: CheckCtx, route: string, request: Asked, body: string): Promise<PersonActor> {
  const { actor, config } = ctx
  if (!claimsSignature(request.headers)) return isHighSecurity(route) ? { ...actor, isUnsigned: true } : actor
  // Where a client meant to go: a proxy may have made another of scheme and host.
  const { pathname, search } = new URL(request.url)
  const target = new URL(`${new URL(config.publicUrl).origin}${pathname}${search}`)
  const reading = readSignature({ method: request.method, target, headers: request.headers, body }, ctx.now())
  if (!reading.ok) {
    await requireSession(ctx)
    throw invalid(reading.reason)
  }
  const { claimed } = reading
  const found = await takeNonce(ctx, claimed)
  if (!found || !(await isSignedBy({ algorithm: found.algorithm, raw: found.raw }, claimed)))
    throw invalid(`it is not one of a key of yours over ${target.href}`)
  if (!found.isFirst) throw invalid('its nonce was used before')
  return actor
}

/** The key, and whether this nonce came first; the session is asked for too. One statement. */
async function takeNonce(
  { actor, db }: CheckCtx,
  { keyId, nonce, createdS }: { keyId: string; nonce: string; createdS: number },
) {
  const keptUntil = new Date((createdS + SIGNATURE_MAX_AGE_S + KEPT_LONGER_S) * 1000).toISOString()
  const { id, algorithm, publicKey, userId } = signingKeys
  const owned = db.$with('owned').as(
    db
      .select({ id, algorithm, publicKey })
      .from(signingKeys)
      .where(and(eq(id, keyId), ownedBy(actor, userId))),
  )
  const row = {
    keyId: owned.id,
    nonce: sql<string>`${nonce}::text`.as('nonce'),
    keptUntil: sql<Date>`${keptUntil}::timestamptz`.as('kept_until'),
  }
  const taken = db
    .$with('taken')
    .as(
      db
        .insert(signatureNonces)
        .select(db.select(row).from(owned))
        .onConflictDoNothing()
        .returning({ keyId: signatureNonces.keyId }),
    )
  const [found] = await db
    .with(owned, taken)
    .select({
      algorithm: owned.algorithm,
      raw: owned.publicKey,
      isFirst: sql<boolean>`exists (select 1 from ${taken})`,
    })
    .from(owned)
  return found
}
