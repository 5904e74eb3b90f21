import { z } from 'zod'
import { s } from '#core'

const base64url = (max: number, min = 1) =>
  z
    .string()
    .min(min)
    .max(max)
    .regex(/^[\w-]+$/)
const totpCode = z
  .string()
  .max(6)
  .regex(/^\d{6}$/)
  .openapi({ example: '123456' })
const recoveryCode = s.line(60).openapi({ example: '4f7k-9m2p-xq3c-8d6t-h5vw-n0rj' })

/** What `navigator.credentials` answers, as its `toJSON()` writes it. */
const credential = {
  id: base64url(1400),
  rawId: base64url(1400),
  type: z.literal('public-key'),
  authenticatorAttachment: z.enum(['platform', 'cross-platform']).nullable().optional(),
  // Read by nobody, and each browser has its own.
  clientExtensionResults: z.looseObject({}).default({}),
}
export const Attestation = z
  .strictObject({
    ...credential,
    response: z.strictObject({
      clientDataJSON: base64url(4000),
      attestationObject: base64url(60_000),
      authenticatorData: base64url(20_000).optional(),
      transports: s.list(s.line(32), 10).default([]),
      publicKey: base64url(8000).optional(),
      publicKeyAlgorithm: s.int(-100_000, 0).optional(),
    }),
  })
  .openapi('PasskeyAttestation')
export type Attestation = z.infer<typeof Attestation>

export const Assertion = z
  .strictObject({
    ...credential,
    response: z.strictObject({
      clientDataJSON: base64url(4000),
      authenticatorData: base64url(20_000),
      signature: base64url(8000),
      userHandle: base64url(100).nullable().optional(),
    }),
  })
  .openapi('PasskeyAssertion')
export type Assertion = z.infer<typeof Assertion>

export const NewPasskey = z
  .strictObject({ response: Attestation, name: s.line(100).default('Passkey') })
  .openapi('NewPasskey')
export type NewPasskey = z.infer<typeof NewPasskey>
export const PasskeyPatch = z.strictObject({ name: s.line(100) }).openapi('PasskeyPatch')
export type PasskeyPatch = z.infer<typeof PasskeyPatch>
export const PasskeySignIn = z
  .strictObject({ response: Assertion, deviceName: s.line(100).default('Unnamed device') })
  .openapi('PasskeySignIn')
export type PasskeySignIn = z.infer<typeof PasskeySignIn>

const challenge = z
  .string()
  .min(40)
  .max(100)
  .regex(/^chl_[\w-]+$/)
const totp = { method: z.literal('totp'), code: totpCode }
const recovery = { method: z.literal('recovery_code'), code: recoveryCode }
const passkey = { method: z.literal('passkey'), response: Assertion }

export const ChallengeAnswer = z
  .discriminatedUnion('method', [
    z.strictObject({ challenge, ...totp }),
    z.strictObject({ challenge, ...recovery }),
    z.strictObject({ challenge, ...passkey }),
  ])
  .openapi('ChallengeAnswer')
export type ChallengeAnswer = z.infer<typeof ChallengeAnswer>
/** One of the three, wherever it is asked for. */
export type FactorAnswer =
  | { method: 'totp' | 'recovery_code'; code: string }
  | { method: 'passkey'; response: Assertion }

export const StepUp = z
  .discriminatedUnion('method', [
    z.strictObject({ method: z.literal('password'), password: s.text(256, 1).openapi({ format: 'password' }) }),
    z.strictObject(totp),
    z.strictObject(passkey),
  ])
  .openapi('StepUp')
export type StepUp = z.infer<typeof StepUp>

export const TotpConfirmation = z.strictObject({ code: totpCode }).openapi('TotpConfirmation')
export const TotpSecret = s.later(() =>
  z
    .strictObject({
      secret: z.string().max(64).openapi({ description: 'Base32, to be typed where no QR code can be read' }),
      uri: z.string().max(600).openapi({ description: 'For a QR code', example: 'otpauth://totp/Aurelius:sam' }),
    })
    .openapi('TotpSecret'),
)
export type TotpSecret = z.infer<ReturnType<typeof TotpSecret>>

export const RecoveryCodes = s.later(() =>
  z.strictObject({ codes: s.list(z.string().max(60), 10) }).openapi('RecoveryCodes'),
)
export type RecoveryCodes = z.infer<ReturnType<typeof RecoveryCodes>>

export const Factors = s.later(() =>
  z
    .strictObject({
      password: z.boolean(),
      totp: z.boolean().openapi({ description: 'An authenticator app is confirmed: a sign-in asks for its code' }),
      recoveryCodesLeft: s.int(0, 10),
      passkeys: s.int(0, 20),
    })
    .openapi('Factors'),
)
export type Factors = z.infer<ReturnType<typeof Factors>>

const described = (max: number) =>
  s.list(
    z.strictObject({
      type: z.literal('public-key'),
      id: z.string().max(1400),
      transports: s.list(z.string().max(32), 10),
    }),
    max,
  )
export const PasskeyCreation = s.later(() =>
  z
    .strictObject({
      challenge: z.string().max(100),
      rp: z.strictObject({ id: z.string().max(253), name: z.string().max(100) }),
      user: z.strictObject({ id: z.string().max(100), name: z.string().max(254), displayName: z.string().max(100) }),
      pubKeyCredParams: s.list(z.strictObject({ type: z.literal('public-key'), alg: s.int(-1000, 0) }), 10),
      timeout: s.int(0, 600_000),
      excludeCredentials: described(20),
      authenticatorSelection: z.strictObject({
        residentKey: z.literal('required'),
        requireResidentKey: z.literal(true),
        userVerification: z.literal('required'),
      }),
      attestation: z.literal('none'),
      extensions: z.strictObject({ credProps: z.literal(true) }),
    })
    .openapi('PasskeyCreation'),
)
export type PasskeyCreation = z.infer<ReturnType<typeof PasskeyCreation>>

export const PasskeyRequest = s.later(() =>
  z
    .strictObject({
      challenge: z.string().max(100),
      rpId: z.string().max(253),
      timeout: s.int(0, 600_000),
      userVerification: z.literal('required'),
    })
    .openapi('PasskeyRequest'),
)
export type PasskeyRequest = z.infer<ReturnType<typeof PasskeyRequest>>

export const Passkey = s.later(() =>
  z
    .strictObject({
      id: s.id('psk'),
      name: z.string().max(100),
      backupEligible: z.boolean().openapi({ description: 'It may be on several devices' }),
      backedUp: z.boolean(),
      createdAt: s.instant,
      lastUsedAt: s.instant.nullable(),
    })
    .openapi('Passkey'),
)
export type Passkey = z.infer<ReturnType<typeof Passkey>>
export const PasskeyList = s.later(() => z.strictObject({ items: s.list(Passkey(), 20) }).openapi('PasskeyList'))
