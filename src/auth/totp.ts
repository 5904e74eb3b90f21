import { createHmac, timingSafeEqual } from 'node:crypto'

const DIGITS = 6
const STEP_S = 30
const SECRET_BYTES = 20
const ISSUER = 'Aurelius'
const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** 160 bits in base32, as authenticator apps take them. */
export function newSecret(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(SECRET_BYTES))
  let bits = ''
  for (const byte of bytes) bits += byte.toString(2).padStart(8, '0')
  return (bits.match(/.{5}/g) ?? []).map((five) => BASE32[Number.parseInt(five, 2)]).join('')
}

function bytesOf(secret: string): Uint8Array {
  const bits = [...secret].map((letter) => BASE32.indexOf(letter).toString(2).padStart(5, '0')).join('')
  return Uint8Array.from(bits.match(/.{8}/g) ?? [], (eight) => Number.parseInt(eight, 2))
}

/** The code of one half minute (RFC 4226, 5.3). */
function codeAt(secret: string, step: number): string {
  const counter = new Uint8Array(8)
  new DataView(counter.buffer).setBigUint64(0, BigInt(step))
  const mac = createHmac('sha1', bytesOf(secret)).update(counter).digest()
  const number = mac.readUInt32BE((mac.at(-1) ?? 0) & 15) & 0x7fffffff
  return String(number % 10 ** DIGITS).padStart(DIGITS, '0')
}

/** The half minute whose code this is, of now and the ones beside it; null when of none. The time it takes tells nothing. */
export function stepOf(secret: string, code: string, at: Date): number | null {
  const now = Math.floor(at.getTime() / 1000 / STEP_S)
  const given = new TextEncoder().encode(code)
  const right = [now - 1, now, now + 1].filter((step) => {
    const expected = new TextEncoder().encode(codeAt(secret, step))
    return given.byteLength === expected.byteLength && timingSafeEqual(given, expected)
  })
  return right.at(-1) ?? null
}

/** What a QR code says to an authenticator app. */
export function otpauthUri(secret: string, account: string): string {
  const parameters = new URLSearchParams({ secret, issuer: ISSUER, algorithm: 'SHA1', digits: '6', period: '30' })
  return `otpauth://totp/${ISSUER}:${encodeURIComponent(account)}?${parameters}`
}
