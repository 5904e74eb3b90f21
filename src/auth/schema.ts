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
export const AddressConfirm = z
  .strictObject({ token, password })
  .openapi('AddressConfirm', { description: 'The password is that of the account' })
export type AddressConfirm = z.infer<typeof AddressConfirm>
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
export const SessionList = s.later(() => z.strictObject({ items: s.list(Session(), 100) }).openapi('SessionList'))
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
const flowToken = z
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

export const FlowQuery = z.strictObject({ flow: flowToken })

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

export const LinkCode = z.strictObject({ code: flowToken, codeVerifier }).openapi('LinkCode')
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
