import { createECDH, randomBytes } from 'node:crypto'
import { exportJWK, generateKeyPair } from 'jose'

/** The secrets one deployment needs, by the names configuration reads. */
export type Secrets = {
  JWT_KEYS: string
  REFRESH_KEY: string
  PASSWORD_PEPPER: string
  ENCRYPTION_KEYS: string
  OPERATOR_TOKEN: string
  VAPID_PUBLIC_KEY: string
  VAPID_PRIVATE_KEY: string
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

/** The key by which push services know this deployment: a subscription is made for it. */
function newVapidKey(): Pick<Secrets, 'VAPID_PUBLIC_KEY' | 'VAPID_PRIVATE_KEY'> {
  const pair = createECDH('prime256v1')
  const publicKey = pair.generateKeys('base64url')
  // A private key may begin with zeros, which it is given without.
  const privateKey = Buffer.from(pair.getPrivateKey('hex').padStart(64, '0'), 'hex').toString('base64url')
  return { VAPID_PUBLIC_KEY: publicKey, VAPID_PRIVATE_KEY: privateKey }
}

export async function newSecrets(): Promise<Secrets> {
  return {
    JWT_KEYS: JSON.stringify([await newSigningKey()]),
    REFRESH_KEY: secret(),
    PASSWORD_PEPPER: secret(),
    ENCRYPTION_KEYS: JSON.stringify([newEncryptionKey()]),
    OPERATOR_TOKEN: secret(),
    ...newVapidKey(),
  }
}
