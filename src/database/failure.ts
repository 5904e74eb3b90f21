import { DrizzleQueryError } from 'drizzle-orm'
import { AppError, findAppError } from '#core'

const SESSION_ENDED = 'AU401'
const DISABLED = 'AU402'
const NO_ROLE = 'AU403'
const NOT_SIGNED = 'AU404'
const TAKEN_ANEW = 'AU405'
const TIMED_OUT = new Set(['57014', '25P03'])
// A value that no column or function takes, which a schema at the door should have refused.
const NO_SUCH_VALUE = new Set(['22003', '22007', '22008', '22009', '22021', '22023', '22P02', '22P05'])
const NOT_READY = new Set(['57P01', '57P03', '53300', '08001', '08004', '40001', '40P01'])

/** An error and what caused it, the outermost first. */
function chainOf(error: unknown): Error[] {
  const chain: Error[] = []
  for (let at = error; at instanceof Error && chain.length < 8; at = at.cause) chain.push(at)
  return chain
}

function codeOf(error: unknown): string | undefined {
  return chainOf(error)
    .map((at) => ('code' in at ? at.code : undefined))
    .find((code): code is string => typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code))
}

// Of a refused sign-in, whose it was.
function detailOf(error: unknown): string | undefined {
  return chainOf(error)
    .map((at) => ('detail' in at ? at.detail : undefined))
    .find((detail) => typeof detail === 'string')
}

/** What a database failure means to the caller; undefined where it is a bug. */
export function databaseFailure(error: unknown): AppError | undefined {
  const code = codeOf(error)
  if (code === SESSION_ENDED)
    return new AppError('session_ended', 'This session has ended; sign in again', { cause: error })
  if (code === DISABLED)
    return new AppError('account_disabled', 'This account is disabled', { cause: error, subject: detailOf(error) })
  if (code === NO_ROLE) return new AppError('forbidden', 'Your role does not allow this', { cause: error })
  if (code === NOT_SIGNED)
    return new AppError('signature_required', 'You demand that such requests are signed by one of your keys', {
      cause: error,
    })
  if (code === TAKEN_ANEW)
    return new AppError('invalid_credentials', 'How you sign in was changed meanwhile; sign in again', {
      cause: error,
      subject: detailOf(error),
    })
  if (code && TIMED_OUT.has(code)) return new AppError('timeout', 'The database took too long', { cause: error })
  if (code && NOT_READY.has(code))
    return new AppError('unavailable', 'The database is busy', { cause: error, retryAfterS: 2 })
  if (code && NO_SUCH_VALUE.has(code))
    return new AppError('invalid_request', 'A value cannot be stored or compared', { cause: error })
  return undefined
}

/** The same as may be told on: what the database says of a failed statement is the statement. */
export function tellableFailure(error: unknown): unknown {
  const known = findAppError(error) ?? databaseFailure(error)
  if (known) return known
  const isQuery = codeOf(error) !== undefined || chainOf(error).some((at) => at instanceof DrizzleQueryError)
  return isQuery ? new Error('This did not work', { cause: error }) : error
}

/** Whether Postgres refused a row because what it belongs to is not there (23503). */
export function isOrphan(error: unknown): boolean {
  return codeOf(error) === '23503'
}

/** The violated constraint's name when Postgres refused a duplicate (23505), else undefined. */
export function duplicateOf(error: unknown): string | undefined {
  return chainOf(error)
    .map((at) => ('code' in at && at.code === '23505' && 'constraint' in at ? at.constraint : undefined))
    .find((constraint) => typeof constraint === 'string')
}
