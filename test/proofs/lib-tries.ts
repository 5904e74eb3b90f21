import type { Request } from '../matrix-requests.ts'
import type { Person } from '../world.ts'

/** Whoever calls, and what they ask for. */
export type Try = { owner: Person; request: Request }

export const withHeaders = ({ owner, request }: Try, headers: Record<string, string>): Try => ({
  owner,
  request: { ...request, options: { ...request.options, headers: { ...request.options.headers, ...headers } } },
})
export const withBody = ({ owner, request }: Try, body: unknown): Try => ({
  owner,
  request: { ...request, options: { ...request.options, body } },
})
export const withRaw = ({ owner, request }: Try, raw: string, headers: Record<string, string>): Try => ({
  owner,
  request: { ...request, options: { raw, headers: { ...request.options.headers, ...headers } } },
})
export const withPath = ({ owner, request }: Try, path: string): Try => ({ owner, request: { ...request, path } })
