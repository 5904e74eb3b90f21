import { Buffer } from 'node:buffer'
import { z } from 'zod'
import { AppError } from './errors.ts'

const Cursor = z.strictObject({
  l: z.string().max(200),
  k: z.array(z.union([z.string().max(600), z.number(), z.null()])).max(4),
})
type CursorKey = (string | number | null)[]

/** Where a page ended. `list` names the list with its sort, so that no other list takes it. */
export function encodeCursor(list: string, key: CursorKey): string {
  return Buffer.from(JSON.stringify({ l: list, k: key })).toString('base64url')
}

/** The key of the last item shown, which `key` describes; `invalid_cursor` when it is not one of this list's. */
export function decodeCursor<Key extends CursorKey>(list: string, cursor: string, key: z.ZodType<Key>): Key {
  const parsed = Cursor.safeParse(parse(cursor))
  const known = parsed.success && parsed.data.l === list ? key.safeParse(parsed.data.k) : undefined
  if (!known?.success) throw new AppError('invalid_cursor', 'The cursor was not made by this list with this sort')
  return known.data
}

function parse(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'))
  } catch {
    return null
  }
}

/** Cuts the one row more that was asked for, and says where the next page begins. */
export function toPage<T>(
  rows: T[],
  limit: number,
  cursorOf: (last: T) => string,
): { items: T[]; nextCursor: string | null } {
  const items = rows.slice(0, limit)
  const last = items.at(-1)
  return { items, nextCursor: rows.length > limit && last !== undefined ? cursorOf(last) : null }
}
