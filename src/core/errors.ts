/** Every error a caller may meet: its HTTP status and its RFC 9457 title. */
export const ERRORS = {
  invalid_request: [400, 'The request is not valid'],
  invalid_cursor: [400, 'The cursor does not belong to this list'],
  weak_password: [400, 'The password is too easy to guess'],
  unauthorized: [401, 'Sign in to do this'],
  session_ended: [401, 'This session has ended'],
  invalid_credentials: [401, 'The address or the password is wrong'],
  invalid_token: [401, 'The token is not valid'],
  account_disabled: [401, 'This account is disabled'],
  token_replayed: [401, 'The refresh token was already used'],
  step_up_required: [401, 'This needs a fresh sign-in'],
  wrong_factor: [401, 'The code or the passkey is not right'],
  signature_required: [401, 'This needs a signed request'],
  invalid_signature: [401, 'The signature of the request is not valid'],
  forbidden: [403, 'This is not allowed'],
  identity_unknown: [403, 'This account is linked to nobody'],
  origin_refused: [403, 'This origin is not allowed'],
  not_found: [404, 'There is no such thing'],
  provider_off: [404, 'This way of signing in is not set up here'],
  method_not_allowed: [405, 'This method is not offered here'],
  conflict: [409, 'The request conflicts with what is there'],
  email_taken: [409, 'This address is already registered'],
  last_way_in: [409, 'There would be no way left to sign in'],
  idempotency_in_progress: [409, 'The first request with this key is still running'],
  turn_running: [409, 'A turn is already running in this conversation'],
  nothing_to_undo: [409, 'There is nothing to undo'],
  gone: [410, 'This is no longer available'],
  version_stale: [412, 'The object has changed since it was read'],
  too_large: [413, 'The body is too large'],
  unsupported_media_type: [415, 'The body must be application/json in UTF-8'],
  idempotency_mismatch: [422, 'The key was used with another request'],
  declined: [422, 'The person declined'],
  upgrade_required: [426, 'Open this address as a WebSocket'],
  version_required: [428, 'Send If-Match with the version you read'],
  rate_limited: [429, 'Too many requests'],
  budget_exhausted: [429, 'The budget for AI is used up'],
  model_failed: [502, 'The model did not answer'],
  unavailable: [503, 'A part the answer needs is not available'],
  model_overloaded: [503, 'The model is overloaded'],
  timeout: [504, 'The answer took too long'],
} as const satisfies Record<string, readonly [number, string]>

export type ErrorCode = keyof typeof ERRORS

/** `pointer` is a JSON Pointer into the body, or `query/name`, `path/name`, `header/name`. */
export type FieldError = { pointer: string; detail: string }

/** `subject`: the person a refused sign-in was for; told to the audit, never to the caller. */
type Options = { cause?: unknown; errors?: FieldError[]; retryAfterS?: number; subject?: string | undefined }

/** What the caller did or may cause. Anything else that is thrown is a bug and says nothing outside. */
export class AppError extends Error {
  readonly code: ErrorCode
  readonly errors: FieldError[] | undefined
  readonly retryAfterS: number | undefined
  readonly subject: string | undefined
  constructor(code: ErrorCode, message: string, options: Options = {}) {
    super(message, { cause: options.cause })
    this.name = 'AppError'
    this.code = code
    this.errors = options.errors
    this.retryAfterS = options.retryAfterS
    this.subject = options.subject
  }
}

/** Libraries wrap what we throw; the first AppError down the chain of causes is what was meant. */
export function findAppError(error: unknown): AppError | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth++) {
    if (at instanceof AppError) return at
  }
  return undefined
}

/** RFC 9457. `instance` is the request id; `code` is stable, `detail` is for a person. */
export type Problem = {
  type: string
  title: string
  status: number
  detail: string
  instance: string
  code: ErrorCode | 'internal'
  errors?: FieldError[]
}

const PROBLEM_BASE = 'https://aurelius.dev/problems/'

/** Unknown errors tell the request id and nothing else. */
export function toProblem(error: unknown, requestId: string): Problem {
  const known = findAppError(error)
  if (!known) {
    const title = 'Something went wrong on our side'
    return { type: `${PROBLEM_BASE}internal`, title, status: 500, detail: title, instance: requestId, code: 'internal' }
  }
  const [status, title] = ERRORS[known.code]
  return {
    type: PROBLEM_BASE + known.code,
    title,
    status,
    detail: known.message,
    instance: requestId,
    code: known.code,
    ...(known.errors && { errors: known.errors }),
  }
}
