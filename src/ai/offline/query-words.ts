import type { Filter, Intent, View, World } from './intent.ts'
import { raw, reG } from './pattern.ts'
import type { Range } from './ranges.ts'
import { stem, telling, tokens } from './words.ts'

export type Find = Extract<Intent, { kind: 'find' }>

const LIMIT = 50

export function find(filter: Filter, view: View, title: string, more: Partial<Find> = {}): Find {
  return { kind: 'find', filter: { sort: 'due', limit: LIMIT, ...filter }, view, title, ...more }
}

export const due = (range: Range): Filter => ({
  ...(range.after ? { dueAfter: range.after } : {}),
  ...(range.before ? { dueBefore: range.before } : {}),
})

const stems = (text: string) => ` ${tokens(text).map(stem).join(' ')} `

/** The project a question names, in whatever number: "the grocery list". */
export const projectIn = (c: string, world: World) =>
  world.projects.find((p) => stems(c).includes(stems(p.name.replace(/\s+(?:list|project)$/i, ''))))

const QUESTION_WORDS = reG(
  raw`\b(?:what|what's|which|when|when's|where|who|how|is|are|was|were|did|do|does|have|has|had|i|`,
  raw`my|me|the|a|an|any|anything|show|list|find|search|look|up|for|about|tell|give|there|task|`,
  raw`tasks|reminder|reminders|todo|todos|things?|stuff|items?|due|at|on|in|of|with|called|named|`,
  raw`regarding|related|everything|all|please|already|yet|ever|finish|finished|complete|completed|`,
  raw`done|time|day|date|supposed|to|need|should|got|get|happening|status|again|next|scheduled|`,
  raw`schedule|deadline|still|open|on my list|we|be|remember|pending|going|containing|`,
  raw`mention(?:ing)?|that|looking|look|like|going|so far|of|am|doing|left|deadlines?|plans?|`,
  raw`whole|rest|ought|supposed|must|gotta|gonna)\b|[?.!,"]`,
)

export const about = (text: string): string => telling(text.replace(QUESTION_WORDS, ' ')).join(' ')
