import { z } from 'zod'

const word = z
  .string()
  .max(4000)
  .regex(/^[\x21-\x7e]+$/, 'must be one word')
  .optional()
const PKCS8 = /^-----BEGIN PRIVATE KEY-----\n[\s\S]+\n-----END PRIVATE KEY-----\n?$/
// Some places where secrets are put keep no line breaks.
const Pem = z
  .string()
  .transform((value) => value.replaceAll('\\n', '\n').trim())
  .refine((value) => PKCS8.test(value), 'must be a private key in PEM (PKCS #8)')
const bytes = (count: number) =>
  z
    .string()
    .regex(/^[\w-]+$/, 'must be base64url')
    .refine((value) => Math.floor((value.length * 3) / 4) === count, `must be ${count} bytes in base64url`)
    .optional()
const Subject = z
  .string()
  .max(300)
  .regex(/^(?:mailto:[^\s@]+@[^\s@]+|https:\/\/\S+)$/, 'must be mailto: or https:')

/** The file that Google gives for a service account; what else is in it does not matter. */
const Account = z
  .string()
  .transform((value, issue): unknown => {
    try {
      return JSON.parse(value)
    } catch {
      issue.addIssue('must be JSON')
      return z.NEVER
    }
  })
  .pipe(
    z.object({
      project_id: z.string().regex(/^[\w-]{1,100}$/),
      client_email: z.email(),
      private_key: Pem,
      token_uri: z.url().default('https://oauth2.googleapis.com/token'),
    }),
  )

/** The settings of push, by name. */
export const PUSH_SETTINGS = {
  VAPID_PUBLIC_KEY: bytes(65),
  VAPID_PRIVATE_KEY: bytes(32),
  VAPID_SUBJECT: Subject.optional(),
  FCM_SERVICE_ACCOUNT: Account.optional(),
  FCM_BASE_URL: z.url().default('https://fcm.googleapis.com'),
  APNS_TEAM_ID: word,
  APNS_KEY_ID: word,
  APNS_PRIVATE_KEY: Pem.optional(),
  APNS_TOPIC: word,
  APNS_BASE_URL: z.url().default('https://api.push.apple.com'),
}

const Settings = z.object(PUSH_SETTINGS)
type Settings = z.infer<typeof Settings>

/** By whom devices are reached; null: by nobody of the kind. */
export type PushConfig = {
  vapid: { publicKey: string; privateKey: string; subject: string } | null
  fcm: { projectId: string; clientEmail: string; privateKey: string; tokenUrl: string; baseUrl: string } | null
  apns: { teamId: string; keyId: string; privateKey: string; topic: string; baseUrl: string } | null
}

const trimmed = (url: string) => url.replace(/\/$/, '')

/** Null where one is not named, or without what it needs: `pushProblems` says what. */
export function readPush(source: Settings, publicUrl: string): PushConfig {
  const { VAPID_PUBLIC_KEY: publicKey, VAPID_PRIVATE_KEY } = source
  const self = publicUrl.startsWith('https:') ? publicUrl : 'mailto:aurelius@localhost.invalid'
  const subject = source.VAPID_SUBJECT ?? self
  const { APNS_TEAM_ID: teamId, APNS_KEY_ID: keyId, APNS_PRIVATE_KEY, APNS_TOPIC: topic } = source
  const account = source.FCM_SERVICE_ACCOUNT
  return {
    vapid: publicKey && VAPID_PRIVATE_KEY ? { publicKey, privateKey: VAPID_PRIVATE_KEY, subject } : null,
    fcm: account
      ? {
          projectId: account.project_id,
          clientEmail: account.client_email,
          privateKey: account.private_key,
          tokenUrl: account.token_uri,
          baseUrl: trimmed(source.FCM_BASE_URL),
        }
      : null,
    apns:
      teamId && keyId && APNS_PRIVATE_KEY && topic
        ? { teamId, keyId, privateKey: APNS_PRIVATE_KEY, topic, baseUrl: trimmed(source.APNS_BASE_URL) }
        : null,
  }
}

const GROUPS = [
  ['VAPID_PUBLIC_KEY', 'VAPID_PRIVATE_KEY'],
  ['APNS_TEAM_ID', 'APNS_KEY_ID', 'APNS_PRIVATE_KEY', 'APNS_TOPIC'],
] as const

/** What is named without what it needs, and what is not for production. */
export function pushProblems(source: Settings, isProduction: boolean): string[] {
  const lacking = GROUPS.flatMap((names) =>
    names.some((name) => source[name])
      ? names.flatMap((name) =>
          source[name] ? [] : [`${name}: needed with ${names.filter((other) => source[other]).join(', ')}`],
        )
      : [],
  )
  const places = [source.FCM_BASE_URL, source.APNS_BASE_URL, source.FCM_SERVICE_ACCOUNT?.token_uri ?? 'https:']
  const isOpen = isProduction && places.some((url) => !url.startsWith('https:'))
  return [...lacking, ...(isOpen ? ['FCM_BASE_URL, APNS_BASE_URL, token_uri: must be https in production'] : [])]
}
