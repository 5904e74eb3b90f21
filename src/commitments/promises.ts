import { promisedVerb, topicOf, wordsOf } from './words.ts'

/** Something a person said they would do: in their words, and what it comes to. */
export type Promised = { quote: string; what: string }
/** `chat`: "you" is the assistant, whom nothing is promised. */
export type Heard = 'chat' | 'mail'

const MAX_TEXT = 8000
const MAX_SENTENCES = 60
const MAX_SENTENCE = 400
const MAX_PROMISES = 3
const MAX_QUOTE = 500
const MAX_TITLE = 200

const { raw } = String
const lazily = (...parts: string[]) => {
  let made: RegExp | undefined
  return () => {
    made ??= new RegExp(parts.join(''), 'i')
    return made
  }
}

const ADVERBS = raw`(?:(?:definitely|certainly|surely|also|just|then|now|personally|gladly|happily|quickly|of course|first|really|absolutely|still) )*`
const I_WILL = raw`(?:i'll|i will|i shall|i'?m (?:going to|gonna)|i am (?:going to|gonna))`
const SOMEBODY = raw`(?:(?:(?:my |the |our )?[\w.-]+ ){1,3})`
/** A promise begins here; what follows is the act, or whom what is owed. */
const PROMISE = lazily(
  raw`\b(?:`,
  raw`(?<owed>i (?:still )?owe )|`,
  raw`(?<thing>i(?:'ve| have)? promised (?=(?:(?!to )[\w.-]+ ){0,3}(?:a|an|the) (?!\w+ to )))|`,
  raw`(?:i(?:'ve| have)? (?:just )?(?:promised|agreed|committed) (?:${SOMEBODY}?to |(?=to \w+ing))(?:to )?)|`,
  raw`(?:(?:i(?:'ve| have| just)? )?(?:told|promised|assured) ${SOMEBODY}(?:that )?i(?:'d| would|'ll| will) )|`,
  raw`(?:i(?:'ve| have)? (?:also )?(?:said|promised|agreed) (?:that )?i(?:'d| would|'ll| will) )|`,
  raw`(?:i gave ${SOMEBODY}(?:my )?word (?:that )?i(?:'d| would|'ll| will) )|`,
  raw`(?:(?:i promise (?:that )?)?${I_WILL} )|(?:i promise to )`,
  raw`)${ADVERBS}(?:be (?=\w+ing\b))?`,
)

/** Where this stands before it, or as all of it, nothing is promised. */
const ASKS = lazily(
  raw`^(?:(?:so|and|but|ok|okay|hey|well|hi),? )*(?:what|who|whom|whose|which|why|how|where|do|does|did|will|would|should|shall|can|could|is|are|am|was|were|have|has|had|when (?:will|do|does|should|can|is|are|did))\b`,
)
const ORDERS = lazily(
  raw`^(?:(?:please|hey|ok|okay|so|and|also|then|now),? )*(?:remind|add|create|make|schedule|put|note:|note that|remember|set|tell|show|book|find|draft|write|plan|help|send|email|mail|call|text|let|ask|move|cancel|delete|todo|task|don't forget|reply|message|say|imagine|suppose|assume)\b`,
)
const OTHERS = lazily(
  raw`\b(?:says?|said|thinks?|thought|hopes?|hoped|wants?|wanted|expects?|expected|believes?|claims?|told|asked|asks|assumes?|wonders?|knows?|wishes|sings?|wrote|writes|goes|template|quote|lyrics?|song) `,
)
const DOUBTS = lazily(
  raw`\b(?:maybe|perhaps|possibly|probably|hopefully|i think|i thought|i guess|i suppose|i hope|i doubt|i wish|i'm afraid|i am afraid|not sure|don't think|don't know|even if|imagine|suppose|as if|in case|unless|otherwise|assuming|supposing|provided|providing|whether)\b`,
)
const IF = lazily(raw`\bif\b`)
const FINDS_OUT = lazily(raw`\b(?:check|see|ask|find out|look up|confirm|know|tell)(?: [\w']+){0,3} if\b`)
const NO = lazily(raw`^(?:not|never|always|n't|probably|maybe|try|hopefully|no longer)\b`)
const IDLE = lazily(
  raw`^(?:(?:call it|give (?:it|that|up)|pass on (?:that|this|it)|pass$|do (?:my|our) best|get there|get (?:to|home|up|off|over|used|going|some)|get (?:it|that)$|make (?:it|do)\b|have (?:a|an|some|the|lunch|dinner|breakfast|to)\b(?!.*\b(?:ready|done|finished|complete|sent|fixed)\b)|look (?:like|good|forward)|take (?:it|that|the|a)\b|pay attention|let (?:it|that) |let go|put up with|follow (?:that|this|you)|find (?:it|my way)|set off|read (?:it|that)$|show up)\b|tell (?:it|myself))`,
)
const TO_YOU = lazily(
  raw`^(?:(?:send|tell|ask|let|give|show|get back to|email|mail|call|write|text|ping|forward|remind|bring|pay|help|follow up with|circle back (?:to|with)|respond to|reply to|answer|message) you\b|get (?:it|that|this) (?:back )?to you\b|share (?:it|that|this) with you\b)`,
)
const REPEATS = lazily(
  raw`\b(?:every|each|daily|weekly|monthly|always|on (?:mon|tues|wednes|thurs|fri|satur|sun)days)\b`,
)
const ENDS = lazily(
  raw`\s*(?:[;:()\u2013\u2014]|,? (?:but|because|since|so that|although|though|and (?:then )?(?:i|we|you|he|she|they|it)\b|while|whereas|thanks|thank you|ok|okay)\b|, (?:then|so|or|which|i|we|and)\b|,$).*$`,
)
const SPOKEN = lazily(raw`"[^"]{0,400}"|(?<![\w])'[^']{3,400}'(?!\w)|\u201c[^\u201d]{0,400}\u201d`)

/** The sentences somebody wrote themselves: neither what they quote, nor code. */
function sentencesOf(text: string): string[] {
  const plain = text
    .slice(0, MAX_TEXT)
    .replace(/[\u2018\u2019]/g, "'")
    .replace(/```[^`]*(?:```|$)/g, ' ')
  const lines = plain
    .replace(/\b(mrs?|ms|dr|prof|st)\.(?= )/gi, '$1')
    .split('\n')
    .filter((line) => !/^\s*>/.test(line))
  const all = lines.flatMap((line) => line.match(/[^.!?]+(?:[.!?](?!\s|$)[^.!?]*)*[.!?]*/g) ?? [])
  return all
    .map((one) => one.trim())
    .filter((one) => one !== '')
    .slice(0, MAX_SENTENCES)
}

/** What the writer of this says they will do, at most three things, in order. Rules only, in time linear in the text. */
export function promisesIn(text: string, heard: Heard): Promised[] {
  const sentences = sentencesOf(text)
  const found = sentences.flatMap((sentence, at): Promised[] => {
    const what = sentence.length > MAX_SENTENCE ? null : promiseOf(sentence, heard)
    if (what === null) return []
    const before = sentences[at - 1]
    // "I'll send it": what it is was said before.
    const isBare = topicOf(what).size === 0 && before !== undefined
    return [{ quote: (isBare ? `${before} ${sentence}` : sentence).slice(-MAX_QUOTE), what: titleOf(what) }]
  })
  return found.slice(0, MAX_PROMISES)
}

function promiseOf(sentence: string, heard: Heard): string | null {
  if (/\?\s*$/.test(sentence)) return null
  const said = sentence.replace(SPOKEN(), ' ').replace(/^\s*[-*\u2022]\s+/, '')
  const met = PROMISE().exec(said)
  if (!met) return null
  const before = said.slice(0, met.index).trim()
  const rest = said.slice(met.index + met[0].length)
  if (ASKS().test(said) || ORDERS().test(said) || DOUBTS().test(before)) return null
  if (OTHERS().test(`${before} `) && !/\bi (?:just |already )?(?:said|told)\b/i.test(before)) return null
  const act = rest.replace(ENDS(), '').replace(/[\s.,!]+$/, '')
  if (NO().test(act) || IDLE().test(act) || REPEATS().test(act) || DOUBTS().test(act.replace(/\bwhether\b/i, '')))
    return null
  if (IF().test(said) && !FINDS_OUT().test(act)) return null
  if (heard === 'chat' && TO_YOU().test(act)) return null
  const { owed, thing } = met.groups ?? {}
  // Whoever is owed something is told with it.
  if (owed !== undefined || thing !== undefined) return topicOf(act).size > (owed ? 1 : 0) ? `give ${act}` : null
  return isAct(act) ? act : null
}

/** It begins with something that is done for somebody, or to something that is named, or by a time. */
function isAct(act: string): boolean {
  const words = wordsOf(act)
  const [first = '', ...others] = words
  const verb = promisedVerb(first)
  if (!verb || others.length === 0) return false
  if (topicOf(others.join(' ')).size > 0) return true
  // "I'll do it" is said of anything.
  return !/^(?:do|make|have|take|get|put|let)$/.test(verb.base) && others.length > 1
}

const titleOf = (act: string) => {
  const line = act.replace(/\s+/g, ' ').trim().slice(0, MAX_TITLE)
  return line.charAt(0).toUpperCase() + line.slice(1)
}
