import { createPublicKey } from 'node:crypto'
import { makeId } from '../world.ts'
import { type Claims, ecdsa, hmac, newEcKey, newRsaKey, resigned, rsa } from './lib-idp.ts'
import { AWAY, type Case, NOBODY, NOT_TRUE, TAKEN, tried } from './lib-oauth.ts'
import { type Given, type Name, type Scene, TENANT } from './lib-sign-in.ts'

const fromNow = (seconds: number) => () => Math.floor(Date.now() / 1000) + seconds
const claiming = (name: string, claims: Claims, at: Name = 'google', refused = NOT_TRUE) =>
  tried(`an ID token with ${name}`, refused, { name: at, ways: { claims } })
const CLAIMS: Case[] = [
  claiming('a wrong nonce', { nonce: 'A'.repeat(43) }),
  claiming('no nonce', { nonce: undefined }),
  claiming('an empty nonce', { nonce: '' }),
  claiming('another issuer', { iss: 'https://evil.example' }),
  claiming('no issuer', { iss: undefined }),
  claiming('another audience', { aud: 'client-of-others' }),
  claiming('no audience', { aud: undefined }),
  claiming('two audiences and no azp', { aud: ['client-google', 'client-of-others'] }),
  claiming('two audiences and the azp of another', { aud: ['client-google', 'x'], azp: 'client-of-others' }),
  claiming('the azp of another', { azp: 'client-of-others' }),
  claiming('an end two minutes ago', { exp: fromNow(-120) }),
  claiming('no end', { exp: undefined }),
  claiming('an issue two minutes ahead', { iat: fromNow(120) }),
  claiming('an issue an hour ago', { iat: fromNow(-3600) }),
  claiming('no issue', { iat: undefined }),
  claiming('a beginning two minutes ahead', { nbf: fromNow(120) }),
  claiming('no subject', { sub: undefined }),
  claiming('an empty subject', { sub: '' }),
  claiming('a subject that is no text', { sub: 1 }),
  claiming('another tenant than its issuer', { tid: makeId('usr') }, 'microsoft'),
  claiming('no tenant', { tid: undefined }, 'microsoft'),
  claiming('an issuer that is no tenant', { iss: 'https://evil.example/common/v2.0', tid: 'common' }, 'microsoft'),
]

const signed = (name: string, forge: (token: string, scene: Scene) => unknown, refused = NOT_TRUE): Case => ({
  name: `an ID token ${name}`,
  refused,
  run: (scene) => scene.attempt({ ways: { forge: (token) => forge(token, scene) } }),
})
const publicPem = ({ idps }: Scene) => createPublicKey(idps.google.key).export({ type: 'spki', format: 'pem' })

const SIGNATURES: Case[] = [
  ...['none', 'None', 'NONE', 'nOnE'].map((alg) =>
    signed(`of algorithm ${alg}`, (token) => resigned(token, { alg }, {})),
  ),
  signed('by HMAC with the public key', (token, scene) =>
    resigned(token, { alg: 'HS256' }, {}, hmac(publicPem(scene))),
  ),
  signed('by another key of the same name', (token) => resigned(token, {}, {}, rsa(newRsaKey()))),
  signed('by a key of no known name', (token) => resigned(token, { kid: 'unknown' }, {}, rsa(newRsaKey()))),
  signed('by a curve', (token) => resigned(token, { alg: 'ES256' }, {}, ecdsa(newEcKey()))),
  signed('by the right key and another hash', (token, { idps }) =>
    resigned(token, { alg: 'RS512' }, {}, rsa(idps.google.key, 'sha512')),
  ),
  signed('that brings its own key', (token) => {
    const key = newRsaKey()
    return resigned(token, { jwk: createPublicKey(key).export({ format: 'jwk' }), kid: undefined }, {}, rsa(key))
  }),
  signed('that says where its key is', (token) =>
    resigned(token, { jku: 'https://evil.example' }, {}, rsa(newRsaKey())),
  ),
  signed('with a critical header', (token, { idps }) =>
    resigned(token, { crit: ['x'], x: 1 }, {}, rsa(idps.google.key)),
  ),
  signed('whose claims were changed', (token) => {
    const [, , signature] = token.split('.')
    return `${resigned(token, {}, { sub: 'somebody-else' })}${signature}`
  }),
  signed('without a signature', (token) => `${token.split('.').slice(0, 2).join('.')}.`),
  signed('that is none', () => 'not.a.token'),
  signed('that is not there', () => undefined, AWAY),
]

const victims = (name: string, at: Name, claims: Claims, refused: RegExp): Case => ({
  name,
  at,
  refused,
  run: ({ attempt, victim }) =>
    attempt({ name: at, ways: { claims: { sub: makeId('usr'), email: victim.email, ...claims } } }),
})

const TAKEOVERS: Case[] = [
  victims('an unverified address that is taken', 'google', { email_verified: false }, NOBODY),
  victims('an address that is said to be verified in another way', 'google', { email_verified: 'yes' }, NOBODY),
  victims('an address without a word of it', 'google', { email_verified: undefined }, NOBODY),
  victims('a verified address that is taken', 'google', {}, TAKEN),
  {
    name: 'the same in capitals',
    refused: TAKEN,
    run: ({ attempt, victim }) =>
      attempt({ ways: { claims: { sub: makeId('usr'), email: victim.email.toUpperCase() } } }),
  },
  victims("the victim's address at a second provider", 'apple', {}, TAKEN),
  victims(
    "the victim's address at Microsoft, verified or not",
    'microsoft',
    { email_verified: true, xms_edov: true },
    NOBODY,
  ),
  claiming('an unverified address that is free', { sub: makeId('usr'), email_verified: false }, 'google', NOBODY),
  {
    name: "the victim's subject at a second provider",
    at: 'apple',
    refused: TAKEN,
    async run({ attempt, world, victim }) {
      const [row] = await world.query("select subject from identities where user_id = $1 and provider = 'google'", [
        victim.userId,
      ])
      return await attempt({ name: 'apple', ways: { claims: { sub: row?.subject, email: victim.email } } })
    },
  },
  {
    name: "the victim's subject in another tenant",
    at: 'microsoft',
    refused: NOBODY,
    run({ attempt, idps }) {
      const tid = TENANT.replace('1', '2')
      return attempt({ name: 'microsoft', ways: { claims: { iss: `${idps.microsoft.url}/${tid}/v2.0`, tid } } })
    },
  },
  tried("an address beside Apple's token", NOBODY, {
    name: 'apple',
    ways: { claims: { sub: makeId('usr'), email: undefined, email_verified: undefined } },
    back: (step) => ({
      ...step,
      form: { ...step.form, user: '{"email":"me@example.com","name":{"firstName":"Sam"}}' },
    }),
  }),
]

const faulty = (name: string, fault: NonNullable<NonNullable<Given['ways']>['fault']>): Case =>
  tried(`a token endpoint that ${name}`, AWAY, { ways: { fault } })

const FAULTS: Case[] = [
  faulty('answers 500', (_, response) => response.writeHead(500).end('{}')),
  faulty('sends on to another', (_, response) => response.writeHead(307, { location: 'http://127.0.0.1:9/' }).end()),
  faulty('answers with a page', (_, response) => response.writeHead(200).end('<html></html>')),
  faulty('hangs up', (request) => request.socket.destroy()),
  faulty('does not know us', (_, response) => response.writeHead(401).end('{"error":"invalid_client"}')),
  faulty('has no end', (_, response) => {
    response.writeHead(200)
    for (let sent = 0; sent < 40; sent++) response.write(' '.repeat(10_000))
  }),
  tried('a code the provider refuses', NOT_TRUE, {
    ways: { fault: (_, response) => response.writeHead(400).end('{"error":"invalid_grant"}') },
  }),
]

/** What is wrong with a token, with whom it names, or with who gives it. */
export const TOKEN_ATTACKS: Case[] = [...CLAIMS, ...SIGNATURES, ...TAKEOVERS, ...FAULTS]
