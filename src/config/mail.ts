import { z } from 'zod'

/** The settings of outbound mail, by name. */
export const MAIL_SETTINGS = {
  MAIL_PROVIDER: z.enum(['sendgrid', 'cloudflare', 'local']).optional(),
  MAIL_FROM: z.email().max(254).optional(),
  // SendGrid takes nothing but ASCII here, and no name may begin another header.
  MAIL_FROM_NAME: z
    .string()
    .regex(/^[\w .'&-]{1,60}$/, "must be at most 60 letters, digits, spaces or any of _.'&-")
    .default('Aurelius'),
  MAIL_LOCAL_URL: z.url().optional(),
  SENDGRID_API_KEY: z
    .string()
    .regex(/^[\x21-\x7e]+$/, 'must be one word')
    .optional(),
  // Mailed: an account begins when the address is confirmed, and no answer says whether it was known.
  REGISTRATION: z.enum(['direct', 'mailed']).optional(),
  SENDGRID_BASE_URL: z.url().default('https://api.sendgrid.com'),
}

const Settings = z.object(MAIL_SETTINGS)
type Settings = z.infer<typeof Settings>

/** Who sends mail; null: nobody. */
export type MailConfig = { from: string; fromName: string } & (
  | { provider: 'sendgrid'; apiKey: string; baseUrl: string }
  | { provider: 'cloudflare' }
  | { provider: 'local'; url: string }
)

/** Null where a provider is not named, or without what it needs: `mailProblems` says what. */
export function readMail(source: Settings): MailConfig | null {
  const { MAIL_FROM, MAIL_FROM_NAME: fromName, MAIL_LOCAL_URL, SENDGRID_API_KEY: apiKey } = source
  const from = MAIL_FROM ?? 'aurelius@localhost.invalid'
  const baseUrl = source.SENDGRID_BASE_URL.replace(/\/$/, '')
  switch (source.MAIL_PROVIDER) {
    case 'sendgrid':
      return apiKey ? { provider: 'sendgrid', from, fromName, apiKey, baseUrl } : null
    case 'cloudflare':
      return { provider: 'cloudflare', from, fromName }
    case 'local':
      return MAIL_LOCAL_URL ? { provider: 'local', from, fromName, url: MAIL_LOCAL_URL.replace(/\/$/, '') } : null
    case undefined:
      return null
  }
}

/** How people come to be: by mail in production, if any is sent. */
export function readRegistration(source: Settings, isProduction: boolean): 'direct' | 'mailed' {
  return source.REGISTRATION ?? (isProduction && source.MAIL_PROVIDER ? 'mailed' : 'direct')
}

/** What is named without what it needs. */
export function mailProblems(source: Settings, isProduction: boolean): string[] {
  const { MAIL_PROVIDER: provider } = source
  const problems: string[] = []
  if (provider === 'sendgrid' && !source.SENDGRID_API_KEY) problems.push('SENDGRID_API_KEY: needed to send by SendGrid')
  if (provider === 'local' && !source.MAIL_LOCAL_URL) problems.push('MAIL_LOCAL_URL: needed for the local mailbox')
  if (provider === 'local' && isProduction) problems.push('MAIL_PROVIDER: local is not for production')
  if (provider && provider !== 'local' && !source.MAIL_FROM)
    problems.push('MAIL_FROM: say which address mail comes from')
  if (!provider && source.REGISTRATION === 'mailed') problems.push('REGISTRATION: mailed needs a MAIL_PROVIDER')
  if (provider && isProduction && source.REGISTRATION === 'direct')
    problems.push('REGISTRATION: direct tells strangers who is registered; where mail is sent, use mailed')
  return problems
}
