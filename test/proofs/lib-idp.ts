import { createHmac, createPrivateKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Events, OAuth2Issuer, OAuth2Service } from 'oauth2-mock-server'

export type Claims = Record<string, unknown>
type Header = Record<string, unknown>
/** What it does from now on, until it is set anew. */
export type Ways = {
  /** Over the claims of the ID token; undefined takes one away, a function says it when it is asked. */
  claims: Claims
  /** Makes another token of the one it would give. */
  forge?: (token: string) => unknown
  /** Answers the token endpoint itself. */
  fault?: (request: IncomingMessage, response: ServerResponse) => void
}
export type Idp = {
  url: string
  ways: Ways
  /** What it signs with. */
  key: KeyObject
  /** How often its token endpoint was asked. */
  asked: number
  /** Where a browser is sent back to once somebody signed in. */
  browse(authorizationUrl: URL): Promise<URL>
  close(): void
}
type Paths = { authorize: string; token: string; jwks: string }

const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url')
const decode = (part: string | undefined) => JSON.parse(Buffer.from(part ?? '', 'base64url').toString())
export const newRsaKey = () => generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
export const newEcKey = () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey

type Signer = (content: Buffer) => Buffer
export const rsa =
  (key: KeyObject, hash = 'sha256'): Signer =>
  (content) =>
    sign(hash, content, key)
export const ecdsa =
  (key: KeyObject): Signer =>
  (content) =>
    sign('sha256', content, { key, dsaEncoding: 'ieee-p1363' })
export const hmac =
  (secret: string | Buffer): Signer =>
  (content) =>
    createHmac('sha256', secret).update(content).digest()

/** The same token with another head or other claims, signed anew; without a signer by nobody. */
export function resigned(token: string, header: Header, claims: Claims, signer?: Signer): string {
  const [head, payload] = token.split('.')
  const content = `${encode({ ...decode(head), ...header })}.${encode({ ...decode(payload), ...claims })}`
  return `${content}.${signer?.(Buffer.from(content)).toString('base64url') ?? ''}`
}

/** A provider by oauth2-mock-server that gives whatever token it is told to, on loopback. */
export async function startIdp(paths: Paths, usual: (url: string) => Claims): Promise<Idp> {
  const issuer = new OAuth2Issuer()
  const service = new OAuth2Service(issuer, paths)
  const jwk = await issuer.keys.generate('RS256')
  const server = createServer((request, response) => {
    if (!request.url?.startsWith(paths.token)) return service.requestHandler(request, response)
    idp.asked++
    if (idp.ways.fault) idp.ways.fault(request, response)
    else service.requestHandler(request, response)
  })
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  const address = server.address()
  const url = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`
  issuer.url = url
  const idp: Idp = {
    url,
    ways: { claims: {} },
    key: createPrivateKey({ key: jwk, format: 'jwk' }),
    asked: 0,
    async browse(authorizationUrl) {
      const answer = await fetch(authorizationUrl, { redirect: 'manual' })
      const to = answer.headers.get('location')
      await answer.body?.cancel()
      if (!to) throw new Error(`the provider answered ${answer.status}`)
      return new URL(to)
    },
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
  service.on(Events.BeforeTokenSigning, ({ payload }: { payload: Claims }) => {
    // The access token, which nobody reads.
    if ('scope' in payload) return
    for (const [name, value] of Object.entries({ ...usual(url), ...idp.ways.claims })) {
      if (value === undefined) delete payload[name]
      else payload[name] = typeof value === 'function' ? value() : value
    }
  })
  service.on(Events.BeforeResponse, ({ body }: { body: Claims }) => {
    if (idp.ways.forge && typeof body['id_token'] === 'string') body['id_token'] = idp.ways.forge(body['id_token'])
  })
  return idp
}
