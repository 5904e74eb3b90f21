/** What one result of a tool may hold: a model reads it, every device is sent it, the answer keeps it. */
export const MAX_OUTPUT_CHARS = 16_000

const ROOM_FOR_NOTE = 200

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** An output that fits: of a list the first items and how many `more` there are, of anything else its beginning. */
export function bounded(output: unknown, max = MAX_OUTPUT_CHARS): unknown {
  const text = JSON.stringify(output) ?? 'null'
  if (text.length <= max) return output
  if (isRecord(output) && Array.isArray(output['items'])) {
    const { items, nextCursor: _, ...rest } = output
    const kept = fitting(items, max - JSON.stringify(rest).length - ROOM_FOR_NOTE)
    const note = `Only the first ${kept.length} are shown: ask for fewer or narrow it`
    if (kept.length > 0) return { ...rest, items: kept, more: items.length - kept.length, note }
  }
  // Half, because each quote in it is written as two characters.
  const beginning = text.slice(0, max / 2 - ROOM_FOR_NOTE).toWellFormed()
  return { note: `The result had ${text.length} characters; this is its beginning, as text`, beginning }
}

function fitting(items: unknown[], max: number): unknown[] {
  let left = max
  const over = items.findIndex((item) => {
    left -= JSON.stringify(item ?? null).length + 1
    return left < 0
  })
  return over < 0 ? items : items.slice(0, over)
}

// In an output that `bounded` made text of.
const OTHERS = /\\?"tainted\\?":true/

/** Whether rows that others' words are in are among an output. */
export function holdsOthersWords(output: unknown): boolean {
  if (typeof output === 'string') return OTHERS.test(output)
  if (Array.isArray(output)) return output.some(holdsOthersWords)
  if (!isRecord(output)) return false
  return output['tainted'] === true || Object.values(output).some(holdsOthersWords)
}
/** Whether `bounded` left something of it out. */
export const wasCut = (output: unknown): boolean =>
  isRecord(output) && typeof output['note'] === 'string' && ('beginning' in output || 'more' in output)

/** The same text for the same JSON: what comes back from the database has its keys in another order. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    isRecord(part) ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1))) : part,
  )
}
