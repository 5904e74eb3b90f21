import { raw, re } from './pattern.ts'
import { isAction } from './verbs.ts'
import { tokens } from './words.ts'

const MAX_CLAUSES = 25
const MAX_JOINTS = 40
const LOOK_CHARS = 160
const LEAD = re(
  raw`^(?:hey|hi|hello|yo|ok|okay|so(?! you know)|well|um+|uh+|er+m?|and|also|oh|ah|hmm+|please|`,
  raw`then|now|alright|great|cool|kindly|btw|by the way|actually|basically|quick one|real quick|`,
  raw`quickly|just(?! so you know)|perfect|(?:thanks|thank you)(?: (?:so|very) much|`,
  raw` a lot)?(?=[,.!]| and\b| can\b| please\b)|sure|yeah|yes|lol|sorry|right so|listen|aurelius|`,
  raw`go ahead and|for me|one more thing|another thing|plus|first(?=,| of all)(?: of all)?|`,
  raw`second of all|lastly|finally|next up|oops|wait|oh and|gosh|dear|but|ugh+|argh+|omg|yikes|`,
  raw`oof|aww?|dang|damn|crap|phew|yay|woohoo|oh dear|oh no|good morning|good afternoon|`,
  raw`good evening|hi there|hey there|hello there|do the needful|still|anyway|anyways|`,
  raw`(?:never mind|scratch that)(?=[,.;]| (?:make|change|move|set|put|push|do|undo|let|just|it|i|`,
  raw`cancel|add|remind|remove|delete|keep|no|actually|that|on|at|reschedule|rename|call|tomorrow|`,
  raw`today|mon|tue|wed|thu|fri|sat|sun|\d)\w*)|yep|yup|nope|quick(?= (?:reminder|note|task|`,
  raw`question|thing|todo))|honestly|ok so|alright so|real talk|my dear|to)\b(?!'|-)[\s,!.:;-]*`,
)
const ASK = re(
  raw`^(?:can you|could you|would you|will you|can we|could we|can u|are you able to|`,
  raw`i want that you|i would like that you|i want you to|would you be so kind as to|`,
  raw`be so kind as to|if you would(?: please)?|i need you to|i'd like you to|i would like you to|`,
  raw`would you mind|do you mind|you should|you can|help me(?: to)?|i think (?:we|you) should|`,
  raw`is it possible to|it would be great if you could|i was wondering if you could|`,
  raw`do me a favou?r and|let's|if you could|maybe|(?:i want to|i'd like to|i would like to|`,
  raw`we should|i wish to)(?= (?:delete|remove|cancel|move|push|reschedule|rename|mark|snooze|add|create|`,
  raw`see|know|undo|postpone|set)\b))\b[\s,]*`,
)
const TAIL = re(
  raw`[\s,.!]*\b(?:please|thanks|thank you|thanks a lot|thank you so much|for me|would you|`,
  raw`will you|if you can|if possible|lol|haha|ha|btw|right|ok|okay|cheers|mate|dude|bro|kindly|`,
  raw`dear|when you (?:can|get a chance)|if that's ok|will do|too|aurelius|finally|at last|phew|`,
  raw`yay|woohoo|my dear|love|sweetie|honey|hun|man|thx a lot|as always)[\s.!?]*$`,
)

/** The request itself, without its courtesies. */
export function bare(text: string): string {
  let out = text.trim()
  for (let i = 0; i < 6; i++) {
    const before = out
    const cut = out
      .replace(LEAD, (m) =>
        /^(?:to|still)\b/i.test(m) && !/^(?:to|still) (?:remind|add|move|create|set|make)/i.test(out) ? m : '',
      )
      .replace(ASK, '')
    if (cut.trim()) out = cut
    const tail = out.replace(TAIL, '')
    if (tail.trim()) out = tail
    if (out === before) break
  }
  return out
    .replace(/^[\s,.;:!-]+|[\s,;.!]+$/g, '')
    .replace(/(?<=\w) please (?=\w)/i, ' ')
    .trim()
}

const BULLET = /^\s*(?:[-*\u2022]+|\d{1,2}[.)]|\[ ?\])\s+/
const ABBREVIATION = /\b(?:dr|mr|mrs|ms|st|vs|no|prof|jr|sr|e\.g|i\.e|etc|approx|dept|inc|ltd|re|a\.m|p\.m)\.$/i
const PRONOUN = /\b(?:it|them|him|her|his|their|there|then|that)\b/i

/** Sentences and lines: where one thought surely ends. */
export function sentencesOf(text: string): string[] {
  const out: string[] = []
  for (const row of text.split('\n')) {
    let from = 0
    for (const m of row.matchAll(/(?:[!?;]|(?<!\.)\.(?!\.))+(?=\s)/g)) {
      const end = m.index + m[0].length
      const piece = row.slice(from, end)
      if (
        ABBREVIATION.test(piece) ||
        /^\s*\d{1,2}\.$/.test(piece) ||
        (/\d\.$/.test(piece) && /^\s*\d/.test(row.slice(end)))
      )
        continue
      out.push(piece)
      from = end
    }
    out.push(row.slice(from))
  }
  return out
    .map((s) => s.replace(BULLET, '').trim())
    .filter(Boolean)
    .slice(0, MAX_CLAUSES)
}

/** Where a sentence may hold a second request: "…, and …", "… then …". */
const JOINT =
  /(?:,\s*(?:and |then |also |plus |but )*|\s+(?:and(?: then| also| please)*|then|also|plus|as well as|&|but)\s+)/gi

export type Starts = (right: string, left: string, joint: string) => boolean

export function requestsIn(sentence: string, starts: Starts): string[] {
  const parts: string[] = []
  let from = 0
  for (const m of [...sentence.matchAll(JOINT)].slice(0, MAX_JOINTS)) {
    const left = sentence.slice(from, m.index).trim()
    const right = sentence.slice(m.index + m[0].length).trim()
    if (!left || !right || !starts(right.slice(0, LOOK_CHARS), left.slice(-LOOK_CHARS), m[0])) continue
    parts.push(left)
    from = m.index + m[0].length
  }
  parts.push(sentence.slice(from).trim())
  return parts.filter(Boolean).slice(0, MAX_CLAUSES)
}

/** "call mom and buy milk" is two tasks; "call mom and tell her" is one. */
export function taskFollows(right: string): boolean {
  const [first, second] = tokens(right)
  if (!first || !second || !isAction(first)) return false
  return !re(
    raw`^(?:tell|ask|see|say|talk|discuss|come|go|help|try|check|find|look|work|thank|wish|give|do|`,
    raw`make|get|put|hand|set|turn|start|stop|leave|confirm|plan|run|drink|eat|celebrate|chat|top|`,
    raw`work|open|close)$`,
  ).test(first)
    ? !PRONOUN.test(right)
    : /^(?:do|get|make|check|go|plan|run|put|give|ask|set|try)$/.test(first) &&
        !PRONOUN.test(right) &&
        tokens(right).length > 2 &&
        !/^(?:get|make) (?:sure|ready|better)/i.test(right)
}

export const isBulleted = (text: string) => text.split('\n').filter((row) => BULLET.test(row)).length >= 1
