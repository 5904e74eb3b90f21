import { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'
import { AppError } from '#core'

// NIST SP 800-63B-4: 15 characters where the password is the only factor, 8 beside another; no rules of composition.
const MIN_ALONE = 15
const MIN_BESIDE_ANOTHER = 8
const MIN_WORD = 3
const OURS = ['aurelius']

/** How many characters a password must have. */
export function minPasswordLength(hasSecondFactor: boolean): number {
  return hasSecondFactor ? MIN_BESIDE_ANOTHER : MIN_ALONE
}

/** Whose password it is: what of them anybody would try first. */
export type PasswordOwner = { email: string; displayName: string; hasSecondFactor: boolean }

/** Refuses with `weak_password` what is too short, commonly used, or made of what is known of its owner. */
export async function requireStrong(password: string, owner: PasswordOwner, pointer = '/password'): Promise<void> {
  const detail = await weaknessOf(password, owner)
  if (detail) throw new AppError('weak_password', `The password ${detail}`, { errors: [{ pointer, detail }] })
}

async function weaknessOf(password: string, owner: PasswordOwner): Promise<string | undefined> {
  const least = minPasswordLength(owner.hasSecondFactor)
  if (lengthOf(password) < least) return `must have at least ${least} characters`
  const folded = foldPassword(password)
  const unit = /^(.+?)\1+$/su.exec(folded)?.[1] ?? folded
  if ([...unit].length < MIN_BESIDE_ANOTHER) return 'repeats too little, too often'
  if ((await isCommon(folded)) || (await isCommon(unit))) return 'is one of those that were leaked most often'
  const left = wordsOf(owner).reduce((text, word) => text.replaceAll(word, ''), folded)
  if (left !== folded && [...left.replace(/[\s\p{P}]/gu, '')].length < MIN_BESIDE_ANOTHER)
    return 'is made of your name, your address or ours; add something only you think of'
  return undefined
}

// As it is hashed; a character is a code point.
const lengthOf = (password: string) => [...password.normalize('NFKC')].length

/** Whether it may be the only factor. */
export const isLongPassword = (password: string) => lengthOf(password) >= MIN_ALONE

const foldPassword = (password: string) => password.normalize('NFKC').toLowerCase()

/** The longest first, so that none leaves the rest of another behind. */
function wordsOf({ email, displayName }: PasswordOwner): string[] {
  const address = foldPassword(email)
  const words = [address, ...address.split(/[^\p{L}\p{N}]+/u), ...foldPassword(displayName).split(/[^\p{L}\p{N}]+/u)]
  return [...OURS, ...words].filter(({ length }) => length >= MIN_WORD).sort((a, b) => b.length - a.length)
}

let filter: Uint8Array | undefined

/** Whether it is among the passwords of `common-passwords.ts`, which is read when the first password is set. */
async function isCommon(folded: string): Promise<boolean> {
  const { FILTER, FILTER_BITS, FILTER_PLACES } = await import('./common-passwords.ts')
  const bits = filter ?? Buffer.from(FILTER, 'base64')
  filter = bits
  const digest = createHash('sha256').update(folded, 'utf8').digest()
  const [first, step] = [digest.readUInt32BE(0), digest.readUInt32BE(4)]
  for (let n = 0; n < FILTER_PLACES; n++) {
    const place = (first + n * step) % FILTER_BITS
    if (!((bits[place >> 3] ?? 0) & (1 << (place & 7)))) return false
  }
  return true
}
