import type { TokensLeft } from '#ai'
import type { toProblem } from '#core'
import { placeOf } from './schema.ts'

type Problem = ReturnType<typeof toProblem>
export type Protocol = 'openai' | 'anthropic'

/** The protocol spoken at this path; undefined where it is our own. */
export function protocolOf(path: string): Protocol | undefined {
  const [, name] = /^\/compat\/(openai|anthropic)(?:\/|$)/.exec(path) ?? []
  return name === 'openai' || name === 'anthropic' ? name : undefined
}

type Kind = { status?: number; openai: string; code: string | null; anthropic: string }

const invalid = (code: string | null = null): Kind => ({
  openai: 'invalid_request_error',
  code,
  anthropic: 'invalid_request_error',
})
const failed = (code: string | null = null): Kind => ({ openai: 'server_error', code, anthropic: 'api_error' })
const BY_STATUS: Record<number, Kind> = {
  401: { ...invalid('invalid_api_key'), anthropic: 'authentication_error' },
  402: { ...invalid(), openai: 'insufficient_quota', code: 'insufficient_quota', anthropic: 'billing_error' },
  403: { ...invalid(), openai: 'permission_error', anthropic: 'permission_error' },
  404: { ...invalid(), anthropic: 'not_found_error' },
  413: { ...invalid(), anthropic: 'request_too_large' },
  429: { openai: 'requests', code: 'rate_limit_exceeded', anthropic: 'rate_limit_error' },
  504: { ...failed('timeout'), anthropic: 'timeout_error' },
}
const BY_CODE: Record<string, Kind> = {
  budget_exhausted: { openai: 'insufficient_quota', code: 'insufficient_quota', anthropic: 'rate_limit_error' },
  model_overloaded: { ...failed('overloaded'), anthropic: 'overloaded_error' },
}
const OVERLOADED = 529

function kindOf({ code, status }: Problem): Kind {
  return BY_CODE[code] ?? BY_STATUS[status] ?? (status < 500 ? invalid() : failed())
}

/** An error as a protocol says it, in an answer and in the middle of a stream. */
export function errorIn(protocol: Protocol, problem: Problem, path: string): object {
  const kind = kindOf(problem)
  if (protocol === 'anthropic')
    return { type: 'error', error: { type: kind.anthropic, message: problem.detail }, request_id: problem.instance }
  const isModel =
    problem.code === 'not_found' &&
    /\/(?:models\/.+|chat\/completions|responses|embeddings|audio\/transcriptions)$/.test(path)
  const code = isModel ? 'model_not_found' : (kind.code ?? problem.code)
  const [first] = problem.errors ?? []
  return { error: { message: problem.detail, type: kind.openai, param: first ? placeOf(first.pointer) : null, code } }
}

/** What a refusal is at a path that speaks another protocol than ours; undefined where it does not. */
export function refusalIn(path: string, problem: Problem, retryAfterS: number | undefined) {
  const protocol = protocolOf(path)
  if (!protocol) return undefined
  const isOverloaded = protocol === 'anthropic' && problem.code === 'model_overloaded'
  // Clients try a 429 and a 5xx again by themselves: not what stays as it is.
  const isSpent = kindOf(problem).openai === 'insufficient_quota'
  const isLasting = isSpent || (problem.code === 'unavailable' && retryAfterS === undefined)
  return {
    status: isOverloaded ? OVERLOADED : problem.status,
    body: errorIn(protocol, problem, path),
    headers: { 'Content-Type': 'application/json', ...(isLasting && { 'X-Should-Retry': 'false' }) },
  }
}

/** What is left of the budget, in tokens of the model that was asked, as a protocol says it. */
export function tokenHeadersIn(protocol: Protocol, tokens: TokensLeft | undefined, now: Date): Record<string, string> {
  if (!tokens) return {}
  const { any, input, output, resetAtMs } = tokens
  if (protocol === 'openai')
    return {
      'x-ratelimit-limit-tokens': String(any.limit),
      'x-ratelimit-remaining-tokens': String(any.remaining),
      'x-ratelimit-reset-tokens': `${Math.max(0, Math.ceil((resetAtMs - now.getTime()) / 1000))}s`,
    }
  const kinds = { tokens: any, 'input-tokens': input, 'output-tokens': output }
  return Object.fromEntries(
    Object.entries(kinds).flatMap(([kind, { limit, remaining }]) => [
      [`anthropic-ratelimit-${kind}-limit`, String(limit)],
      [`anthropic-ratelimit-${kind}-remaining`, String(remaining)],
      [`anthropic-ratelimit-${kind}-reset`, second(new Date(resetAtMs))],
    ]),
  )
}

const second = (at: Date) => at.toISOString().replace(/\.\d+Z$/, 'Z')

const PARTS = ['limit', 'remaining', 'reset']
const EXPOSED: Record<Protocol, string[]> = {
  openai: ['requests', 'tokens'].flatMap((kind) => PARTS.map((part) => `x-ratelimit-${part}-${kind}`)),
  anthropic: ['requests', 'tokens', 'input-tokens', 'output-tokens'].flatMap((kind) =>
    PARTS.map((part) => `anthropic-ratelimit-${kind}-${part}`),
  ),
}

/** What a page of another origin may read of these: the client in it goes by them. */
export function exposedIn(path: string): string[] {
  const protocol = protocolOf(path)
  return protocol ? EXPOSED[protocol] : []
}

/** Names the request and what is left of the limit as the protocol at this path does. */
export function setHeadersIn(path: string, headers: Headers, requestId: string, now: Date): void {
  const protocol = protocolOf(path)
  if (!protocol) return
  const [limit, remaining, reset] = ['limit', 'remaining', 'reset'].map((name) => headers.get(`x-ratelimit-${name}`))
  if (protocol === 'anthropic') headers.set('request-id', requestId)
  if (!limit || !remaining || !reset) return
  if (protocol === 'openai') {
    headers.set('x-ratelimit-limit-requests', limit)
    headers.set('x-ratelimit-remaining-requests', remaining)
    headers.set('x-ratelimit-reset-requests', `${reset}s`)
    return
  }
  const at = new Date(now.getTime() + Number(reset) * 1000)
  headers.set('anthropic-ratelimit-requests-limit', limit)
  headers.set('anthropic-ratelimit-requests-remaining', remaining)
  headers.set('anthropic-ratelimit-requests-reset', second(at))
}
