import { Buffer } from 'node:buffer'

const ALGORITHMS = {
  ES256: { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  RS256: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
} as const

const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** A JWT by a key of ours, as push services ask for it; the key is a JWK, or PKCS #8 in PEM. */
export async function signJwt(
  alg: keyof typeof ALGORITHMS,
  key: JsonWebKey | string,
  header: Record<string, string>,
  claims: Record<string, string | number>,
): Promise<string> {
  const algorithm = ALGORITHMS[alg]
  const imported =
    typeof key === 'string'
      ? await crypto.subtle.importKey('pkcs8', pemBytes(key), algorithm, false, ['sign'])
      : await crypto.subtle.importKey('jwk', key, algorithm, false, ['sign'])
  const said = `${part({ typ: 'JWT', alg, ...header })}.${part(claims)}`
  const signature = await crypto.subtle.sign(algorithm, imported, Buffer.from(said))
  return `${said}.${Buffer.from(signature).toString('base64url')}`
}

function pemBytes(pem: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(pem.replace(/-----[A-Z ]+-----/g, '').replace(/\s+/g, ''), 'base64'))
}
