import type { World } from './intent.ts'
import { raw, reG } from './pattern.ts'
import { scan } from './scan.ts'
import { readWhen, type When } from './when.ts'

const TRAILING = reG(
  raw`\s*\b(?:(?:at the |the )?same time|instead|please|(?<!from )now|then|rather|actually|latest|`,
  raw`at the latest|works better|i mean|i meant|i guess|i think|(?:instead|rather) (?:of|`,
  raw`than) .{1,20}|is better|would be better|sharp|if possible)$`,
)
const FILLING = /\b(?:on|at|by|for|to|the|due|o'clock|just|only|like|maybe|around|about|or so)\b|[^\p{L}\p{N}]/giu
/** Time is said in few words: what is longer, or joined more often, is something else. */
const MAX_TIME_CHARS = 70
const MAX_JOINTS = 6

const plain = (text: string) =>
  text
    .trim()
    .replace(/[.!?]+$/, '')
    .replace(TRAILING, '')

/** Only time, nothing else: "friday at 5 instead". */
export function onlyWhen(text: string, world: World, bare = true): When | undefined {
  const t = plain(text)
  if (t === '' || t.length > MAX_TIME_CHARS) return undefined
  const { when, rest } = readWhen(t, world.clock, { bare })
  return when && rest.replace(FILLING, ' ').trim() === '' && !when.lead ? when : undefined
}

/** Where the last words of the text begin to be about time alone. */
function trailingRun(text: string, world: World, bare: boolean): number | undefined {
  const pieces = scan(text, world.clock, { bare })
  let start: number | undefined
  let edge = text.length
  for (const p of pieces.toReversed()) {
    if (
      !/^[\s,]*(?:at|on|by|in|for|the)?[\s,]*$/i.test(text.slice(p.end, edge)) ||
      p.core.kind === 'length' ||
      p.possessive
    )
      break
    start = p.start
    edge = p.start
  }
  return start
}

const DANGLING = /(?:[\s,]+(?:to be|to|until|till|til|for|on|by|at|from|is|be|due|back|over|out|up|->))+$/i
const EMPTY = /^(?:to|until|the|my|it's|is)?$/i
const JOINER = /\s+(?:back to|over to|out to|forward to|up to|to be due|to|until|till|til|for|on|by|at|from|->)\s+/gi

function byJoiner(text: string, world: World): { name: string; when: When } | undefined {
  for (const m of [...text.matchAll(JOINER)].slice(-MAX_JOINTS)) {
    const name = text.slice(0, m.index).trim()
    const right = text.slice(m.index + m[0].length)
    const when = EMPTY.test(name) ? undefined : (onlyWhen(right, world) ?? onlyWhen(`${m[0].trim()} ${right}`, world))
    if (when) return { name, when }
  }
  return undefined
}

/** "the report to friday at 5": the name, and the time at its end. */
export function splitWhen(body: string, world: World): { name: string; when: When } | undefined {
  const text = plain(body)
  for (const bare of [false, true]) {
    const start = trailingRun(text, world, bare)
    if (!start || (bare && !/^(?:to|for|at|until|till|by|around|about|from|@)\b/i.test(text.slice(start)))) continue
    const name = text.slice(0, start).replace(DANGLING, '').trim()
    const when = onlyWhen(text.slice(start), world)
    if (when && !EMPTY.test(name)) return { name, when }
  }
  return byJoiner(text, world)
}
