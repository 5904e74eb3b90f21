import { randomBytes } from 'node:crypto'
import { exportJWK, generateKeyPair } from 'jose'

/** The secrets one deployment needs, by the names configuration reads. */
export type Secrets = {
  JWT_KEYS: string
  REFRESH_KEY: string
  PASSWORD_PEPPER: string
  ENCRYPTION_KEYS: string
  OPERATOR_TOKEN: string
}

const secret = () => randomBytes(32).toString('base64url')

/** A new signing key, as one JWK with its private part. */
export async function newSigningKey(): Promise<object> {
  const { privateKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true })
  return { ...(await exportJWK(privateKey)), kid: randomBytes(8).toString('hex') }
}

/** A new key that seals, and its name. */
export function newEncryptionKey(): object {
  return { id: randomBytes(4).toString('hex'), key: randomBytes(32).toString('base64') }
}

export async function newSecrets(): Promise<Secrets> {
  return {
    JWT_KEYS: JSON.stringify([await newSigningKey()]),
    REFRESH_KEY: secret(),
    PASSWORD_PEPPER: secret(),
    ENCRYPTION_KEYS: JSON.stringify([newEncryptionKey()]),
    OPERATOR_TOKEN: secret(),
  }
}
