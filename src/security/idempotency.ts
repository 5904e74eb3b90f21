import { and, eq, isNull, lt, sql } from 'drizzle-orm'
import { AppError, type Ctx, derivedIds, type PersonActor } from '#core'
import { ownerId } from '#database'
import { idempotencyKeys } from './tables.ts'

const LEASE_S = 30
const KEPT_H = 24

/** Who asked for what: a key means nothing outside its principal and route. */
export type IdempotentRequest = { principal: string; route: string; key: string; fingerprint: string }
export type StoredAnswer = { status: number; headers: Record<string, string>; body: string }
export type Claim = { kind: 'replay'; answer: StoredAnswer } | { kind: 'run'; newId: Ctx['newId'] }

type IdempotencyCtx = Pick<Ctx, 'db' | 'requestId'>

/**
 * Takes the key for this request, or says what was answered before; fails for a session that has ended. One trip.
 * A holder that died is taken over when its lease ends; the ids of the second run are those of the first.
 */
export async function claimKey(
  ctx: IdempotencyCtx & { actor: PersonActor },
  request: IdempotentRequest,
): Promise<Claim> {
  const keys = idempotencyKeys
  const free = sql`${keys.status} is null and ${keys.lockedUntil} < now() and ${keys.fingerprint} = excluded.fingerprint`
  const [row] = await ctx.db
    .insert(keys)
    .values({
      ...request,
      principal: ownerId(ctx.actor),
      holder: ctx.requestId,
      lockedUntil: sql`now() + interval '30 seconds'`,
    })
    .onConflictDoUpdate({
      target: [keys.principal, keys.route, keys.key],
      set: {
        holder: sql`case when ${free} then excluded.holder else ${keys.holder} end`,
        lockedUntil: sql`case when ${free} then excluded.locked_until else ${keys.lockedUntil} end`,
      },
    })
    .returning()
  if (!row) throw new Error('an upsert returned no row')
  if (row.fingerprint !== request.fingerprint)
    throw new AppError('idempotency_mismatch', 'This Idempotency-Key was used with another request')
  if (row.status !== null)
    return { kind: 'replay', answer: { status: row.status, headers: row.headers ?? {}, body: row.body ?? '' } }
  if (row.holder !== ctx.requestId) {
    throw new AppError('idempotency_in_progress', 'The first request with this key is still running', {
      retryAfterS: LEASE_S,
    })
  }
  const seed = `${request.principal}|${request.route}|${request.key}`
  return { kind: 'run', newId: derivedIds(seed, row.seededAt) }
}

const held = (ctx: IdempotencyCtx, request: IdempotentRequest) =>
  and(
    eq(idempotencyKeys.principal, request.principal),
    eq(idempotencyKeys.route, request.route),
    eq(idempotencyKeys.key, request.key),
    eq(idempotencyKeys.holder, ctx.requestId),
    isNull(idempotencyKeys.status),
  )

/** Keeps the answer that every repeat will be given. */
export async function keepAnswer(ctx: IdempotencyCtx, request: IdempotentRequest, answer: StoredAnswer): Promise<void> {
  await ctx.db.update(idempotencyKeys).set(answer).where(held(ctx, request))
}

/** Gives the key back with nothing kept: the same request may run again, with the same ids. */
export async function releaseKey(ctx: IdempotencyCtx, request: IdempotentRequest): Promise<void> {
  await ctx.db.update(idempotencyKeys).set({ lockedUntil: sql`now() - interval '1 second'` }).where(held(ctx, request))
}

/** Forgets keys older than a day. */
export async function pruneKeys(ctx: Pick<Ctx, 'db'>): Promise<void> {
  await ctx.db.delete(idempotencyKeys).where(lt(idempotencyKeys.seededAt, sql`now() - interval '1 hour' * ${KEPT_H}`))
}
