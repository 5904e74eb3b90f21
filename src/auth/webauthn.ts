import { Buffer } from 'node:buffer'
import type { Ctx } from '#core'
import type { Assertion, Attestation } from './factors-schema.ts'

// ES256, EdDSA and RS256: what every authenticator and both runtimes know.
export const ALGORITHMS = [-8, -7, -257]

type WebauthnCtx = Pick<Ctx, 'config'>
export type Registered = {
  credentialId: string
  publicKey: string
  counter: number
  aaguid: string
  backupEligible: boolean
  backedUp: boolean
}
export type KnownPasskey = { credentialId: string; publicKey: string; counter: number }
export type Used = Pick<Registered, 'counter' | 'backedUp'>
type Verdict<T> = { ok: true; value: T } | { ok: false; cause: unknown }

/** The challenge a client says it signed; empty where it says none. Whether it did, verifying shows. */
export function challengeOf({ response }: { response: { clientDataJSON: string } }): string {
  try {
    const data: unknown = JSON.parse(Buffer.from(response.clientDataJSON, 'base64url').toString())
    const named = typeof data === 'object' && data !== null && 'challenge' in data ? data.challenge : ''
    return typeof named === 'string' ? named : ''
  } catch {
    return ''
  }
}

function expected({ config }: WebauthnCtx, challenge: string) {
  const { rpId, origins } = config.passkeys
  return { expectedChallenge: challenge, expectedOrigin: origins, expectedRPID: rpId, requireUserVerification: true }
}

// Loaded when the first passkey is verified: an isolate that verifies none does not pay for it at its start.
const vendor = () => import('@simplewebauthn/server')

/** What an authenticator made, if it made it for this challenge, here, with the person verified. */
export async function verifyAttestation(
  ctx: WebauthnCtx,
  response: Attestation,
  challenge: string,
): Promise<Verdict<Registered>> {
  try {
    const { verifyRegistrationResponse } = await vendor()
    const verified = await verifyRegistrationResponse({
      ...expected(ctx, challenge),
      response: { ...response, authenticatorAttachment: undefined, clientExtensionResults: {} },
      supportedAlgorithmIDs: ALGORITHMS,
    })
    if (!verified.verified) return { ok: false, cause: 'the attestation is not right' }
    const { credential, aaguid, credentialDeviceType, credentialBackedUp: backedUp } = verified.registrationInfo
    const { id: credentialId, counter } = credential
    const publicKey = Buffer.from(credential.publicKey).toString('base64url')
    const backupEligible = credentialDeviceType === 'multiDevice'
    return { ok: true, value: { credentialId, publicKey, counter, aaguid, backupEligible, backedUp } }
  } catch (cause) {
    return { ok: false, cause }
  }
}

/** Whether this passkey signed this challenge, here, with the person verified, and no copy of it was used since. */
export async function verifyAssertion(
  ctx: WebauthnCtx,
  response: Assertion,
  challenge: string,
  { credentialId: id, publicKey, counter }: KnownPasskey,
): Promise<Verdict<Used>> {
  try {
    const { verifyAuthenticationResponse } = await vendor()
    const { userHandle, ...signed } = response.response
    const plain = { ...response, authenticatorAttachment: undefined, clientExtensionResults: {} }
    const { verified, authenticationInfo: info } = await verifyAuthenticationResponse({
      ...expected(ctx, challenge),
      response: { ...plain, response: { ...signed, userHandle: userHandle ?? undefined } },
      credential: { id, counter, publicKey: new Uint8Array(Buffer.from(publicKey, 'base64url')) },
    })
    if (!verified) return { ok: false, cause: 'the signature is not right' }
    return { ok: true, value: { counter: info.newCounter, backedUp: info.credentialBackedUp } }
  } catch (cause) {
    return { ok: false, cause }
  }
}
