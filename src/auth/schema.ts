import { z } from '@hono/zod-openapi'
import { s } from '#core'
import { email, locale, Me } from '#users'

// NIST SP 800-63B-4: 15 characters when the password is the only factor; no composition rules.
const MIN_PASSWORD = 15
const MAX_PASSWORD = 256

const newPassword = s
  .text(MAX_PASSWORD, MIN_PASSWORD)
  .openapi({ format: 'password', example: 'four words you will remember' })

export const Registration = z
  .strictObject({
    email,
    password: newPassword,
    displayName: s.line(100),
    timeZone: s.timeZone.default('UTC'),
    locale: locale.default('en-US'),
    deviceName: s.line(100).default('Unnamed device'),
  })
  .openapi('Registration')
export type Registration = z.infer<typeof Registration>

export const Login = z
  .strictObject({
    email,
    password: s.text(MAX_PASSWORD, 1).openapi({ format: 'password' }),
    deviceName: s.line(100).default('Unnamed device'),
  })
  .openapi('Login')
export type Login = z.infer<typeof Login>

const refreshToken = z
  .string()
  .min(40)
  .max(100)
  .regex(/^rt_[\w-]+$/)
export const Refresh = z.strictObject({ refreshToken }).openapi('Refresh')
export type Refresh = z.infer<typeof Refresh>

export const Tokens = s.later(() =>
  z
    .strictObject({
      accessToken: z.string().max(2000),
      tokenType: z.literal('Bearer'),
      expiresIn: s.int(1, 3600).openapi({ description: 'Seconds the access token lasts' }),
      refreshToken,
      sessionId: s.id('ses'),
    })
    .openapi('Tokens'),
)
export type Tokens = z.infer<ReturnType<typeof Tokens>>

// Spread, not extended: the document would ask for two closed objects at once.
export const SignedIn = s.later(() => z.strictObject({ ...Tokens().shape, user: Me() }).openapi('SignedIn'))
export type SignedIn = z.infer<ReturnType<typeof SignedIn>>

/** What a sign-in must still show, and how. */
export const Challenge = s.later(() =>
  z
    .strictObject({
      challenge: z
        .string()
        .max(200)
        .openapi({ description: 'To be sent with the second factor; works for five minutes' }),
      methods: z.array(z.enum(['totp', 'recovery_code', 'passkey'])).max(3),
      expiresAt: s.instant,
    })
    .openapi('Challenge'),
)
export type Challenge = z.infer<ReturnType<typeof Challenge>>

export const Session = s.later(() =>
  z
    .strictObject({
      id: s.id('ses'),
      deviceName: z.string().max(100),
      userAgent: z.string().max(300),
      country: z.string().max(2).nullable(),
      current: z.boolean(),
      createdAt: s.instant,
      lastUsedAt: s.instant,
      expiresAt: s.instant,
    })
    .openapi('Session'),
)
export type Session = z.infer<ReturnType<typeof Session>>
export const SessionPage = s.later(() => s.pageOf(Session()).openapi('SessionPage'))

/** Whose accounts may sign in here. */
export const Provider = z.enum(['google', 'microsoft', 'apple']).openapi('Provider')
export type Provider = z.infer<typeof Provider>

// RFC 7636: S256 is 32 bytes in base64url, a verifier 43 to 128 unreserved characters.
const codeChallenge = z
  .string()
  .max(43)
  .regex(/^[\w-]{43}$/)
  .openapi({ description: 'SHA-256 of a secret of your own, in base64url (PKCE, S256)' })
const codeVerifier = z
  .string()
  .min(43)
  .max(128)
  .regex(/^[\w.~-]+$/)
const token = z
  .string()
  .max(43)
  .regex(/^[\w-]{43}$/)

export const ProviderStart = z
  .strictObject({
    returnTo: z.url().max(500).openapi({ example: 'https://app.example.com/signed-in' }),
    codeChallenge,
  })
  .openapi('ProviderStart')
export type ProviderStart = z.infer<typeof ProviderStart>
export const IdentityStart = z.strictObject({ provider: Provider, ...ProviderStart.shape }).openapi('IdentityStart')
export type IdentityStart = z.infer<typeof IdentityStart>

export const FlowStart = s.later(() =>
  z
    .strictObject({
      url: z.url().max(1000).openapi({ description: 'To be opened in a browser, once' }),
      expiresAt: s.instant,
    })
    .openapi('FlowStart'),
)
export type FlowStart = z.infer<ReturnType<typeof FlowStart>>

export const FlowQuery = z.strictObject({ flow: token })

const returned = (max: number) => z.string().min(1).max(max).refine(s.isStorable, 'must be well-formed').optional()
/** What a provider sends a browser back with; it may say more. */
export const ProviderAnswer = z
  .object({
    state: z.string().min(1).max(200),
    code: returned(4000),
    iss: returned(300),
    error: returned(200),
    user: returned(2000),
  })
  .openapi('ProviderAnswer')
export type ProviderAnswer = z.infer<typeof ProviderAnswer>

export const LinkCode = z.strictObject({ code: token, codeVerifier }).openapi('LinkCode')
export type LinkCode = z.infer<typeof LinkCode>
export const Exchange = z
  .strictObject({
    ...LinkCode.shape,
    deviceName: s.line(100).default('Unnamed device'),
    timeZone: s.timeZone.default('UTC').openapi({ description: 'Of a person who is new here' }),
    locale: locale.default('en-US'),
  })
  .openapi('Exchange')
export type Exchange = z.infer<typeof Exchange>

export const Identity = s.later(() =>
  z
    .strictObject({
      id: s.id('idt'),
      provider: Provider,
      email: z.string().max(254).nullable(),
      createdAt: s.instant,
      lastUsedAt: s.instant.nullable(),
    })
    .openapi('Identity'),
)
export type Identity = z.infer<ReturnType<typeof Identity>>
export const IdentityList = s.later(() => z.strictObject({ items: s.list(Identity(), 3) }).openapi('IdentityList'))
export const ProviderParams = z.strictObject({ provider: Provider })
export const IdentityParams = z.strictObject({ id: s.id('idt') })
