import { takeAttributes } from './attributes.ts'
import type { Draft, Intent, World } from './intent.ts'
import { rule } from './lexicon.ts'
import { raw, re } from './pattern.ts'
import { lengthOf } from './spans.ts'
import { isAction, QUESTION } from './verbs.ts'
import { readWhen, type When } from './when.ts'
import { sentence, tokens } from './words.ts'

const MAX_TITLE_CHARS = 200
const REMIND = re(
  raw`\b(?:i(?:'d| would) like to be reminded|i want to be reminded|i need to be reminded|`,
  raw`i (?:need|want)(?: a)? remind(?:er|ing)|i(?:'d| would) like a reminder|send me a (?:nudge|`,
  raw`reminder|ping|note|message)|make sure i remember|remind me|ping me|nudge me|alert me|`,
  raw`notify me|buzz me|poke me|tell me|give me a (?:shout|nudge|reminder|heads[ -]?up|buzz)|`,
  raw`(?:set|create|add|make|schedule)(?: me)?(?: up)? (?:a |an |another |the )?(?:new )?reminder|`,
  raw`reminder|remind|with (?:a )?reminder)\b(?! app)`,
)
const ADD = re(
  raw`^(?:add|create|make|new|set up|log|enter|open|jot down|write down|note down|put down|put in|`,
  raw`insert)\b\s*(?:me )?(?:a |an |another |the |this |one more )?(?:new |quick |small |`,
  raw`recurring |repeating |repeat )*((?:urgent|high|medium|low|top)(?:[ -]priority)? )?(?:task|`,
  raw`to-?do|todo|to do|action item|list item|tasks|todos)\b(?: item)?\s*(?:called|named|titled|`,
  raw`saying|that says|which says|for me)?\s*(?:to|:|-|,|about|that)?\s*`,
)
const HEAD = re(
  raw`^(?:jot(?: this| that)? down|write (?:this |that )?down|take (?:this )?down|(?:add|`,
  raw`put) (?:this )?(?:to|on|in) (?:my |the )?(?:to-?do |todo |task )?(?:list|todos|`,
  raw`tasks))\s*[:,-]?\s*|^(?:todo|to-do|to do|task|reminder|note to self|memo|memo to self|self|`,
  raw`action item|new|next action)\s*[:-]\s*|^(?:note|memo) to self,? `,
)
const LISTED = re(
  raw`^(?:please )?(?:add|put|stick|throw|pop|get|include|write)\s+(.+?)\s+(?:to|on|onto|in|`,
  raw`into)\s+(?:my |the |our )?(?:(?:to-?do|todo|to do|task|daily)s?\s*)?(?:list|todos|to-?dos|`,
  raw`tasks|plate|agenda|calendar|schedule|inbox|diary|planner)\b\s*`,
)
const NEED = re(
  raw`^(?:(?:i|we)\s+|i'?(?:ve|d|m)\s+|we'?(?:ve|re)\s+)?(?:really |also |still |just |`,
  raw`definitely |probably )*(?:need to|needs to|have to|has to|got to|have got to|must|should|`,
  raw`ought to|want to|would like to|like to|am supposed to|supposed to|mustn't forget to|`,
  raw`can't forget to|need)\s+(?!(?:be|see|know)\b)`,
)
const INTEND = re(
  raw`^(?:i'?m |i am |we're |we are |i |we )?(?:going to|planning to|plan to|hoping to|hope to|`,
  raw`want to|'d like to|would like to) (?=(\w+))`,
)
const FORGET_NOT = re(
  raw`^(?:don't|do not|never|dont) let me forget (?:to |about )?|^(?:don't|do not|`,
  raw`never) forget (?:to |about |that i (?:need|have) to )|^(?:please )?(?:remember|make sure|`,
  raw`be sure|make sure i|make sure that i|remember that i (?:need|have)|ensure)(?: i| we|`,
  raw` that i)? (?:to )(?=\w)|^make sure (?:i|we) `,
)
const HAVE = /^(?:i|we)(?:'ve got| have|'ve| got| have got)(?: got)? (?:a |an |my |the |another )?(?=\w)/i
const SCHEDULE =
  /^(?:schedule|set up|pencil in|block(?: off| out)?|slot in|calendar)\s+(?:in )?(?:a |an |the |my |some )?/i
const QUOTED =
  /^(?:put|add|write|note|jot)(?: down)? ["\u201c]([^"\u201d]{2,120})["\u201d](?!.*\b(?:list|project)\b)\s*(.*)$/i
const WAKE = /^wake me(?: up)?\b/i
const ALARM = /^(?:set (?:me )?(?:an? |the )?|start (?:an? )?|new )?(alarm|timer)\b\s*(?:for |at |of |to )?/i

/** The words of the title: no stray prepositions, no quotes, a capital first. */
export function titleOf(text: string): string {
  let t = text.trim()
  for (let i = 0; i < 4; i++) {
    const before = t
    t = t
      .replace(/^[\s,.;:!?"'()-]+/, '')
      .replace(
        re(
          raw`^(?:to|that|about|of|for|and|on|at|me to|me|i need to|i have to|i should|i must|i've got to|`,
          raw`then|please|task to|the task|called|is to|we need to)\s+(?=\S)`,
        ),
        '',
      )
      .replace(/[\s,.;:!?"(-]+$/, '')
      .replace(/(?:\s+-+|,)\s*(?:all|both)(?: of (?:them|it|these))?(?: due)?$/i, '')
      .replace(
        re(
          raw`\s+(?:on|at|by|for|in|from|around|before|after|due|until|to|and|about|the|@|is due|is|are|was|will be|`,
          raw`starting|every|repeats?|repeating|recurring|due date)$`,
        ),
        '',
      )
      .trim()
    if (t === before) break
  }
  const title = sentence(t)
  return title.length > MAX_TITLE_CHARS ? `${title.slice(0, MAX_TITLE_CHARS - 1).trim()}…` : title
}

export function draftOf(body: string, world: World, remind: boolean): Draft {
  const draft: Draft = { title: '', remind }
  const plain = takeAttributes(body, draft, world.projects)
  const { when, rest } = readWhen(plain, world.clock)
  if (when) draft.when = when
  draft.title = titleOf(rest)
  if (body.length > MAX_TITLE_CHARS * 2 && !draft.notes) draft.notes = body
  return draft
}

const create = (draft: Draft): Intent => ({ kind: 'create', draft })
const article = (title: string) => sentence(title.replace(/^(?:the|my|a|an) (?=\w+$)/i, ''))

/** "…, remind me an hour before": the reminder of a task just described. */
function withReminder(main: string, tail: string, world: World): Intent | undefined {
  const draft = draftOf(main, world, true)
  const { when } = readWhen(tail, world.clock)
  if (!draft.title || (!when && tail.trim() !== '')) return undefined
  if (when) draft.remindWhen = when
  return create(draft)
}

/** "remind me an hour before the dentist": counted back from a task, or from what is named here. */
function leadOf(clause: string, world: World): Intent | undefined {
  const m = rule(
    '^(?:remind me|ping me|nudge me|alert me|set a reminder|reminder) (?:for |about )?((?:{num} ' +
      '?-?(?:{unit}|h|m)\\b(?: and a half)?|half an hour|the (?:day|night|evening|morning|week))) ' +
      'before (?:the |my )?(.+)$',
    'i',
  ).exec(clause)
  if (!m?.[1] || !m[2]) return undefined
  const lead = readWhen(`${m[1]} before`, world.clock).when
  const draft = draftOf(m[2].replace(/\s+(?:is due|starts|begins|is|deadline)$/i, ''), world, true)
  if (!lead?.lead || !draft.title) return undefined
  const made: Draft | undefined = draft.when ? { ...draft, remindWhen: lead } : undefined
  return {
    kind: 'change',
    target: { kind: 'named', names: [draft.title] },
    change: { when: lead },
    ...(made ? { orCreate: made } : {}),
  }
}

function reminder(clause: string, world: World): Intent | undefined {
  const m = REMIND.exec(clause)
  if (!m || (/^(?:tell me|reminder)$/i.test(m[0]) && m.index > 0)) return undefined
  if (/^tell me/i.test(m[0]) && !/^tell me (?:to|in \d)/i.test(clause)) return undefined
  const before = clause
    .slice(0, m.index)
    .replace(/[\s,]+(?:and|please|can you)?\s*$/i, '')
    .trim()
  const after = clause
    .slice(m.index + m[0].length)
    .replace(/^\s*2 (?=([a-z]+))/i, (m, word: string) => (isAction(word) ? ' to ' : m))
    .replace(/^\s*(?:again|please|pls)?\s*(?::|,|-)?\s*/i, ' ')
    .trim()
  if (/^(?:what|when|who|where|which|how|of (?:my|the) (?:tasks|day|schedule|agenda))\b/i.test(after)) return undefined
  const lead = before === '' || readWhen(before, world.clock).rest === ''
  if (!lead) return withReminder(before, after, world)
  const draft = draftOf(`${before} ${after}`.trim(), world, true)
  const named = (
    draft.when?.lead
      ? /^(?:again )?(?:about|of|for|on) (?:the |my )?(?=\w)/i
      : /^(?:again )?(?:about|of) (?:the |my )?(?=\w)/i
  ).test(readWhen(after, world.clock).rest)
  if (/\babout\b|\bof\b|\bfor\b/i.test(after)) draft.title = article(draft.title)
  if (draft.title === '' || /^(?:it|that|this|me|again|about (?:it|that|this)|of (?:it|that))$/i.test(draft.title))
    return undefined
  const at = draft.when
  if (named && at && !at.repeat && !draft.priority && !draft.labels) {
    return {
      kind: 'change',
      target: { kind: 'named', names: [draft.title] },
      change: at.lead ? { when: at } : { snooze: { when: at } },
      ...(at.lead ? {} : { orCreate: draft }),
    }
  }
  return create(draft)
}

/** "add milk eggs and bread to groceries": several things into one list. */
function alarm(clause: string, world: World): Intent | undefined {
  const wake = WAKE.exec(clause)
  const set = wake ? undefined : ALARM.exec(clause)
  if (!wake && !set) return undefined
  const body = clause.slice((wake ?? set)?.[0].length ?? 0)
  if (set?.[1]?.toLowerCase() === 'timer') {
    const when = readWhen(/\bin\b/.test(body) ? body : `in ${body}`, world.clock).when
    return lengthOf(body) ? create({ title: 'Timer', remind: true, ...(when ? { when } : {}) }) : undefined
  }
  const draft = draftOf(body.replace(/^\s*(?=\d)/, 'at '), { ...world }, true)
  const when = readWhen(`wake up ${body.trim().replace(/^(?=\d)/, 'at ')}`, world.clock).when
  return create({ ...draft, title: wake ? 'Wake up' : draft.title || 'Alarm', ...(when ? { when } : {}) })
}

function subtask(clause: string, world: World): Intent | undefined {
  const m = re(
    raw`^(?:add|create|make)\s+(?:a |an )?(?:sub-?task|sub task|subitem|step)s?:?\s+(?:to |`,
    raw`called )?(.+?)\s+(?:to|under|for|on)\s+(.+)$`,
  ).exec(clause)
  if (m?.[1] && m[2]) return create({ ...draftOf(m[1], world, false), parent: m[2] })
  const n = re(
    raw`^(?:add|create|make)\s+(?:a |an )?(?:sub-?task|sub task|step)s?\s+(?:to|under|`,
    raw`for)\s+(.+?)\s*[:,-]\s*(?:to )?(.+)$`,
  ).exec(clause)
  return n?.[1] && n[2] ? create({ ...draftOf(n[2], world, false), parent: n[1] }) : undefined
}

const NEEDS_DOING =
  /^(?!(?:i|we|it|that|this|they|you|who|what)\b).{2,60}? (?:needs?|wants) (?:a |an |some )?(?:\w+ing|to be \w+)\b/i

/** Sentences that say they want a task. */
export function readCreate(clause: string, world: World): Intent | undefined {
  const early =
    alarm(clause, world) ??
    subtask(clause, world) ??
    (/^remind me (?:what|when|who|where)/i.test(clause)
      ? undefined
      : (leadOf(clause, world) ?? reminder(clause, world)))
  if (early) return early
  if (NEEDS_DOING.test(clause) && !QUESTION.test(clause) && /ing\b/.test(clause)) return made(clause, world)
  const quoted = QUOTED.exec(clause)
  if (quoted?.[1]) return made(`${quoted[1]} ${quoted[2] ?? ''}`, world)
  const listed = LISTED.exec(clause)
  if (listed?.[1]) return made(`${listed[1]} ${clause.slice(listed[0].length)}`, world)
  const intend = INTEND.exec(clause)
  if (intend?.[1] && isAction(intend[1])) return made(clause.slice(intend[0].length), world)
  for (const form of [ADD, HEAD, FORGET_NOT, NEED]) {
    const m = form.exec(clause)
    if (!m) continue
    const level = form === ADD && m[1] ? `${m[1].trim()}${/priority/i.test(m[1]) ? '' : ' priority'}: ` : ''
    return made(level + clause.slice(m[0].length), world)
  }
  if (/^(?:add|create)\s+/i.test(clause)) return made(clause.replace(/^(?:add|create)\s+(?:an? )?/i, ''), world)
  if (SCHEDULE.test(clause)) {
    const body = clause.replace(SCHEDULE, '')
    const length = re(
      raw`^((?:\d+(?:\.\d+)?|an?|one|two|three|half an) ?(?:hours?|hrs?|h|minutes?|`,
      raw`mins?))\b(.*\b(?:for|to|on)\b.*)$`,
    ).exec(body)
    const minutes = length?.[1] ? lengthOf(length[1]) : undefined
    const draft = {
      ...draftOf(minutes ? (length?.[2] ?? '') : body, world, false),
      ...(minutes ? { estimate: minutes } : {}),
    }
    return draft.title ? create(draft.when ? draft : draftOf(clause, world, false)) : undefined
  }
  if (HAVE.test(clause) && !QUESTION.test(clause)) {
    const draft = draftOf(clause.replace(HAVE, ''), world, false)
    return draft.when && draft.title ? create(draft) : undefined
  }
  return undefined
}

function made(body: string, world: World): Intent | undefined {
  const draft = draftOf(body, world, false)
  return draft.title ? create(draft) : undefined
}

/** A plain "buy milk" or "lunch with sam thursday noon". */
export function impliedCreate(clause: string, world: World): Intent | undefined {
  if (QUESTION.test(clause) || /\?\s*$/.test(clause)) return undefined
  const draft = draftOf(clause, world, false)
  const words = tokens(draft.title)
  const first = tokens(clause)[0] ?? ''
  if (
    words.length === 0 ||
    /^(?:(?:i|we|you|he|she|they|it|that|there|what|who)(?:'\w+)?|this|is|are|was|don't|didn't|no|not|yes)$/i.test(
      words[0] ?? '',
    )
  )
    return undefined
  const told = /^\S+(?: \S+){0,3} (?:is|are|was|were|has|have|had)\b/i.test(clause) && !timely(draft.when, words.length)
  if (told) return undefined
  const doing = (isAction(first) || isAction(words[0] ?? '')) && words.length > 1
  return doing || timely(draft.when, words.length) || (draft.priority !== undefined && words.length > 1)
    ? create(draft)
    : undefined
}

const timely = (when: When | undefined, words: number) =>
  when !== undefined &&
  (when.dateSaid || when.time !== undefined || when.exact !== undefined || when.repeat !== undefined) &&
  words <= 24
