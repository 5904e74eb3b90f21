import { withTimeout } from '#core'
import type { Outcome } from './message.ts'

const TIMEOUT_MS = 8000

/** What was answered, or that nobody knows: a request that broke off may have been heard. */
export async function post(
  url: string,
  headers: Record<string, string>,
  body: object,
  read: (response: Response, text: string) => Outcome,
): Promise<Outcome> {
  try {
    return await withTimeout(TIMEOUT_MS, async (signal) => {
      const init = { method: 'POST', redirect: 'manual' as const, signal, body: JSON.stringify(body) }
      const response = await fetch(url, { ...init, headers: { 'content-type': 'application/json', ...headers } })
      return read(response, await response.text())
    })
  } catch (error) {
    return { kind: 'unknown', reason: error instanceof Error ? error.name : 'no answer' }
  }
}
