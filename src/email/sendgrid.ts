import { z } from 'zod'
import type { MailConfig } from '#config'
import { post } from './http.ts'
import type { Mail, Outcome } from './message.ts'

type SendGrid = Extract<MailConfig, { provider: 'sendgrid' }>

const MAX_WAIT_S = 600
const Errors = z.object({ errors: z.array(z.object({ field: z.string().max(200).nullish() })).max(100) })

/** One mail by SendGrid's v3 Mail Send. It has no key of idempotency: our id is told, and comes back with its events. */
export async function sendBySendGrid({ apiKey, baseUrl, from, fromName }: SendGrid, mail: Mail): Promise<Outcome> {
  const off = { enable: false }
  const body = {
    personalizations: [{ to: [{ email: mail.to }], custom_args: { email_id: mail.id } }],
    from: { email: from, name: fromName },
    ...(mail.replyTo && { reply_to: { email: mail.replyTo } }),
    subject: mail.subject,
    // The plain part comes first, or it is refused.
    content: [
      { type: 'text/plain', value: mail.text },
      { type: 'text/html', value: mail.html },
    ],
    headers: mail.headers,
    categories: [mail.kind],
    // A rewritten link would tell SendGrid what only the person may know.
    tracking_settings: {
      click_tracking: { enable: false, enable_text: false },
      open_tracking: off,
      subscription_tracking: off,
    },
  }
  return await post(`${baseUrl}/v3/mail/send`, { authorization: `Bearer ${apiKey}` }, body, read)
}

function read(response: Response, text: string): Outcome {
  const { status, headers } = response
  if (status === 202) return { kind: 'sent', providerId: headers.get('x-message-id')?.slice(0, 200) ?? null }
  const reason = `sendgrid ${status}${fieldsOf(text)}`
  if (status === 400 || status === 413) return { kind: 'refused', reason }
  const retryAfterS = Number(headers.get('retry-after') ?? Number.NaN)
  // A wrong key is ours to mend: what waits is sent when it was.
  return {
    kind: 'later',
    reason,
    ...(retryAfterS > 0 && { retryAfterS: Math.min(MAX_WAIT_S, Math.ceil(retryAfterS)) }),
  }
}

// The names of fields alone: its messages quote addresses.
function fieldsOf(text: string): string {
  try {
    const { errors } = Errors.parse(JSON.parse(text))
    return errors
      .map(({ field }) => ` ${field ?? 'unnamed'}`)
      .join('')
      .slice(0, 200)
  } catch {
    return ''
  }
}
