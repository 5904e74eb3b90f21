import { findAppError } from '#core'

export const TIMEOUT_MS = 8000
const MAX_WAIT_S = 3600
const MAX_REASON = 300

/** What became of a push. `unknown`: it may have arrived, and nobody can say. `gone`: the device is no longer there. */
export type Outcome =
  | { kind: 'sent'; providerId: string | null }
  | { kind: 'gone' }
  | { kind: 'refused'; reason: string }
  | { kind: 'later'; reason: string; retryAfterS: number }
  | { kind: 'unknown'; reason: string }

/** What is said to a device: to show a notification, or to take it back. */
export type Push = {
  deliveryId: string
  payload: {
    type: 'show' | 'clear'
    id: string
    kind?: string
    title?: string
    body?: string
    priority?: string
    link?: object | null
    actions?: { id: string; label: string; method: string }[]
  }
  priority: 'low' | 'medium' | 'high' | 'urgent'
  ttlS: number
  /** 32 characters of base64url: a newer one of the same replaces it. */
  topic: string
}

/**
 * Reads what a service answered: what `read` does not know is tried later where the service says that it is its own
 * fault, and refused else. Without an answer nobody knows whether it was heard.
 */
export async function readAnswer(
  ask: () => Promise<Response>,
  read: (response: Response, text: string) => Outcome | undefined,
): Promise<Outcome> {
  try {
    const response = await ask()
    const text = (await response.text()).slice(0, MAX_REASON * 10)
    const known = read(response, text)
    if (known) return known
    const reason = `answered ${response.status}`
    if (response.status !== 429 && response.status < 500) return { kind: 'refused', reason }
    const asked = Number(response.headers.get('retry-after') ?? 0)
    return { kind: 'later', reason, retryAfterS: asked > 0 ? Math.min(MAX_WAIT_S, Math.ceil(asked)) : 0 }
  } catch (error) {
    const refused = findAppError(error)
    if (refused) return { kind: 'refused', reason: refused.message.slice(0, MAX_REASON) }
    return { kind: 'unknown', reason: error instanceof Error ? error.name : 'no answer' }
  }
}
