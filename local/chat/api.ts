import { randomUUID } from 'node:crypto'

type Fields = Record<string, unknown>
export type Tokens = { accessToken: string; refreshToken: string; expiresIn: number }

/** What the server said no to; `code` is the API's. */
export class ApiError extends Error {
  readonly status: number
  readonly code: string
  constructor(status: number, code: string, message: string) {
    super(message)
    this.name = 'ApiError'
    this.status = status
    this.code = code
  }
}

export type CallOptions = { body?: object; headers?: Record<string, string>; signal?: AbortSignal }

export type Api = {
  url: string
  /** The answer as it comes; one that is no success is thrown as an ApiError. */
  send(method: string, path: string, options?: CallOptions): Promise<Response>
  /** The answer's JSON. */
  call<T>(method: string, path: string, options?: CallOptions): Promise<T>
}

const RENEW_BEFORE_MS = 30_000

/** One request without a person; an unreachable server is an error that says what to do. */
export async function request(url: string, method: string, path: string, options: CallOptions = {}): Promise<Response> {
  const { body, headers, signal } = options
  const init = {
    method,
    headers: { ...(body && { 'content-type': 'application/json' }), ...headers },
    ...(body && { body: JSON.stringify(body) }),
    ...(signal && { signal }),
  }
  const answer = await fetch(new URL(path, url), init).catch((cause) => {
    if (signal?.aborted) throw cause
    throw new ApiError(0, 'unreachable', `There is no Aurelius at ${url}. Start one with: npm start`)
  })
  if (answer.ok) return answer
  const problem = await answer.json<Fields>().catch((): Fields => ({}))
  const detail = problem['detail'] ?? `${method} ${path} was answered with ${answer.status}`
  throw new ApiError(answer.status, String(problem['code'] ?? 'unknown'), String(detail))
}

/**
 * The public API for one person. Access tokens are renewed in time, by one request at a time; `keep` is told each pair,
 * and `signInAgain` gives another when the session has ended.
 */
export function createApi(
  url: string,
  first: Tokens,
  keep: (tokens: Tokens) => void,
  signInAgain: () => Promise<Tokens>,
): Api {
  let tokens = first
  let expiresMs = Date.now() + first.expiresIn * 1000
  let renewing: Promise<void> | undefined

  async function renew(): Promise<void> {
    tokens = await refresh(url, tokens.refreshToken).catch((error) => {
      if (error instanceof ApiError && error.status === 401) return signInAgain()
      throw error
    })
    expiresMs = Date.now() + tokens.expiresIn * 1000
    keep(tokens)
  }
  const renewOnce = () => {
    renewing ??= renew().finally(() => {
      renewing = undefined
    })
    return renewing
  }

  const api: Api = {
    url,
    async send(method, path, options = {}) {
      // A POST that is repeated after a renewal, or by a person who saw no answer, must not act twice.
      const key: Record<string, string> = method === 'POST' ? { 'idempotency-key': randomUUID() } : {}
      const once = () => {
        const headers = { authorization: `Bearer ${tokens.accessToken}`, ...key, ...options.headers }
        return request(url, method, path, { ...options, headers })
      }
      if (Date.now() > expiresMs - RENEW_BEFORE_MS) await renewOnce()
      return await once().catch(async (error) => {
        if (!(error instanceof ApiError) || error.status !== 401) throw error
        await renewOnce()
        return await once()
      })
    },
    async call(method, path, options) {
      return (await api.send(method, path, options)).json()
    },
  }
  return api
}

export async function refresh(url: string, refreshToken: string): Promise<Tokens> {
  const answer = await request(url, 'POST', '/v1/auth/refresh', { body: { refreshToken } })
  return await answer.json()
}
