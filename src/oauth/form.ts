import type { z } from 'zod'
import { OauthError } from './error.ts'

/** The parameters of a query or a form: each once (RFC 6749, 3.1), and an empty one is none. */
export function readParameters(given: URLSearchParams): Record<string, string> {
  const read = new Map<string, string>()
  for (const [name, value] of given) {
    if (read.has(name)) throw new OauthError('invalid_request', `${name.slice(0, 50)} is given twice`)
    read.set(name, value)
  }
  return Object.fromEntries([...read].filter(([, value]) => value !== ''))
}

/** What they are by this schema; else what is wrong with the first that is not. */
export function readAs<T extends z.ZodType>(schema: T, given: Record<string, unknown>): z.output<T> {
  const parsed = schema.safeParse(given)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const name = String(issue?.path[0] ?? 'the request')
  const what = given[name] === undefined ? 'is missing' : (issue?.message ?? 'is not valid')
  throw new OauthError('invalid_request', `${name} ${what}`)
}
