import type { MailConfig } from '#config'
import { within } from '#core'
import type { Mail, Outcome } from './message.ts'

const TIMEOUT_MS = 8000
// Of its codes those that another try may not meet. Whatever else begins with E_ it will refuse again.
const LATER = new Set([
  'E_RATE_LIMIT_EXCEEDED',
  'E_DAILY_LIMIT_EXCEEDED',
  'E_SENDER_NOT_VERIFIED',
  'E_SENDER_DOMAIN_NOT_AVAILABLE',
])
const UNKNOWN = new Set(['E_INTERNAL_SERVER_ERROR', 'E_DELIVERY_FAILED'])

/** One mail by the binding `send_email`: it takes fields and writes the MIME itself, so that none of ours can be broken. */
export async function sendByCloudflare(
  binding: Pick<SendEmail, 'send'> | undefined,
  { from, fromName }: Pick<MailConfig, 'from' | 'fromName'>,
  { to, replyTo, subject, html, text, headers }: Mail,
): Promise<Outcome> {
  if (!binding) return { kind: 'later', reason: 'the binding EMAIL is missing' }
  // It refuses a header it does not know, except for our own.
  const own = Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith('X-')))
  const sender = { from: { email: from, name: fromName }, ...(replyTo && { replyTo }) }
  const message = { to, ...sender, subject, html, text, headers: own }
  try {
    const sent = await within(TIMEOUT_MS, binding.send(message))
    return { kind: 'sent', providerId: sent.messageId.slice(0, 200) }
  } catch (error) {
    const said = error instanceof Error && 'code' in error ? String(error.code) : ''
    const code = /^E_[A-Z_]{1,60}$/.test(said) ? said : 'without a code'
    if (code !== said || UNKNOWN.has(code)) return { kind: 'unknown', reason: `cloudflare ${code}` }
    return { kind: LATER.has(code) ? 'later' : 'refused', reason: `cloudflare ${code}` }
  }
}
