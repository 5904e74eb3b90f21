const PREFIX = 'aur_live_'
const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const NAME_CHARS = 10
// 43 of 62 letters are 256 bits.
const SECRET_CHARS = 43
const CHECKSUM_CHARS = 6
const SHAPE = new RegExp(`^${PREFIX}[0-9A-Za-z]{${NAME_CHARS + SECRET_CHARS + CHECKSUM_CHARS}}$`)

/** Letters of equal chance: a byte over the last multiple of 62 is drawn again. */
function draw(length: number): string {
  let out = ''
  while (out.length < length) {
    for (const byte of crypto.getRandomValues(new Uint8Array(length * 2)))
      if (byte < 248 && out.length < length) out += ALPHABET[byte % 62]
  }
  return out
}

function crc32(text: string): number {
  let crc = -1
  for (const byte of new TextEncoder().encode(text)) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
  }
  return ~crc >>> 0
}

/** CRC-32 of all before it, as six letters: a scanner knows a leaked key from a text that looks like one. */
function checksumOf(text: string): string {
  let out = ''
  for (let left = crc32(text); out.length < CHECKSUM_CHARS; left = Math.floor(left / 62))
    out = ALPHABET[left % 62] + out
  return out
}

/** The part that is no secret, by which a key is found and shown. */
export function newPrefix(): string {
  return PREFIX + draw(NAME_CHARS)
}

/** A new secret under a prefix. */
export function newKeyToken(prefix: string): string {
  const text = prefix + draw(SECRET_CHARS)
  return text + checksumOf(text)
}

/** Whether a token claims to be a key. */
export function isKeyToken(token: string): boolean {
  return token.startsWith(PREFIX)
}

/** The prefix to look a key up by; undefined for what was never a key of ours. */
export function prefixOf(token: string): string | undefined {
  const isWhole = SHAPE.test(token) && checksumOf(token.slice(0, -CHECKSUM_CHARS)) === token.slice(-CHECKSUM_CHARS)
  return isWhole ? token.slice(0, PREFIX.length + NAME_CHARS) : undefined
}
