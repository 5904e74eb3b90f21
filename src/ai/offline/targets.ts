import { findProject, priorityOf } from './attributes.ts'
import type { Change, Filter, Intent, Target, World } from './intent.ts'
import { numberOf, ordinalOf } from './lexicon.ts'
import { raw, re, reG } from './pattern.ts'
import { readRange } from './ranges.ts'
import { readWhen } from './when.ts'

const FOCUS_ONE = re(
  raw`^(?:it|that|this|it's|that's|that one|this one|the same|same|the task|that task|this task|`,
  raw`the reminder|that reminder|this reminder|the last task|my last task|the previous one|`,
  raw`the new one|that thing|this thing|the one (?:i|we) just (?:added|made|created)|`,
  raw`the one you just (?:added|made|created)|what (?:i|you) just (?:added|created))$`,
)
const FOCUS_MANY = re(
  raw`^(?:them|those|these|they|both|both of (?:them|those)|all(?: of)?(?: them| those| these|`,
  raw` it)?|them all|those all|all (?:two|three|four|five|\d+)(?: of them)?|each of them|the lot|`,
  raw`it all|all of it|all that|all this|those tasks|these tasks|those ones|the whole (?:list|`,
  raw`lot))$`,
)
const PLACE = re(
  raw`^(?:the |task |item |number |no\.? ?|#|option |num |nr\.? ?)*(first|second|third|fourth|`,
  raw`fifth|sixth|seventh|eighth|ninth|tenth|last|1st|2nd|3rd|\dth|\d{1,2}|one|two|three|four|`,
  raw`five|top|bottom|latter|former)(?: one| task| item| of them| option| thing)?$`,
)

function placeOf(text: string): number | undefined {
  const m = PLACE.exec(text.trim())
  if (!m?.[1]) return undefined
  const word = m[1].toLowerCase()
  if (word === 'last' || word === 'bottom' || word === 'latter') return -1
  if (word === 'top' || word === 'former') return 1
  return ordinalOf(word) ?? numberOf(word)
}

/** "the second one", "1 and 3", "the first two", "the last two". */
export function readPlaces(text: string): number[] | undefined {
  const t = text.trim().replace(/[.!?]+$/, '')
  const run = /^(?:the )?(first|last|top) (two|three|four|five|\d)(?: ones| tasks| items)?$/i.exec(t)
  if (run) {
    const n = numberOf(run[2] ?? '') ?? 1
    return Array.from({ length: n }, (_, i) => (/last/i.test(run[1] ?? '') ? -(n - i) : i + 1))
  }
  const places = t
    .split(/\s*(?:,|&|\band\b|\bor\b)\s*/i)
    .filter(Boolean)
    .map(placeOf)
  return places.length > 0 && places.every((p) => p !== undefined) ? places.filter((p) => p !== undefined) : undefined
}

const ALL = re(
  raw`\b(?:everything|every(?: single)? (?:task|thing|item|reminder)|all|anything|whatever|`,
  raw`the rest|each (?:task|thing|item))\b`,
)
const KIND = /\b(?:tasks|stuff|things|items|reminders|todos|to-dos|ones|work)\b/i

/** "everything from today", "all overdue stuff", "tomorrow's tasks". */
function readSet(text: string, world: World): Extract<Target, { kind: 'set' }> | undefined {
  const of = /\b(?:to|until|onwards?|on)\b/i.test(text) ? text : text.replace(/\bfrom (?!now)/i, 'on ')
  const range = readRange(of, world.clock)
  const late = /\b(?:overdue|late|past due|missed)\b/i.test(text)
  const done = /\b(?:completed|finished|done)\b/i.test(text)
  const project = world.projects.find((p) => new RegExp(`\\b${p.name.replace(/[^\w ]/g, '.')}\\b`, 'i').test(text))
  const level = /\b(?:urgent|high|low|medium|important)\b/i.test(text) ? priorityOf(text) : undefined
  const label = /#([\w-]+)|\btagged (?:with |as )?#?([\w-]+)/i.exec(text)
  const named = range !== undefined || late || done || project !== undefined || level !== undefined || label !== null
  if (
    !(ALL.test(text) || (KIND.test(text) && named)) ||
    (!named &&
      !re(
        raw`^(?:everything|all(?: of)?(?: my| the)?(?: open| pending| remaining)?(?: tasks| todos|`,
        raw` to-dos| reminders| stuff| things| items)?|my (?:whole |entire )?list|all)$`,
      ).test(text.trim()))
  )
    return undefined
  const left = (range?.rest ?? text)
    .replace(
      reG(
        raw`\b(?:everything|every|all|anything|whatever|of|my|the|tasks?|stuff|things?|items?|`,
        raw`reminders?|todos?|ones?|that(?:'s| is| are)?|which|is|are|due|from|on|for|in|overdue|late|`,
        raw`past|missed|completed|finished|done|left|still|open|pending|i have|planned|scheduled|work|`,
        raw`over|urgent|high|low|medium|important|priority|rest|project|list|with|tagged|again|also|so|`,
        raw`far|it|'s)\b|[^\w]`,
      ),
      ' ',
    )
    .trim()
  const leftWords = project ? left.replace(new RegExp(project.name, 'i'), '').trim() : left
  if (leftWords !== '' && !label) return undefined
  const filter: Filter = { ...(done ? { status: ['completed'] } : { open: true }), limit: 100 }
  if (late) filter.overdue = true
  if (project) filter.projectId = project.id
  if (level) filter.priority = level
  if (label) filter.label = (label[1] ?? label[2] ?? '').toLowerCase()
  if (range?.after) filter.dueAfter = range.after
  if (range?.before) filter.dueBefore = range.before
  return { kind: 'set', filter, name: text.trim() }
}

const EDGE_WORDS =
  /^(?:the|my|that|this|our|a|an|to|with|on|for|of|off|from|all|task|reminder|item|todo|about)\s+(?=\S)/i
const TAIL_WORDS = re(
  raw`\s+(?:task|tasks|thing|things|one|reminder|item|todo|to-do|to do|stuff|please|now|already|`,
  raw`today|entry|from (?:my|the) (?:list|tasks|todos|plate)|off (?:my|the) (?:list|plate)|`,
  raw`on (?:my|the) list|anymore|any more|instead|too|as well|for me|deadline|due date|again)$`,
)

/** The telling part of how a person refers to a task. */
export function phrase(text: string): string {
  if (/^(?:my|the|that|this|a|an|our)$/i.test(text.trim())) return ''
  let t = text
    .trim()
    .replace(/^["']|["'.!?,:;]+$/g, '')
    .trim()
  for (let i = 0; i < 5; i++) {
    const before = t
    t = t.replace(EDGE_WORDS, '').replace(TAIL_WORDS, '').replace(/["']$/, '').trim()
    if (t === before) break
  }
  return t
}

export function readTarget(text: string, world: World): Target | undefined {
  const t = text
    .trim()
    .replace(/[.!?,]+$/, '')
    .replace(/^(?:of|with|on|for|about) (?=(?:it|that|this|them)\b)/i, '')
  if (t === '' || FOCUS_ONE.test(t)) return { kind: 'focus', many: false }
  if (FOCUS_MANY.test(t)) return { kind: 'focus', many: true }
  if (/^everything$/i.test(t) && world.state.focus.length > 1) return { kind: 'focus', many: true }
  const places = readPlaces(t)
  if (places && world.state.focus.length > 0) return { kind: 'nth', places }
  const set = readSet(t, world)
  if (set) return set
  const { when, rest } = readWhen(t, world.clock, { ranges: true })
  const name = phrase(rest.replace(/'s$/, ''))
  const possessive = /\b(?:today|tomorrow|yesterday|\w+day)'s\b/i.test(t)
  const plain = possessive ? phrase(t.replace(/\b(?:today|tomorrow|yesterday|\w+day)'s\b/i, '')) : name
  const names = splitNames(plain || (when ? '' : phrase(t)), world)
  if (names.length === 0) return when ? { kind: 'named', names: [], when } : undefined
  return { kind: 'named', names, ...(when ? { when } : {}) }
}

const splitNames = (text: string, world: World): string[] => {
  if (findProject(text, world.projects)) return [text]
  return text
    .split(/\s*(?:,|&|\band\b|\bplus\b)\s*/i)
    .map(phrase)
    .filter(Boolean)
    .slice(0, 10)
}

/** A change of the task that a person names so. */
export function change(target: string, patch: Change, world: World): Intent | undefined {
  const found = readTarget(target, world)
  return found ? { kind: 'change', target: found, change: patch } : undefined
}
