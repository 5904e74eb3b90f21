import { Buffer } from 'node:buffer'
import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto'

/** What a page is given to pass on to `navigator.credentials`. */
type Creation = { challenge: string; rp: { id: string }; user: { id: string } }
type Request = { challenge: string; rpId: string }

/** What an authenticator may do that it should not, or not do that it should. */
export type Manners = {
  origin?: string
  rpId?: string
  isVerified?: boolean
  isPresent?: boolean
  /** In place of the next one. */
  counter?: number
  userHandle?: string | null
  type?: string
}

const ES256 = -7
const FLAGS = { present: 1, verified: 4, backupEligible: 8, backedUp: 16, attested: 64 }
const sha256 = (data: string | Uint8Array) => createHash('sha256').update(data).digest()
const base64url = (data: string | Uint8Array) => Buffer.from(data).toString('base64url')

type Cbor = number | string | Uint8Array | Map<number | string, Cbor>

/** As much of CBOR (RFC 8949) as WebAuthn writes. */
function cbor(value: Cbor): Buffer {
  if (typeof value === 'number') return value < 0 ? head(1, -1 - value) : head(0, value)
  if (typeof value === 'string') return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)])
  if (value instanceof Uint8Array) return Buffer.concat([head(2, value.length), value])
  return Buffer.concat([head(5, value.size), ...[...value].flatMap(([key, one]) => [cbor(key), cbor(one)])])
}

function head(kind: number, count: number): Buffer {
  if (count < 24) return Buffer.from([(kind << 5) | count])
  if (count < 256) return Buffer.from([(kind << 5) | 24, count])
  return Buffer.from([(kind << 5) | 25, count >> 8, count & 255])
}

/** A device with one passkey, on a page of `origin`: it signs what it is asked to, with whatever manners it is told. */
export function createAuthenticator(origin: string) {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const { x = '', y = '' } = publicKey.export({ format: 'jwk' })
  const id = randomBytes(32)
  let counter = 0
  let handle = ''

  function dataOf(rpId: string, manners: Manners, attested = Buffer.alloc(0)): Buffer {
    counter = manners.counter ?? counter + 1
    const { isPresent = true, isVerified = true } = manners
    const flags =
      (isPresent ? FLAGS.present : 0) |
      (isVerified ? FLAGS.verified : 0) |
      (attested.length > 0 ? FLAGS.attested : 0) |
      FLAGS.backupEligible |
      FLAGS.backedUp
    const rest = Buffer.alloc(5)
    rest.writeUInt8(flags)
    rest.writeUInt32BE(counter, 1)
    return Buffer.concat([sha256(manners.rpId ?? rpId), rest, attested])
  }
  const clientData = (type: string, challenge: string, manners: Manners) =>
    JSON.stringify({ type: manners.type ?? type, challenge, origin: manners.origin ?? origin, crossOrigin: false })
  const credential = (response: object) => ({
    id: base64url(id),
    rawId: base64url(id),
    type: 'public-key',
    authenticatorAttachment: 'platform',
    clientExtensionResults: {},
    response,
  })

  return {
    /** `navigator.credentials.create`. */
    create({ challenge, rp, user }: Creation, manners: Manners = {}) {
      handle = user.id
      const point = [x, y].map((part) => Buffer.from(part, 'base64url'))
      const key = cbor(
        new Map<number, Cbor>([
          [1, 2],
          [3, ES256],
          [-1, 1],
          [-2, point[0] ?? id],
          [-3, point[1] ?? id],
        ]),
      )
      const attested = Buffer.concat([Buffer.alloc(16), Buffer.from([0, id.length]), id, key])
      const authData = dataOf(rp.id, manners, attested)
      const object = new Map<string, Cbor>([
        ['fmt', 'none'],
        ['attStmt', new Map()],
        ['authData', authData],
      ])
      return credential({
        clientDataJSON: base64url(clientData('webauthn.create', challenge, manners)),
        attestationObject: base64url(cbor(object)),
        authenticatorData: base64url(authData),
        transports: ['internal', 'hybrid'],
        publicKeyAlgorithm: ES256,
      })
    },
    /** `navigator.credentials.get`. */
    get({ challenge, rpId }: Request, manners: Manners = {}) {
      const authenticatorData = dataOf(rpId, manners)
      const clientDataJSON = clientData('webauthn.get', challenge, manners)
      const signed = Buffer.concat([authenticatorData, sha256(clientDataJSON)])
      return credential({
        clientDataJSON: base64url(clientDataJSON),
        authenticatorData: base64url(authenticatorData),
        signature: base64url(sign('sha256', signed, privateKey)),
        userHandle: manners.userHandle === undefined ? handle : manners.userHandle,
      })
    },
  }
}
