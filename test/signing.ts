import { createHash, generateKeyPairSync, randomUUID } from 'node:crypto'
import { createSigner, httpbis } from 'http-message-signatures'
import type { Call, Person, World } from './world.ts'

export type Algorithm = 'ed25519' | 'ecdsa-p256-sha256'
/** What is signed in place of what would be right. */
export type Over = {
  fields?: string[]
  params?: Record<string, string | number | undefined>
  digest?: string
  name?: string
}
type Sent = { method: string; url: string; body?: string | undefined; headers?: Record<string, string> | undefined }

const EMPTY = { created: undefined, expires: undefined, keyid: undefined, nonce: undefined, alg: undefined }

/** A key pair that signs as `http-message-signatures` does. */
export function newSigner(algorithm: Algorithm) {
  const { publicKey, privateKey } =
    algorithm === 'ed25519' ? generateKeyPairSync('ed25519') : generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const key = createSigner(privateKey, algorithm)
  return {
    publicKey,
    /** The headers of a request, its signature among them. */
    async sign(keyid: string, { method, url, body, headers }: Sent, over: Over = {}): Promise<Record<string, string>> {
      const content = body !== undefined && {
        'content-type': 'application/json',
        'content-digest': over.digest ?? digestOf(body),
      }
      const right = ['@method', '@target-uri', ...(content ? ['content-digest', 'content-type'] : [])]
      const created = Math.floor(Date.now() / 1000)
      const values = { ...EMPTY, created, keyid, nonce: randomUUID(), alg: algorithm, ...over.params }
      // Its own times are dates; whatever else is signed as it is.
      const paramValues = Object.fromEntries(
        Object.entries(values).flatMap(([name, value]) => {
          if (value === undefined) return []
          return [[name, /^(created|expires)$/.test(name) ? new Date(Number(value) * 1000) : value]]
        }),
      )
      const config = {
        key,
        name: over.name ?? 'sig',
        fields: over.fields ?? right,
        params: Object.keys(paramValues),
        paramValues,
      }
      const message = { method, url, headers: { ...headers, ...content } }
      const signed = await httpbis.signMessage(config, message)
      return Object.fromEntries(Object.entries(signed.headers).map(([name, value]) => [name, String(value)]))
    },
  }
}
export type Signer = ReturnType<typeof newSigner>

export const digestOf = (body: string, name: 'sha-256' | 'sha-512' = 'sha-256') =>
  `${name}=:${createHash(name.replace('-', '')).update(body).digest('base64')}:`

/** Registers the key as its person would; its keyid. */
export async function register(person: Person, { publicKey }: Signer, headers = {}): Promise<string> {
  const body = { name: 'mine', publicKey: publicKey.export({ format: 'jwk' }) }
  const answer = await person.api('POST', '/v1/signing-keys', { body, headers })
  if (answer.status !== 201) throw new Error(`registering a key answered ${answer.status}: ${answer.text}`)
  return JSON.parse(answer.text).id
}

/** Somebody with one key who demands signatures. */
export async function demanding(world: World, person: Person, algorithm: Algorithm = 'ed25519') {
  const signer = newSigner(algorithm)
  const keyid = await register(person, signer)
  const answer = await person.api('PUT', '/v1/signing-keys/policy', { body: { demand: true } })
  if (answer.status !== 200) throw new Error(`demanding answered ${answer.status}: ${answer.text}`)
  return { person, signer, keyid, send: signedCall(world, person, signer, keyid) }
}

/** Calls that are signed over the address that is told in the settings, where they go by another. */
export function signedCall(world: World, { accessToken }: Person, signer: Signer, keyid: string) {
  return async (method: string, path: string, body?: unknown, over?: Over, headers?: Record<string, string>) => {
    const raw = body === undefined ? undefined : JSON.stringify(body)
    const signed = await signer.sign(
      keyid,
      { method, url: `${world.vars.PUBLIC_URL}${path}`, body: raw, headers },
      over,
    )
    const options: Parameters<Call>[2] = { token: accessToken, headers: signed }
    return await world.call(method, path, raw === undefined ? options : { ...options, raw })
  }
}
