import type { MailConfig } from '#config'
import { post } from './http.ts'
import type { Mail, Outcome } from './message.ts'

type Local = Extract<MailConfig, { provider: 'local' }>

/** One mail to the mailbox of this machine. */
export async function sendToMailbox({ url, from }: Local, mail: Mail): Promise<Outcome> {
  return await post(`${url}/messages`, {}, { ...mail, from }, ({ status }) =>
    status === 201 ? { kind: 'sent', providerId: mail.id } : { kind: 'refused', reason: `mailbox ${status}` },
  )
}
