/**
 * Whether two requests ask the same, for a semantic cache that must never be fooled: embeddings hardly tell a name, a
 * number or a "not" apart. Every word must be found again, in its place; only what the short lists below say may differ.
 * The lists are English: in another language only the same words are alike.
 */
export type Alike = { ok: true } | { ok: false; reason: string }

/** `isNamed`: begins with a capital; null where every word would. `isRaw`: quoted, or what the request is about. */
type Word = { text: string; isNamed: boolean | null; isRaw: boolean }

const CONTRACTIONS: [RegExp, string][] = [
  [/\bcan't\b|\bcannot\b/gi, 'can not'],
  [/\bwon't\b/gi, 'will not'],
  [/n't\b/gi, ' not'],
  [/\b(what|who|where|how|when|why|it|that|there)'s\b/gi, '$1 is'],
  [/'m\b/gi, ' am'],
  [/'re\b/gi, ' are'],
  [/'ll\b/gi, ' will'],
  [/'ve\b/gi, ' have'],
  [/'d\b/gi, ' would'],
  [/(\d),(?=\d{3}(?!\d))/g, '$1'],
  [/(\p{L})-(?=\p{L})/gu, '$1 '],
  [/%/g, ' percent '],
]

const QUOTED = /("[^"]+"|(?<=^|\s)'[^']+'(?![\p{L}\p{N}]))/u
// A possessive, a number with its points and colons, a word, a factorial; then any sign but plain punctuation.
const WORD = /'s\b|\p{N}+(?:[.:/-]\p{N}+)*|[\p{L}\p{M}]+|(?<=\p{N})!|\.(?=\p{N})|[^\s\p{L}\p{N}.,;:!?]/gu

const phrases = (lines: string[]): [string[], string[]][] =>
  lines
    .map((line): [string[], string[]] => {
      const [from = '', to = ''] = line.split('=')
      return [from.split(' '), to.split(' ').filter(Boolean)]
    })
    .sort((a, b) => b[0].length - a[0].length)

// How a request may begin, and what that comes to.
const MANNERS = phrases([
  'please=',
  'can you=',
  'could you=',
  'can you please=',
  'could you please=',
  'i want you to=',
  'i would like you to=',
])
const OPENINGS = phrases([
  'how do i=how',
  'how can i=how',
  'how to=how',
  'show me how to=how',
  'tell me how to=how',
  'explain how to=how',
  'what can i do to=how',
  'what is the way to=how',
  'what is a way to=how',
  'what are ways to=how',
  'what are some ways to=how',
  'what is the best way to=how',
  'what is a good way to=how',
  'what is the right way to=how',
  'what is the proper way to=how',
  'what is the easiest way to=how',
  'explain why=why',
  'explain what=what',
  'describe what=what',
  'tell me what=what',
  'what are some=what are',
  'what is the meaning of=what is',
  'which=what',
  'define=what',
  'tell me=give',
  'give me=give',
  'give me some=give',
  'recommend=suggest',
  'write me=write',
  'draft=write',
  'help me write=write',
  'i need help writing=write',
])
const QUESTION_WORDS = new Set(['how', 'what', 'why', 'who', 'whose', 'when', 'where'])
const YES_OR_NO = new Set(['is', 'are', 'am', 'do'])
// "Explain the plan" is not "what is the plan"; "explain inflation" is "what is inflation".
const DETERMINERS = new Set('the this that these those my your our his her its their'.split(' '))
const ARTICLES = new Set(['a', 'an', 'the'])
const BEING = new Set(['is', 'are', 'am'])
// In short requests an article is half of what is said: "what is the matter?", "what is matter?".
const SHORT = 4
const SAME = new Map(
  Object.entries({
    does: 'do',
    colour: 'color',
    colours: 'colors',
    centre: 'center',
    kilometres: 'km',
    kilometers: 'km',
    summarise: 'summarize',
    apologise: 'apologize',
    organise: 'organize',
    fridge: 'refrigerator',
    repair: 'fix',
    ...Object.fromEntries(
      'zero one two three four five six seven eight nine ten eleven twelve'.split(' ').map((word, i) => [word, `${i}`]),
    ),
  }),
)
const NEGATIONS = new Set('not no never none nothing nobody without neither nor except hardly'.split(' '))
const DATES = new Set(
  `monday tuesday wednesday thursday friday saturday sunday january february march april may june july august september
  october november december spring summer autumn winter`.split(/\s+/),
)

/** Whether an answer to one is an answer to the other; `reason` names what differs. */
export function isAlike(a: string, b: string): Alike {
  const [left, right] = [wordsOf(a), wordsOf(b)]
  const isTurned = (from: Word[], to: Word[]) => turned(from).some((one) => isSame(lean(one, 'of'), lean(to, 'of')))
  if (isSame(lean(left), lean(right)) || isTurned(left, right) || isTurned(right, left)) return { ok: true }
  return { ok: false, reason: difference(left, right) }
}

function wordsOf(text: string): Word[] {
  const plain = text
    .normalize('NFC')
    .replace(/[\u2018\u2019\u02bc]/g, "'")
    .replace(/[\u201c\u201d]/g, '"')
    .trim()
  // What stands after a colon or on a further line is what is worked on: there every sign counts.
  const end = /:\s|\n/.exec(plain)?.index ?? plain.length
  const [head, rest] = [plain.slice(0, end), plain.slice(end).replace(/^:?\s+/, '')]
  const said = head
    .split(QUOTED)
    .flatMap((part, i) => (i % 2 === 1 ? [raw(part.slice(1, -1))] : wordsIn(part, i === 0)))
  const meant = replaced(said, MANNERS)
  const opened = defined(replaced(meant, OPENINGS))
  const first = opened[0]?.text ?? ''
  // "Dogs bite" is not "do dogs bite?"; a request that was asked politely is none the less a request.
  const isAsked = head.endsWith('?') && said.length === meant.length && !QUESTION_WORDS.has(first)
  const asks = isAsked || YES_OR_NO.has(first)
  return [...(asks ? [word('?')] : []), ...opened, ...(rest === '' ? [] : [raw(rest)])]
}

const word = (text: string): Word => ({ text, isNamed: null, isRaw: false })
const raw = (text: string): Word => ({ text, isNamed: null, isRaw: true })
const isPlain = (word: Word | undefined, text: string) =>
  word !== undefined && word.text === text && !word.isRaw && !word.isNamed

function wordsIn(part: string, isStart: boolean): Word[] {
  const written = CONTRACTIONS.reduce((said, [from, to]) => said.replace(from, to), part)
  return [...written.matchAll(WORD)].map(([match], i) => {
    const lower = match.toLowerCase()
    const isCapital = match !== lower && match !== 'I'
    const isShouted = isCapital && match.length > 1 && match === match.toUpperCase()
    const isNamed = isStart && i === 0 && !isShouted ? null : isCapital
    return { text: isNamed ? lower : (SAME.get(lower) ?? lower), isNamed, isRaw: false }
  })
}

function replaced(words: Word[], list: [string[], string[]][]): Word[] {
  for (const [from, to] of list) {
    // A request is more than how it begins.
    if (words.length > from.length && from.every((text, i) => isPlain(words[i], text)))
      return [...to.map(word), ...words.slice(from.length)]
  }
  return words
}

/** "Explain inflation" and "what does inflation mean" as "what is inflation". */
function defined(words: Word[]): Word[] {
  const [first, second] = words
  if (isPlain(first, 'explain') && second && !DETERMINERS.has(second.text) && !QUESTION_WORDS.has(second.text))
    return [word('what'), ...words.slice(1)]
  if (words.length > 3 && isPlain(first, 'what') && isPlain(second, 'do') && isPlain(words.at(-1), 'mean'))
    return [word('what'), ...words.slice(2, -1)]
  return words
}

/** "France's capital" as "capital of France", however many words belong to either side. */
function turned(words: Word[]): Word[][] {
  const at = words.findIndex((one) => isPlain(one, "'s"))
  const ways: Word[][] = []
  for (let from = at - 1; at > 0 && from >= 0; from--) {
    for (let to = at + 2; to <= words.length; to++) {
      const [owner, owned] = [words.slice(from, at), words.slice(at + 1, to)]
      ways.push([...words.slice(0, from), ...owned, word('of'), ...owner, ...words.slice(to)])
    }
  }
  return ways
}

/** Without what may be left out. */
function lean(words: Word[], kept?: 'of'): Word[] {
  const isOne = (one: Word, of: Set<string>) => !one.isRaw && !one.isNamed && of.has(one.text)
  const core = words.filter((one) => !isOne(one, BEING) && (kept === 'of' || !isPlain(one, 'of')))
  const bare = core.filter((one) => !isOne(one, ARTICLES))
  return bare.length < SHORT ? core : bare
}

function isSame(a: Word[], b: Word[]): boolean {
  return a.length === b.length && a.every((one, i) => isSameWord(one, b[i]))
}

function isSameWord(a: Word, b: Word | undefined): boolean {
  if (!b || a.text !== b.text || a.isRaw !== b.isRaw) return false
  return a.isNamed === null || b.isNamed === null || a.isNamed === b.isNamed
}

function difference(a: Word[], b: Word[]): string {
  const missing = (from: Word[], other: Word[]) => from.filter((word) => !other.some((one) => isSameWord(word, one)))
  const odd = [...missing(lean(a), lean(b)), ...missing(lean(b), lean(a))]
  if (odd.length === 0) return 'the same words in another order'
  if (odd.some(({ text, isRaw }) => !isRaw && /\p{N}/u.test(text))) return 'another number'
  if (odd.some(({ text }) => NEGATIONS.has(text))) return 'a negation'
  if (odd.some(({ text }) => DATES.has(text))) return 'another date'
  if (odd.some(({ isNamed }) => isNamed)) return 'another name'
  if (odd.some(({ isRaw }) => isRaw)) return 'another text that is spoken of'
  return 'other words'
}
