import { z } from 'zod'

const TENANT = /^(?:common|organizations|consumers|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/
const word = z
  .string()
  .max(4000)
  .regex(/^[\x21-\x7e]+$/, 'must be one word')
  .optional()

const ReturnUrls = z.string().transform((value, issue) =>
  value
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean)
    .map((part) => {
      const url = URL.canParse(part) ? new URL(part) : undefined
      const isRight =
        url && url.hash === '' && url.username === '' && !/^(?:javascript|data|blob|file):$/.test(url.protocol)
      if (!isRight) issue.addIssue(`"${part}" is no address that a browser can be sent back to`)
      return part
    }),
)

/** The settings of signing in with somebody else's account, by name. */
export const SIGN_IN_SETTINGS = {
  GOOGLE_CLIENT_ID: word,
  GOOGLE_CLIENT_SECRET: word,
  GOOGLE_BASE_URL: z.url().optional(),
  MICROSOFT_CLIENT_ID: word,
  MICROSOFT_CLIENT_SECRET: word,
  MICROSOFT_TENANT: z
    .string()
    .regex(TENANT, 'must be common, organizations, consumers or the id of a tenant')
    .default('common'),
  MICROSOFT_BASE_URL: z.url().optional(),
  APPLE_CLIENT_ID: word,
  APPLE_TEAM_ID: word,
  APPLE_KEY_ID: word,
  // Some places where secrets are put keep no line breaks.
  APPLE_PRIVATE_KEY: z
    .string()
    .transform((value) => value.replaceAll('\\n', '\n').trim())
    .refine(
      (value) => /^-----BEGIN PRIVATE KEY-----\n[\s\S]+\n-----END PRIVATE KEY-----$/.test(value),
      'must be the .p8 file',
    )
    .optional(),
  APPLE_BASE_URL: z.url().optional(),
  SIGN_IN_RETURN_URLS: ReturnUrls.optional(),
}

const Settings = z.object(SIGN_IN_SETTINGS)
type Settings = z.infer<typeof Settings>

/** `baseUrl`: another place that stands for the provider's. */
type Client = { clientId: string; baseUrl: string | undefined }

/** With whose accounts people may sign in, and where a browser may be sent back to. */
export type SignInConfig = {
  google: (Client & { clientSecret: string }) | null
  microsoft: (Client & { clientSecret: string; tenant: string }) | null
  apple: (Client & { teamId: string; keyId: string; privateKey: string }) | null
  returnUrls: string[]
}

/** Null where a provider is not named, or without what it needs: `signInProblems` says what. */
export function readSignIn(source: Settings): SignInConfig {
  const { GOOGLE_CLIENT_SECRET, MICROSOFT_CLIENT_SECRET, APPLE_TEAM_ID, APPLE_KEY_ID, APPLE_PRIVATE_KEY } = source
  const client = (clientId: string, baseUrl: string | undefined) => ({ clientId, baseUrl: baseUrl?.replace(/\/$/, '') })
  const [google, microsoft, apple] = [source.GOOGLE_CLIENT_ID, source.MICROSOFT_CLIENT_ID, source.APPLE_CLIENT_ID]
  return {
    google:
      google && GOOGLE_CLIENT_SECRET
        ? { ...client(google, source.GOOGLE_BASE_URL), clientSecret: GOOGLE_CLIENT_SECRET }
        : null,
    microsoft:
      microsoft && MICROSOFT_CLIENT_SECRET
        ? {
            ...client(microsoft, source.MICROSOFT_BASE_URL),
            clientSecret: MICROSOFT_CLIENT_SECRET,
            tenant: source.MICROSOFT_TENANT,
          }
        : null,
    apple:
      apple && APPLE_TEAM_ID && APPLE_KEY_ID && APPLE_PRIVATE_KEY
        ? {
            ...client(apple, source.APPLE_BASE_URL),
            teamId: APPLE_TEAM_ID,
            keyId: APPLE_KEY_ID,
            privateKey: APPLE_PRIVATE_KEY,
          }
        : null,
    returnUrls: source.SIGN_IN_RETURN_URLS ?? [],
  }
}

const NEEDED = [
  ['GOOGLE_CLIENT_ID', ['GOOGLE_CLIENT_SECRET']],
  ['MICROSOFT_CLIENT_ID', ['MICROSOFT_CLIENT_SECRET']],
  ['APPLE_CLIENT_ID', ['APPLE_TEAM_ID', 'APPLE_KEY_ID', 'APPLE_PRIVATE_KEY']],
] as const
const PLACES = ['GOOGLE_BASE_URL', 'MICROSOFT_BASE_URL', 'APPLE_BASE_URL'] as const

/** What is named without what it needs, and what is not for production. */
export function signInProblems(source: Settings, isProduction: boolean): string[] {
  const lacking = NEEDED.flatMap(([id, names]) =>
    names.flatMap((name) => (source[id] && !source[name] ? [`${name}: needed with ${id}`] : [])),
  )
  const elsewhere = PLACES.flatMap((name) =>
    isProduction && source[name] ? [`${name}: must not be set in production`] : [],
  )
  const isOn = source.GOOGLE_CLIENT_ID ?? source.MICROSOFT_CLIENT_ID ?? source.APPLE_CLIENT_ID
  const nowhere =
    isOn && !source.SIGN_IN_RETURN_URLS?.length ? ['SIGN_IN_RETURN_URLS: say where browsers return to'] : []
  return [...lacking, ...elsewhere, ...nowhere]
}
