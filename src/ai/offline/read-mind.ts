import type { Intent, World } from './intent.ts'
import { raw, re, reU } from './pattern.ts'
import { KIN, readRecall } from './read-recall.ts'
import { QUESTION } from './verbs.ts'
import { readWhen } from './when.ts'
import { sentence } from './words.ts'

const LIKES = re(
  raw`\b(?:i|we|i'?m|i'd)\s+(?:\w+ly\s+)?(?:never|always|usually|generally|often|prefer|like|love|`,
  raw`hate|dislike|enjoy|can't stand|don't (?:like|want|take|do|eat|drink|have|work|enjoy|answer|`,
  raw`usually)|do not|avoid|would rather|rather|only|mostly|try (?:not )?to|tend to|`,
  raw`am (?:a )?(?:vegetarian|vegan|morning person|night owl)|want)\b|\bmy (?:favou?rite|`,
  raw`preferred|usual)\b|\bno (?:calls|meetings|emails)\b|\bprefer`,
)
const PERSON_IS = reU(
  raw`^(?!(?:i|my|the|our|we|it|this|that|there|a|an|wifi|password|pin|code|office|rent|car|`,
  raw`flight|house|today|tomorrow|meeting)\b)[\p{L}]+(?:\s[\p{L}]+)?(?:'s\b|\s+(?:is|was|are|`,
  raw`likes?|loves?|hates?|prefers?|works?|lives?|has|have|can't|doesn't|never|always|drinks?|`,
  raw`eats?|goes by|wants?|needs?|allergic)\b)`,
)

function memoryKind(text: string): 'fact' | 'preference' | 'person' {
  if (new RegExp(`\\b(?:my|our) (?:${KIN})(?:'s)?\\b`, 'i').test(text)) return 'person'
  if (LIKES.test(text)) return 'preference'
  return PERSON_IS.test(text) ? 'person' : 'fact'
}

const remember = (text: string): Intent => {
  const clean = sentence(
    text
      .trim()
      .replace(/^["']|["']$/g, '')
      .replace(/[\s.!]+$/, ''),
  )
  return { kind: 'remember', text: clean, about: memoryKind(clean) }
}

const KEEP = re(
  raw`^(?:please )?(?:(?:always |also |do )?remember|note to self|keep in mind|bear in mind|note|take note|`,
  raw`make (?:a )?(?:mental )?note|fyi|for (?:your|future) (?:information|reference)|`,
  raw`just so you know|so you know|you know(?= (?:that|i|my|we|our|[a-z]+ (?:is|likes|hates|has|`,
  raw`lives|works|prefers|doesn't))\b)|you should know|know|don't forget|do not forget|`,
  raw`never forget|save (?:this|that|the fact)|store|memori[sz]e|learn|write this down|note down|`,
  raw`remember this|heads up|add to (?:your )?memory|add (?:this )?to (?:your )?memory|`,
  raw`put in (?:your )?memory)\b\s*(?:this|the fact)?\s*(?:that|:|,|-|of)?\s*`,
)
const CLAIM = re(
  raw`\b(?:is|are|was|were|am|i'm|'s|has|have|like|likes|love|loves|hate|hates|prefer|prefers|`,
  raw`never|always|don't|doesn't|can't|works?|lives?|drive|drives|take|takes|need|needs|wear|`,
  raw`wears|speak|speaks|use|uses|allergic|usually|only|moved|born|drinks?|eats?|went|said|told|`,
  raw`owes?|=)\b|:`,
)
const STATED = [
  new RegExp(
    `^(?:my|our) (?:${KIN}|favou?rite [\\w ]{1,30}|name|birthday|anniversary|[\\w']+(?: ` +
      `[\\w']+){0,4})(?:'s [\\w ]{1,30})? (?:is|are|was|likes?|loves?|hates?|prefers?|works?|lives?|` +
      `has|doesn't|can't)\\b(?! (?:done|finished|due|urgent|important|overdue|late|now|moved|` +
      `cancell?ed|high|low|over|ready|complete))`,
    'i',
  ),
  re(
    raw`^i(?:'m| am) (?:a |an |not |really |very |also |left-|right-)*(?:allergic|vegetarian|vegan|`,
    raw`lactose|gluten|diabetic|pregnant|married|single|divorced|student|nurse|teacher|developer|`,
    raw`engineer|doctor|lawyer|designer|writer|manager|pescatarian|left-handed|right-handed|handed|`,
    raw`colou?r[- ]blind|intolerant|from|born|\d{2} years old|\d{2}\b|a morning person|night owl|`,
    raw`early bird|kosher|halal|muslim|jewish|hindu|colorblind)`,
  ),
  re(
    raw`^(?:i|we) (?:really |usually |always |never |generally |only |also |absolutely |don't |`,
    raw`do not |can't |mostly )*(?:like|love|hate|dislike|prefer|enjoy|drink|eat|wear|speak|own|`,
    raw`drive|stand|take (?:my|calls|meetings|coffee)|use|live in|grew up|was born|were born|`,
    raw`have (?:a |an |two |three |one |four |no |\d )*(?:dog|cat|kid|kids|son|daughter|sons|`,
    raw`daughters|child|children|brother|sister|wife|husband|pet|pets|car|bike|nut|food|allergy|`,
    raw`allergies|twins))\b`,
  ),
  /^no (?:calls|meetings|emails) (?:before|after|on)\b/i,
]

const AFTERTHOUGHT = re(
  raw`^(.{6,300}?)[,.;-]*\s+(?:and |so |please |can you |could you )*(?:remember|note|`,
  raw`make a (?:mental )?note of|take note of|keep in mind|don't forget|write down|save|`,
  raw`memori[sz]e|note down|keep|bear(?= (?:that|this|it) in mind)) (?:that|this|it)(?: in mind)?[.!]*$`,
)

export function readAfterthought(c: string): Intent | undefined {
  const told = AFTERTHOUGHT.exec(c)
  return told?.[1] && !/^(?:please )?(?:add|create|remind)\b/i.test(told[1])
    ? remember(told[1].replace(/[,;.\s]+$/, ''))
    : undefined
}

function keep(c: string, world: World): Intent | undefined {
  const m = /^(?:note|notes) (?:on|for|to)\b(?! self)/i.test(c) ? null : KEEP.exec(c)
  if (!m) return undefined
  const body = c.slice(m[0].length).trim()
  if (/^note to self/i.test(m[0]) && (!CLAIM.test(body) || readWhen(body, world.clock).when)) return undefined
  if (body === '' || /^(?:to|about)\b/i.test(body) || /^(?:it|that|this|me|when|what|where|who)$/i.test(body))
    return undefined
  if (
    /^(?:note|don't forget|do not forget|know|learn|heads up)\b/i.test(m[0]) &&
    !/\bthat\b|[:,-]/i.test(m[0]) &&
    !CLAIM.test(body)
  )
    return undefined
  if (/^(?:don't forget|do not forget)/i.test(m[0]) && !/\bthat\b/i.test(m[0]) && !CLAIM.test(body)) return undefined
  if (CLAIM.test(body) || /\bthat\b|:/i.test(m[0]))
    return /^(?:i|we) (?:need|have|must|should|ought|got) to\b/i.test(body) ? undefined : remember(body)
  return readWhen(body, world.clock).when || /^the \w+$/i.test(body) ? undefined : remember(body)
}

function forget(c: string): Intent | undefined {
  const m = re(
    raw`^(?:please )?(?:forget|unlearn|stop remembering|erase|delete|remove)(?: everything|`,
    raw` anything| all| the fact| the memory| what)?(?: that you know| you know| i (?:said|`,
    raw`told you)| you remember)?(?: about| of)? (?:that |the fact that |the memory (?:that|about|`,
    raw`of) )?(.+)$`,
  ).exec(c)
  if (
    !m?.[1] ||
    !(
      /^(?:please )?(?:forget|unlearn|stop remembering)\b/i.test(c) ||
      /\b(?:memory|you know|you remember|i (?:said|told you))\b/i.test(c)
    )
  )
    return undefined
  const body = m[1].trim()
  if (/^(?:please )?forget about doing\b/i.test(c)) return undefined
  return /^(?:it|that|about it|about that|this|to\b.*)$/i.test(body)
    ? undefined
    : { kind: 'forget', text: body.replace(/\bfrom (?:your )?memory$/i, '').trim() }
}

export function readMind(c: string, world: World): Intent | undefined {
  const t = c.replace(/[.!]+$/, '')
  const asks = QUESTION.test(c) || /\?\s*$/.test(c) || /^(?:do|can) you\b/i.test(c)
  return forget(t) ?? (asks ? (readRecall(t) ?? keep(t, world)) : (keep(t, world) ?? readRecall(t)))
}

/** "my wife is called Anna": told in passing, worth keeping. */
export function readStatement(c: string, world: World): Intent | undefined {
  if (readWhen(c, world.clock).when?.repeat && !LIKES.test(c)) return undefined
  if (QUESTION.test(c) || /\?\s*$/.test(c)) return undefined
  const person =
    PERSON_IS.test(c) &&
    new RegExp(`\\b(?:my (?:${KIN})|birthday|allergic|likes|loves|hates|prefers|favou?rite)\\b`, 'i').test(c)
  return STATED.some((re) => re.test(c)) || person ? remember(c) : undefined
}
