import { z } from '@hono/zod-openapi'
import { s } from '#core'

const coordinate = (example: string) =>
  z
    .string()
    .max(43)
    .regex(/^[A-Za-z0-9_-]{43}$/, 'must be 32 bytes in base64url')
    .openapi({ example })
// What an export of a key says besides; a private part is not among them, and refused.
const beside = {
  alg: s.line(40).optional(),
  use: z.literal('sig').optional(),
  kid: s.line(200).optional(),
  ext: z.boolean().optional(),
  key_ops: s.list(z.literal('verify'), 1).optional(),
}
const Ed25519Jwk = z
  .strictObject({
    kty: z.literal('OKP'),
    crv: z.literal('Ed25519'),
    x: coordinate('JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs'),
    ...beside,
  })
  .openapi('Ed25519PublicKey')
const P256Jwk = z
  .strictObject({
    kty: z.literal('EC'),
    crv: z.literal('P-256'),
    x: coordinate('qIVYZVLCrPZHGHjP17CTW0_-D9Lfw0EkjqF7xB4FivA'),
    y: coordinate('Mc4nN9LTDOBhfoUeg8Ye9WedFRhnZXZJA12Qp0zZ6F0'),
    ...beside,
  })
  .openapi('P256PublicKey')
const Spki = z
  .string()
  .max(300)
  .regex(/^(?:-----BEGIN PUBLIC KEY-----\s+)?[A-Za-z0-9+/=\s]+(?:-----END PUBLIC KEY-----\s*)?$/, 'must be an SPKI')
  .openapi({ example: 'MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=' })

export const NewSigningKey = z
  .strictObject({
    name: s.line(100),
    publicKey: z
      .union([Ed25519Jwk, P256Jwk, Spki])
      .openapi({ description: 'Ed25519 or P-256: a JWK, or its SPKI in base64 or PEM' }),
  })
  .openapi('NewSigningKey')
export type NewSigningKey = z.infer<typeof NewSigningKey>

export const SigningKey = s.later(() =>
  z
    .strictObject({
      id: s.id('sgk').openapi({ description: 'The `keyid` of its signatures' }),
      name: z.string().max(100),
      algorithm: z.enum(['ed25519', 'ecdsa-p256-sha256']),
      publicKey: z
        .string()
        .max(100)
        .openapi({ description: 'The key, or the uncompressed point of P-256, in base64url' }),
      createdAt: s.instant,
    })
    .openapi('SigningKey'),
)
export type SigningKey = z.infer<ReturnType<typeof SigningKey>>
export const SigningKeyPage = s.later(() => s.pageOf(SigningKey()).openapi('SigningKeyPage'))

export const SignaturePolicy = z
  .strictObject({
    demand: z.boolean().openapi({ description: 'Whether high-security routes refuse a request without a signature' }),
  })
  .openapi('SignaturePolicy')
export type SignaturePolicy = z.infer<typeof SignaturePolicy>
