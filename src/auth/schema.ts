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
export const SessionList = s.later(() => z.strictObject({ items: s.list(Session(), 100) }).openapi('SessionList'))
export const SessionPage = s.later(() => s.pageOf(Session()).openapi('SessionPage'))
