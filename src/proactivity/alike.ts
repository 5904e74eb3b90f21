import { createHash } from 'node:crypto'

// Words that say nothing of what a suggestion is about.
const EMPTY = new Set(
  `a an the and or of to for in on at by with from about your you my me i we our it its is are was be been will would
   should could can may might do does did have has had this that these those there here up out off over again now then
   please maybe just also still some any more most very so as if when what which who how not no yes want like shall
   let us let's get got make time today tomorrow tonight soon`
    .split(/\s+/)
    .filter(Boolean),
)
// What differs in these is another thing, however near the rest: numbers, and days and months by name.
const TELLING =
  /^(?:\d.*|mon|tues|wednes|thurs|fri|satur|sun|monday|tuesday|wednesday|thursday|friday|saturday|sunday|january|february|march|april|may|june|july|august|september|october|november|december)$/

/** A word without its ending, so that `reviewing` and `reviews` are one. */
function stem(word: string): string {
  if (word.length <= 3 || /\d/.test(word)) return word
  const bare = word.replace(/(?:'s|s')$/, '')
  const cut = bare
    .replace(/(?:ations?|ings?|ed|ies|es|s|ly|er|ers)$/, '')
    .replace(/([bdfgklmnprt])\1$/, '$1')
    .replace(/[eiy]$/, '')
  return cut.length >= 3 ? cut : bare
}

type Words = { words: Set<string>; telling: Set<string>; names: Set<string> }

/** What a text is about: stems of its words, and apart from these the numbers, days and names in it. */
function wordsOf(text: string): Words {
  const words = new Set<string>()
  const telling = new Set<string>()
  const names = new Set<string>()
  let isFirst = true
  for (const [raw] of text.matchAll(/[\p{L}\p{N}][\p{L}\p{N}'\u2019.:/-]*/gu)) {
    const word = raw.replace(/[.:/'\u2019-]+$/, '')
    const low = word.toLowerCase().replace('\u2019', "'")
    if (TELLING.test(low)) telling.add(low)
    else if (!EMPTY.has(low)) {
      words.add(stem(low))
      // A capital that no sentence asked for.
      if (!isFirst && /^\p{Lu}/u.test(word)) names.add(stem(low))
    }
    isFirst = false
  }
  return { words, telling, names }
}

const within = (a: Set<string>, b: Set<string>) => [...a].filter((word) => b.has(word)).length

/** Whether one names something the other leaves open or says otherwise. */
function isOther(a: Words, b: Words): boolean {
  const told = within(a.telling, b.telling)
  if (told < a.telling.size && told < b.telling.size) return true
  const named = (one: Words, two: Words) => [...one.names].every((name) => two.words.has(name))
  return a.names.size > 0 && b.names.size > 0 && !named(a, b) && !named(b, a)
}

/** 0 to 1: what share of the words of both is in either, where nothing that tells them apart differs. */
export function wordLikeness(one: string, two: string): number {
  const [a, b] = [wordsOf(one), wordsOf(two)]
  if (isOther(a, b)) return 0
  const both = within(a.words, b.words)
  const all = a.words.size + b.words.size - both
  return all === 0 ? 0 : both / all
}

/** Half of the words alike, by which no two of our pairs that differ were taken for one. */
export const WORDS_ALIKE = 0.5
export const MEANING_ALIKE = 0.72

/** Of two that mean nearly the same by their vectors: whether names, numbers or days tell them apart. */
export function isTold(one: string, two: string): boolean {
  return isOther(wordsOf(one), wordsOf(two))
}

/** Of what is offered, whoever offers it and however it is worded around. */
export function fingerprintOf(kind: string, title: string, actions: { kind: string; input: object }[]): string {
  const words = title
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}]+/gu, ' ')
    .trim()
  const acts = actions.map(({ kind: act, input }) => [act, sorted(input)])
  return createHash('sha256')
    .update(JSON.stringify([kind, words, acts]))
    .digest('base64url')
    .slice(0, 32)
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, of]) => [name, sorted(of)])
}
