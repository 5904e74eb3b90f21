import { AppError } from '#core'

/** Why a provider did not answer. `late_*` are the gateway's own deadlines, one for each phase of a call. */
export type FailureReason =
  | 'unreachable'
  | 'late_connect'
  | 'late_first'
  | 'late_idle'
  | 'late_total'
  | 'rate_limited'
  | 'overloaded'
  | 'server_error'
  | 'garbage'
  | 'cut'
  | 'rejected'
  | 'unauthorized'

/** A provider that failed, typed: the gateway chooses by `reason` whether to try again, elsewhere or not at all. */
export class ModelFailure extends Error {
  readonly reason: FailureReason
  /** What the provider asked us to wait, in seconds. */
  readonly retryAfterS: number | undefined
  constructor(reason: FailureReason, message: string, options: { cause?: unknown; retryAfterS?: number } = {}) {
    super(message, { cause: options.cause })
    this.name = 'ModelFailure'
    this.reason = reason
    this.retryAfterS = options.retryAfterS
  }
}

const BUSY_S = 10

/** As the caller hears of it. */
export function asAppError(failure: ModelFailure): AppError {
  const options = { cause: failure }
  switch (failure.reason) {
    case 'rate_limited':
    case 'overloaded':
      return new AppError('model_overloaded', 'The model is overloaded; try again in a moment', {
        ...options,
        retryAfterS: failure.retryAfterS ?? BUSY_S,
      })
    case 'late_connect':
    case 'late_first':
    case 'late_idle':
    case 'late_total':
      return new AppError('timeout', 'The model took too long', options)
    case 'unreachable':
      return new AppError('model_failed', 'The model cannot be reached', options)
    case 'cut':
      return new AppError('model_failed', 'The model stopped in the middle of its answer', options)
    case 'rejected':
      return new AppError('model_failed', 'The model refused the request', options)
    case 'unauthorized':
    case 'garbage':
    case 'server_error':
      return new AppError('model_failed', 'The model did not answer', options)
  }
}

const OVERLOADED = 529

/** What an answer with an error status means; `said` is the provider's own word for it, never a person's text. */
export function statusFailure(status: number, headers: Headers | undefined, said = '', cause?: unknown): ModelFailure {
  const retryAfterS = headers && secondsToWait(headers)
  const options = { cause, ...(retryAfterS !== undefined && { retryAfterS }) }
  return new ModelFailure(reasonOf(status), `answered ${status} ${said}`.trim(), options)
}

function reasonOf(status: number): FailureReason {
  if (status === 429) return 'rate_limited'
  if (status === OVERLOADED || status === 503) return 'overloaded'
  if (status === 401 || status === 403) return 'unauthorized'
  if (status >= 500 || status === 408) return 'server_error'
  return 'rejected'
}

/** `Retry-After` is seconds or a date; a date is read against the provider's own clock. */
function secondsToWait(headers: Headers): number | undefined {
  const ms = Number(headers.get('retry-after-ms') ?? 'none')
  if (ms > 0) return ms / 1000
  const after = headers.get('retry-after') ?? 'none'
  const seconds = Number(after)
  if (seconds > 0) return seconds
  const until = (Date.parse(after) - Date.parse(headers.get('date') ?? 'none')) / 1000
  return until > 0 ? until : undefined
}
