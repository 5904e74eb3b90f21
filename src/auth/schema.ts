import { z } from '@hono/zod-openapi'
import { s } from '#core'
import { email, locale, Me } from '#users'

const MAX_PASSWORD = 256

// Of whoever has a second factor; `requireStrong` asks for more of others.
const MIN_PASSWORD = 8

const newPassword = s.text(MAX_PASSWORD, MIN_PASSWORD).openapi({
  format: 'password',
  example: 'four words you will remember',
  description:
    '15 characters or more, 8 beside a second factor, any of them; none that was often leaked, or that is made of the name, the address or `aurelius`',
})
const password = s.text(MAX_PASSWORD, 1).openapi({ format: 'password' })
const deviceName = s.line(100).default('Unnamed device')

export const Registration = z
  .strictObject({
    email,
    password: newPassword,
    displayName: s.line(100),
    timeZone: s.timeZone.default('UTC'),
    locale: locale.default('en-US'),
    deviceName,
  })
  .openapi('Registration')
export type Registration = z.infer<typeof Registration>

export const Login = z
  .strictObject({
    email,
    password,
    deviceName,
  })
  .openapi('Login')
export type Login = z.infer<typeof Login>

const token = z
  .string()
  .length(46)
  .regex(/^ac_[\w-]{43}$/)
  .openapi({ description: 'From the mail: what follows `=` in the link' })

export const RegistrationConfirm = z
  .strictObject({ token, password, deviceName })
  .openapi('RegistrationConfirm', { description: 'The password is the one that was chosen when it was asked for' })
export type RegistrationConfirm = z.infer<typeof RegistrationConfirm>
export const MailedCode = z.strictObject({ token }).openapi('MailedCode')
export const MagicLinkConfirm = z.strictObject({ token, deviceName }).openapi('MagicLinkConfirm')
export type MagicLinkConfirm = z.infer<typeof MagicLinkConfirm>
export const PasswordResetConfirm = z.strictObject({ token, password: newPassword }).openapi('PasswordResetConfirm')
export type PasswordResetConfirm = z.infer<typeof PasswordResetConfirm>
export const PasswordChange = z
  .strictObject({
    currentPassword: password.optional().openapi({ description: 'Needed by whoever has one' }),
    newPassword,
  })
  .openapi('PasswordChange')
export type PasswordChange = z.infer<typeof PasswordChange>
export const Page = z.string().max(10_000)
export const Addressed = z.strictObject({ email }).openapi('Addressed')

export const RefreshToken = z
  .string()
  .min(40)
  .max(100)
  .regex(/^rt_[\w-]+$/)
export const Refresh = z
  .strictObject({
    refreshToken: RefreshToken.optional().openapi({ description: 'Left out where the cookie of a browser brings it' }),
  })
  .openapi('Refresh')

export const Tokens = s.later(() =>
  z
    .strictObject({
      accessToken: z.string().max(2000),
      tokenType: z.literal('Bearer'),
      expiresIn: s.int(1, 3600).openapi({ description: 'Seconds the access token lasts' }),
      refreshToken: RefreshToken,
      sessionId: s.id('ses'),
    })
    .openapi('Tokens'),
)
export type Tokens = z.infer<ReturnType<typeof Tokens>>

// Spread, not extended: the document would ask for two closed objects at once.
export const SignedIn = s.later(() => z.strictObject({ ...Tokens().shape, user: Me() }).openapi('SignedIn'))
export type SignedIn = z.infer<ReturnType<typeof SignedIn>>

/** What a page is told whose browser keeps the tokens. */
const CookieSession = s.later(() =>
  z
    .strictObject({
      tokenType: z.literal('Cookie'),
      expiresIn: Tokens().shape.expiresIn,
      sessionId: s.id('ses'),
      csrfToken: z
        .string()
        .min(43)
        .max(43)
        .openapi({ description: 'The same for as long as the session; sent with each change as `X-CSRF-Token`' }),
    })
    .openapi('CookieSession'),
)
export type CookieSession = z.infer<ReturnType<typeof CookieSession>>

/** What renewing answers: tokens, or what a page is told in their place. */
export const Renewed = s.later(() => z.union([Tokens(), CookieSession()]).openapi('Renewed'))
/** What any way of signing in answers; see `handOver`. */
export const Admitted = s.later(() =>
  z
    .union([SignedIn(), z.strictObject({ ...CookieSession().shape, user: Me() }).openapi('SignedInByCookie')])
    .openapi('Admitted'),
)

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
      lastUsedAt: s.instant.openapi({ description: 'Of the last renewal: ten minutes old at most while it is used' }),
      expiresAt: s.instant,
    })
    .openapi('Session'),
)
export type Session = z.infer<ReturnType<typeof Session>>
export const SessionPage = s.later(() => s.pageOf(Session()).openapi('SessionPage'))
