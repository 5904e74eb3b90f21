import { sql } from 'drizzle-orm'
import { type AppError, type Ctx, describeError, type ErrorCode } from '#core'
import { recordDenial } from '#database'

// Of somebody known. What nobody known is refused stands in the log alone: a stranger cannot make the audit grow.
const DENIALS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'unauthorized',
  'session_ended',
  'invalid_credentials',
  'invalid_token',
  'token_replayed',
  'wrong_factor',
  'step_up_required',
  'forbidden',
  'account_disabled',
  'origin_refused',
  'not_found',
])

type DenialCtx = Pick<Ctx, 'actor' | 'client' | 'requestId' | 'operation' | 'callId' | 'config' | 'waitUntil' | 'log'>

/** Tells the audit, beside the answer, that somebody known was refused something. `target` is the id they named, if any. */
export function noteDenial(ctx: DenialCtx, error: AppError, target: string): void {
  const { actor, waitUntil, log } = ctx
  const person = error.subject ?? (actor.kind === 'person' ? actor.userId : undefined)
  if (!DENIALS.has(error.code) || (error.code === 'not_found' && target === '')) return
  // An unknown address costs the same trip as a known one; the function writes nothing for nobody.
  if (person === undefined && error.code !== 'invalid_credentials') return
  waitUntil(
    recordDenial(ctx, { person: person ?? '', target, reason: error.code }).catch((failure: unknown) =>
      log.error('audit.denial_lost', { code: error.code, ...describeError(failure) }),
    ),
  )
}

/** The id a path or an input names. */
export function namedIn(text: string): string {
  return /\b[a-z]{3,4}_[0-9a-hjkmnp-tv-z]{26}\b/.exec(text)?.[0] ?? ''
}

const MOST_AT_ONCE = 500

/** Writes the line of what was counted for an hour, where more than the first was refused. */
export async function tellDenials({ db }: Pick<Ctx, 'db'>): Promise<void> {
  await db.execute(sql`select tell_denials(${MOST_AT_ONCE}::int)`)
}
