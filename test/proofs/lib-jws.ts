import { createPrivateKey, type JsonWebKey, type KeyObject, sign } from 'node:crypto'
import type { Chance } from './chance.ts'

export type Json = Record<string, unknown>
/** A token nobody may be let in with, and what is wrong with it. */
export type Forgery = { what: string; token: string }

/** What a forger has: a token of their own, the public keys, a JWKS of theirs; and what no forger has, our key. */
export type Forge = {
  valid: string
  /** A second valid token, of somebody else. */
  other: string
  ours: JsonWebKey & { kid: string }
  issuer: string
  jwksUrl: string
  chance: Chance
}

export const encode = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
export const decode = (part: string | undefined): Json => JSON.parse(Buffer.from(part ?? '', 'base64url').toString())

export type Signer = (input: string) => Buffer
export const withKey =
  (key: KeyObject, hash: string | null = null): Signer =>
  (input) =>
    sign(hash, Buffer.from(input), key.asymmetricKeyType === 'ec' ? { key, dsaEncoding: 'ieee-p1363' } : key)

export const jws = (header: unknown, payload: unknown, signer: Signer) => {
  const input = `${encode(header)}.${encode(payload)}`
  return `${input}.${signer(input).toString('base64url')}`
}

export const partsOf = ({ valid }: Forge) => {
  const [head = '', body = '', signature = ''] = valid.split('.')
  return { head, body, signature, header: decode(head), payload: decode(body) }
}
export const oursOf = ({ ours }: Forge) => withKey(createPrivateKey({ key: ours, format: 'jwk' }))
