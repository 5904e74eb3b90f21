import { sql } from 'drizzle-orm'
import type { Ctx } from '#core'
import { sign } from '#security'
import { recoveryCodes } from './tables.ts'

const CODES = 10
const GROUPS = 6
const LETTERS = '0123456789abcdefghjkmnpqrstvwxyz'

/** 120 bits in six groups of four letters: too many to guess, so that a fast hash is enough. */
function newCode(): string {
  const letters = [...crypto.getRandomValues(new Uint8Array(GROUPS * 4))].map((byte) => LETTERS[byte % 32])
  return Array.from({ length: GROUPS }, (_, n) => letters.slice(n * 4, n * 4 + 4).join('')).join('-')
}

/** What is stored of a code, however it was copied: letters that look alike are one. */
export function hashCode({ config }: Pick<Ctx, 'config'>, code: string): string {
  const letters = code.toLowerCase().replace(/[^0-9a-z]/g, '')
  return sign(config.auth.passwordPepper, 'recovery code', letters.replaceAll('o', '0').replace(/[il]/g, '1'))
}

/** Ten new codes, and what puts them in place of those before, for each row of the CTE `who`. */
export function replaceCodes(ctx: Pick<Ctx, 'db' | 'config'>) {
  const codes = Array.from({ length: CODES }, newCode)
  const hashes = JSON.stringify(codes.map((code) => hashCode(ctx, code)))
  const gone = sql`delete from ${recoveryCodes} where user_id in (select user_id from who)`
  const made = sql`insert into ${recoveryCodes} (hash, user_id)
    select value, user_id from who, json_array_elements_text(${hashes}::json)`
  return { codes, ctes: [ctx.db.$with('gone', {}).as(gone), ctx.db.$with('made', {}).as(made)] as const }
}
