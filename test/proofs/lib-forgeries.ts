import { createHmac, createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import { makeId } from '../world.ts'
import { decode, type Forge, type Forgery, type Json, jws, oursOf, partsOf, type Signer, withKey } from './lib-jws.ts'
import { mangled } from './lib-mangled.ts'

const NOBODY: Signer = () => Buffer.alloc(0)
const hmac =
  (secret: string | Buffer, hash: string): Signer =>
  (input) =>
    createHmac(hash, secret).update(input).digest()
/** The keys of a forger, by algorithm. */
const THEIRS = {
  EdDSA: generateKeyPairSync('ed25519'),
  ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  RS256: generateKeyPairSync('rsa', { modulusLength: 2048 }),
}
/** What the forger's JWKS says, under our key's name too. */
export const theirJwks = (kid: string) => ({
  keys: Object.values(THEIRS).map(({ publicKey }) => ({ ...publicKey.export({ format: 'jwk' }), kid })),
})

/** Every forgery there is, the random ones chosen by chance. */
export function forgeries(forge: Forge): Forgery[] {
  return [...algorithms(forge), ...keysNamed(forge), ...types(forge), ...claims(forge), ...mangled(forge)].filter(
    ({ token }) => token !== forge.valid,
  )
}

function algorithms(forge: Forge): Forgery[] {
  const { header, payload, signature } = partsOf(forge)
  const { ours } = forge
  const publicPart = { kty: ours.kty, crv: ours.crv, x: ours.x }
  const pem = createPublicKey({ key: publicPart, format: 'jwk' }).export({ type: 'spki', format: 'pem' })
  const secrets: [string, string | Buffer][] = [
    ['the public key', Buffer.from(ours.x ?? '', 'base64url')],
    ['the public key as text', ours.x ?? ''],
    ['the public JWK', JSON.stringify(publicPart)],
    ['the public PEM', pem],
    ['nothing', ''],
    ['the kid', ours.kid],
    ['a guess', 'secret'],
  ]
  const none = ['none', 'None', 'NONE', 'nOnE', 'none ', '', null, undefined, 0, false, [], ['none'], {}]
  const others = ['eddsa', 'EDDSA', 'EdDSA ', 'Ed25519', 'Ed448', 'ES256', 'ES256K', 'ES512', 'RS256', 'PS256', 'dir']
  const odd = [['EdDSA'], { EdDSA: true }, 'HS256,EdDSA', true]
  return [
    ...none.flatMap((alg) =>
      [NOBODY, () => Buffer.from(signature, 'base64url'), () => randomBytes(64)].map((signer, at) => ({
        what: `alg ${JSON.stringify(alg)}, signature ${at}`,
        token: jws({ ...header, alg }, payload, signer),
      })),
    ),
    ...secrets.flatMap(([name, secret]) =>
      ['256', '384', '512'].map((bits) => ({
        what: `HS${bits} with ${name}`,
        token: jws({ ...header, alg: `HS${bits}` }, payload, hmac(secret, `sha${bits}`)),
      })),
    ),
    ...[...others, ...odd].flatMap((alg) => [
      { what: `alg ${JSON.stringify(alg)}, rightly signed`, token: jws({ ...header, alg }, payload, oursOf(forge)) },
      { what: `alg ${JSON.stringify(alg)}, unsigned`, token: jws({ ...header, alg }, payload, NOBODY) },
    ]),
  ]
}

function keysNamed(forge: Forge): Forgery[] {
  const { header, payload } = partsOf(forge)
  const { ours, jwksUrl } = forge
  const kids = ['', 'unknown', '0', '../../dev/null', '/etc/passwd', "' or 1=1 --", '__proto__', 'constructor', '*']
  const odd = [null, undefined, 0, 1, true, [ours.kid], { kid: ours.kid }, `${ours.kid} `, ours.kid.toUpperCase()]
  const wrongKid = [...kids, ...odd, 'k'.repeat(3000)].filter((kid) => kid !== ours.kid)
  const sets = Object.entries(THEIRS).flatMap(([alg, { publicKey, privateKey }]) => {
    const jwk = publicKey.export({ format: 'jwk' })
    const signer = withKey(privateKey, alg === 'EdDSA' ? null : 'sha256')
    const brought: Json[] = [
      {},
      { jwk },
      { jwk: { ...jwk, kid: ours.kid } },
      { jku: jwksUrl },
      { x5u: jwksUrl },
      { x5c: [Buffer.from('no certificate').toString('base64')] },
      { x5t: 'AAAA', 'x5t#S256': 'AAAA' },
      { jku: jwksUrl, jwk, x5u: jwksUrl },
      { iss: jwksUrl, jku: jwksUrl },
    ]
    return brought.flatMap((more) =>
      [ours.kid, 'theirs', undefined].flatMap((kid) =>
        [alg, 'EdDSA'].map((named) => ({
          what: `signed by a forger's ${alg} key as ${named}, kid ${kid}, with ${Object.keys(more).join()}`,
          token: jws({ ...header, alg: named, kid, ...more }, payload, signer),
        })),
      ),
    )
  })
  return [
    ...wrongKid.map((kid) => ({
      what: `kid ${JSON.stringify(kid)}`.slice(0, 60),
      token: jws({ ...header, kid }, payload, oursOf(forge)),
    })),
    ...sets,
  ]
}

function types(forge: Forge): Forgery[] {
  const { header, payload } = partsOf(forge)
  const wrong = ['JWT', 'jwt', 'rt+jwt', 'id+jwt', 'dpop+jwt', 'secevent+jwt', 'application/jwt', 'at', 'jwt+at', '']
  const odd = [null, undefined, 0, true, ['at+jwt'], {}, 'at+jwt;x=1', 'at+jwt ', 'xat+jwt', 'at+jwtx']
  const crit: Json[] = [
    { crit: ['exp'] },
    { crit: [] },
    { crit: ['b64'], b64: false },
    { crit: 'x' },
    { crit: ['x'], x: 1 },
  ]
  return [...[...wrong, ...odd].map((typ) => ({ typ })), ...crit].map((more) => ({
    what: `header ${JSON.stringify(more)}`,
    token: jws({ ...header, ...more }, payload, oursOf(forge)),
  }))
}

/** Rightly signed, as if for something else: other claims than an access token of ours has. */
function claims(forge: Forge): Forgery[] {
  const { header, payload } = partsOf(forge)
  const now = Math.floor(Date.now() / 1000)
  const { issuer } = forge
  const places = [undefined, null, '', 'https://elsewhere.example', `${issuer}/`, issuer.toUpperCase(), 0, {}, [], true]
  const near = [
    `${issuer}.evil.example`,
    `${issuer} `,
    ` ${issuer}`,
    issuer.replace('http:', 'https:'),
    'aurelius.test',
  ]
  const wrong: Json[] = [
    ...[...places, ...near, [issuer]].map((iss) => ({ iss })),
    ...[...places, ...near, ['https://elsewhere.example']].map((aud) => ({ aud })),
    ...[undefined, null, '', 0, [payload.sub], {}, makeId('usr'), 'system', 'operator'].map((sub) => ({ sub })),
    ...[undefined, null, '', 0, [payload.sid], {}, makeId('ses'), payload.sub, 'key_'].map((sid) => ({ sid })),
    { sub: decode(forge.other.split('.')[1]).sub },
    { sid: decode(forge.other.split('.')[1]).sid },
    ...[now - 6, now - 3600, 0, -1, -1e15, undefined, null, '', String(now + 600), 'never', [now + 600], {}, true].map(
      (exp) => ({ exp }),
    ),
    ...[now + 60, now + 3600, 1e15, 'never', '0', [0], {}].map((nbf) => ({ nbf })),
    ...[undefined, null, 'never', String(now), [now], {}].map((iat) => ({ iat })),
  ]
  return wrong.map((more) => ({
    what: `claims ${JSON.stringify(more)} ${Object.keys(more).join()}`,
    token: jws(header, { ...payload, ...more }, oursOf(forge)),
  }))
}
