import { doneVerb, promisedVerb, topicOf, wordsOf } from './words.ts'

/** Something that was done: `family` is what kind of act, null where only that it is done was said. */
export type Deed = { family: string | null; topic: ReadonlySet<string> }
/** What an open commitment is matched by. */
export type Standing = { id: string; quote: string; what: string }
export type SentMail = { to: readonly string[]; subject: string }

const MAX_TEXT = 8000
const MAX_SENTENCES = 60
const MAX_SENTENCE = 400
const MAX_DEEDS = 10

const I_DID =
  /^(?:(?:yes|yep|ok|okay|so|and|hi|hey|good news|fyi|also|btw|update),? )*(?:(?:i(?:'ve| have)?|we(?:'ve| have)?) )?(?:(?:just|already|finally|now|also|today|yesterday) )*([a-z]+) (.+)$/i
const DONE_WITH =
  /^(?:(?:yes|ok|okay|so|and),? )*(?:i'?m |i am |all )?(?:just |finally |already )?(?:done|finished|through) with (.+)$/i
const IS_DONE =
  /^(?:(?:yes|ok|okay|so|and),? )*(?:the |my |that )?(.{2,100}?) (?:is|are|was|were|has been|have been)(?: just| already| now| finally| all)? ([a-z]+)(?: .*)?$/i
const NOT =
  /\b(?:not|never|n't|didn't|haven't|hasn't|isn't|aren't|wasn't|almost|nearly|half|partly|should|could|would|if|unless|when|until|before|tomorrow|will|going to|want|wanted|need|must|might|maybe|asked me|needs?|to be|being)\b|n't\b/i

/** What the writer says is done: no question, nothing that might be, nothing of others. */
export function deedsIn(text: string): Deed[] {
  const plain = text
    .slice(0, MAX_TEXT)
    .replace(/[\u2018\u2019]/g, "'")
    .replace(/```[^`]*(?:```|$)/g, ' ')
  const lines = plain.split('\n').filter((line) => !/^\s*>/.test(line))
  const sentences = lines.flatMap((line) => line.match(/[^.!?;]+[.!?;]*/g) ?? []).slice(0, MAX_SENTENCES)
  return sentences.flatMap((sentence) => deedOf(sentence.trim()) ?? []).slice(0, MAX_DEEDS)
}

function deedOf(sentence: string): Deed | null {
  if (sentence.length > MAX_SENTENCE || /\?\s*$/.test(sentence) || /["\u201c]/.test(sentence)) return null
  const said = sentence.replace(/[\s.!;]+$/, '').replace(/, (?:so|and|but|then|now|thanks)\b.*$/i, '')
  if (NOT.test(said)) return null
  const through = DONE_WITH.exec(said)
  if (through) return made('make', through[1] ?? '')
  const told = I_DID.exec(said)
  const verb = doneVerb((told?.[1] ?? '').toLowerCase())
  if (told && verb) return made(verb.family, told[2] ?? '')
  const passive = IS_DONE.exec(said)
  const state = (passive?.[2] ?? '').toLowerCase()
  if (!passive || /^(?:i|we|he|she|they|you|it)\b/i.test(said)) return null
  if (/^(?:done|finished|ready|complete|completed|out)$/.test(state)) return made(null, passive[1] ?? '')
  const family = doneVerb(state)?.family
  return family === undefined ? null : made(family, passive[1] ?? '')
}

function made(family: string | null, about: string): Deed | null {
  const topic = topicOf(about)
  return topic.size === 0 ? null : { family, topic }
}

const within = (few: ReadonlySet<string>, many: ReadonlySet<string>) => [...few].every((word) => many.has(word))

// What was only called done may be anything but a word with somebody.
const ENDS_WITHOUT_WORD = new Set(['make', 'find', 'pay', 'plan'])

function familyOf(what: string): string | null {
  const [first = ''] = wordsOf(what)
  return promisedVerb(first)?.family ?? null
}

/** Which of these was done by it: the one that alone fits, in act and in all that either names. */
export function findDone(deed: Deed, open: readonly Standing[]): Standing | null {
  const fits = open.filter(({ quote, what }) => {
    const family = familyOf(what)
    const isSame = deed.family === null ? family !== null && ENDS_WITHOUT_WORD.has(family) : family === deed.family
    if (!isSame) return false
    const named = topicOf(what)
    // "I'll send it" is about what was said with it.
    const topic = named.size > 0 ? named : topicOf(quote)
    return topic.size > 0 && within(deed.topic, topicOf(`${what} ${quote}`)) && overlaps(deed.topic, topic)
  })
  const [only, other] = fits
  return only && !other ? only : null
}

const overlaps = (one: ReadonlySet<string>, other: ReadonlySet<string>) => [...one].some((word) => other.has(word))

/** Of which of these a task of this name was made: the one that alone is about the same. */
export function findMade(title: string, open: readonly Standing[]): Standing | null {
  const topic = topicOf(title)
  const fits = open.filter(({ what }) => topic.size > 0 && within(topic, topicOf(what)) && within(topicOf(what), topic))
  const [only, other] = fits
  return only && !other ? only : null
}

const WRITES = new Set(['send', 'speak', 'plan'])
const NO_MAIL = new Set([
  'call',
  'ring',
  'phone',
  'text',
  'transfer',
  'deliver',
  'ship',
  'speak',
  'talk',
  'schedule',
  'arrange',
])

/** Which of these a mail has done: to whom it was promised, about what it was promised. */
export function findMailed(mail: SentMail, open: readonly Standing[]): Standing | null {
  const people = new Set(mail.to.flatMap((address) => wordsOf((address.split('@')[0] ?? '').replace(/[._+-]+/g, ' '))))
  const subject = topicOf(mail.subject)
  const fits = open.filter(({ what }) => {
    const [first = ''] = wordsOf(what)
    const verb = promisedVerb(first)
    if (!verb || !WRITES.has(verb.family) || NO_MAIL.has(verb.base)) return false
    const topic = topicOf(what)
    const things = new Set([...topic].filter((word) => !people.has(word)))
    const isToThem = things.size < topic.size
    if (things.size === 0) return isToThem
    return isToThem ? overlaps(things, subject) : within(things, subject)
  })
  const [only, other] = fits
  return only && !other ? only : null
}
