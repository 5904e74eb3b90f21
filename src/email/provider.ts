import type { Ctx } from '#core'
import { sendByCloudflare } from './cloudflare.ts'
import { sendToMailbox } from './local.ts'
import type { Mail, Outcome } from './message.ts'
import { sendBySendGrid } from './sendgrid.ts'

type ProviderCtx = Pick<Ctx, 'config' | 'env'>

/** Hands a mail to whoever is configured. */
export async function handOver({ config: { mail: settings }, env }: ProviderCtx, mail: Mail): Promise<Outcome> {
  switch (settings?.provider) {
    case 'sendgrid':
      return await sendBySendGrid(settings, mail)
    case 'cloudflare':
      return await sendByCloudflare(env.EMAIL, settings, mail)
    case 'local':
      return await sendToMailbox(settings, mail)
    case undefined:
      return { kind: 'later', reason: 'no provider is configured' }
  }
}

/** For `/health/ready`; nobody is asked. Without a provider no mail is sent, and all else works. */
export function mailHealth({ config: { mail }, env }: ProviderCtx): {
  status: 'ok' | 'off' | 'down'
  provider: string
  detail: string
} {
  if (!mail) return { status: 'off', provider: 'none', detail: 'no mail is sent: MAIL_PROVIDER is not set' }
  const { provider } = mail
  if (provider === 'cloudflare' && !env.EMAIL)
    return { status: 'down', provider, detail: 'the binding EMAIL is missing' }
  return { status: 'ok', provider, detail: 'configured; not probed' }
}
