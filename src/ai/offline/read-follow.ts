import type { Moment } from './clock.ts'
import type { Ask, Change, Intent, Task, World } from './intent.ts'
import { onlyWhen } from './only-when.ts'
import { raw, re } from './pattern.ts'
import { draftOf } from './read-create.ts'
import { fits, likeness } from './resolve.ts'
import { lengthOf } from './spans.ts'
import { phrase, readPlaces, readTarget } from './targets.ts'
import { readWhen } from './when.ts'
import { stem, telling, tokens } from './words.ts'

const YES = re(
  raw`^(?:(?:y|yes|yep|yeah|yup|ya|sure|sure thing|ok|okay|do it|add it|create it|go ahead|please|`,
  raw`please do|confirm|confirmed|correct|right|absolutely|definitely|of course|sounds good|`,
  raw`go for it|affirmative|that's right|exactly|\ud83d\udc4d|alright|fine|why not|by all means|do so|`,
  raw`i am sure|i'm sure|i am|i do|that one|perfect|great|totally|indeed|if you can|thanks|`,
  raw`thank you)(?:\s+|$))+$`,
)
const NO = re(
  raw`^(?:(?:n|no|nope|nah|no thanks|no thank you|no way|don't|do not|not now|leave it|keep it|`,
  raw`never mind|cancel|stop|negative|leave it|forget it|forget about it|no need|rather not|`,
  raw`not really|i changed my mind|none|neither|none of them|neither of them|\ud83d\udc4e|nothing|skip|`,
  raw`skip it|abort|thanks|thank you|please|it's fine|that's ok|that's fine|not yet|`,
  raw`maybe later)(?:\s+|$))+$`,
)
const AGREES = /^(?:thanks|thank you|please|(?:thanks|thank you) (?:thanks|thank you)|right|great|perfect|fine)$/i
const UNDO = re(
  raw`^(?:undo(?: (?:that|it|this|the last (?:one|thing|change|action)|(?:that |the |`,
  raw`my )?(?:very )?last(?: (?:one|change|action|thing|task|edit))?|what (?:i|you) just did|`,
  raw`everything you just did))?|revert(?: (?:that|it|this))?|take (?:that|it) back|`,
  raw`scratch (?:that|it)|roll (?:that|it) back|undo please|put it back|put (?:that|`,
  raw`it) back(?: how it was)?|i take (?:that|it) back|reverse (?:that|it)|go back|(?:scratch|forget|drop) (?:that |the )?last (?:one|thing|bit)|ctrl[ -+]?z|`,
  raw`undo undo|leave it (?:as|how|the way) it was|(?:i've |i have )?changed my mind .{3,40}|`,
  raw`that was (?:a mistake|wrong)|that's (?:wrong|not right|not what i (?:meant|wanted|said))|`,
  raw`not what i (?:meant|wanted)|i did(?:n't| not) mean (?:that|to do (?:that|it)|to|it)|`,
  raw`put (?:that|it) back please|can you undo (?:that|it))$`,
)
const DROP = re(
  raw`^(?:cancel(?: that| it| this)?|(?:no|nah|nope) (?:forget it|never mind|cancel(?: that)?)|`,
  raw`wait no|no wait|never mind|never mind that|forget (?:it|that|about it|about that)|(?:don't|`,
  raw`do not) (?:do (?:that|it)|bother|worry about (?:it|that))|ignore (?:that|it)|drop (?:it|`,
  raw`that)|disregard(?: that)?|no never mind|actually (?:no|never mind|don't)|oops|my bad|`,
  raw`wrong one|i changed my mind|changed my mind|stop|skip that|leave it|no cancel that|`,
  raw`on second thought no|no wait)$`,
)

const BRING_BACK = /^(?:bring|get) (?:it|that|them) back(?: please)?$|^restore (?:it|that|them)$/i
const NOT_DONE = re(
  raw`^i (?:didn't|did not|haven't|have not|hadn't)(?: (?:actually |really )?(?:finish|finished|do|done|complete|`,
  raw`completed)(?: it| that)?)?(?: yet| actually)?$`,
)

const plain = (text: string) =>
  text
    .trim()
    .replace(/[.!?,]+/g, ' ')
    .replace(/\s+/g, ' ')
    .trim()

export const isYes = (text: string) => YES.test(plain(text)) && !/^(?:thanks|thank you)\b/i.test(plain(text))
export const isNo = (text: string) => NO.test(plain(text)) && !AGREES.test(plain(text))

/** "undo", and "cancel that" where something was just done. */
export function readUndo(text: string, world: World): Intent | undefined {
  const t = plain(text).replace(
    /^(?:ok|okay|oh|no|wait|actually|sorry|hmm|please|oops|ah|um|oh no|shit|crap|damn|never mind|nevermind)[, ]+(?=\S)/i,
    '',
  )
  if (UNDO.test(t)) return { kind: 'undo' }
  const { wrote, focus } = world.state
  if (wrote && BRING_BACK.test(t)) return { kind: 'undo' }
  if (wrote && NOT_DONE.test(t) && focus.at(-1)?.status === 'completed')
    return { kind: 'reopen', target: { kind: 'focus', many: false } }
  if (!DROP.test(t) && !DROP.test(plain(text))) return undefined
  if (world.state.ask) return { kind: 'say', text: 'Okay, never mind.' }
  return world.state.wrote
    ? { kind: 'undo' }
    : { kind: 'say', text: 'Okay. There is nothing to cancel, so nothing has changed.' }
}

/** What begins so asks for something else, unless a choice is called that. */
const REQUEST = re(
  raw`^(?:please |can you |could you |also |and |actually |ok |no )*(?:don't|do not|stop|add|remind|create|make|new|`,
  raw`delete|remove|move|push|reschedule|postpone|snooze|mark|complete|finish|cancel|skip|undo|set|change|rename|`,
  raw`what|what's|when|where|who|how|show|list|tell|do i|did i|is there|anything|i need|i have to|remember|forget|`,
  raw`i (?:did|finished|called|paid)|put|note|schedule|reopen|start|find|search)\b`,
)
const WHOLE = 1

function pick(tasks: Task[], text: string): Task[] {
  const t = plain(text).replace(
    /^(?:(?:i mean(?:t)?|it's|that would be|the one (?:about|with|for|called|named|from|on|at)|option|number|no)\s+)+/i,
    '',
  )
  if (/^(?:both|all|all of them|both of them|each|every one|them all|all (?:two|three|four))$/i.test(t)) return tasks
  const places = readPlaces(t)
  if (places) return places.flatMap((n) => tasks.at(n < 0 ? n : n - 1) ?? [])
  const words = telling(phrase(t)).map(stem)
  if (words.length === 0) return []
  if (REQUEST.test(t) && !tasks.some((task) => likeness(t, task.title) >= WHOLE)) return []
  const scored = tasks.map((task) => ({
    task,
    hits: words.filter((w) =>
      tokens(task.title)
        .map(stem)
        .some((s) => s === w || (w.length > 3 && s.startsWith(w))),
    ).length,
  }))
  const most = Math.max(...scored.map((s) => s.hits))
  const best = scored.filter((s) => s.hits === most && most * 2 >= words.length && most > 0)
  return best.length === 1 && best[0] ? [best[0].task] : []
}

/** "the one on friday", "the 3pm one". */
function pickByTime(tasks: Task[], t: string, world: World): Task[] {
  const said = t.replace(/^(?:the )?(?:one )?(?:on |at |from )?/i, '').replace(/ one$/i, '')
  const when = onlyWhen(said, world)
  const hits = when ? tasks.filter((task) => fits(task, when, world.clock)) : []
  return hits.length === 1 ? hits : []
}

/** The answer to what was asked at the end of the last turn. */
export function readAnswer(ask: Ask, text: string, world: World): Intent | undefined {
  const t = plain(text)
  if (isNo(t)) return { kind: 'say', text: 'Okay, I left everything as it was.' }
  if (ask.kind === 'offer') return isYes(t) ? ask.intent : undefined
  if (ask.kind === 'when') {
    const when = onlyWhen(
      t.replace(/^(?:at|on|make it|let's say|say|how about|maybe|around|remind me) (?=\S)/i, (m) =>
        /^(?:at|on|around)/i.test(m) ? m : '',
      ),
      world,
    )
    return when
      ? {
          kind: 'change',
          target: { kind: 'focus', many: false },
          change: { when, ...(ask.remind ? { snooze: { when } } : {}) },
        }
      : undefined
  }
  if (ask.kind === 'what') {
    const draft = draftOf(t, world, true)
    return draft.title
      ? { kind: 'create', draft: { ...draft, ...(draft.when || !ask.when ? {} : { when: ask.when }) } }
      : undefined
  }
  const named = ask.tasks.length === 1 && isYes(t) ? ask.tasks : pick(ask.tasks, t)
  const chosen = named.length > 0 ? named : pickByTime(ask.tasks, t, world)
  if (chosen.length === 0) return undefined
  if (ask.intent.kind === 'event-cancel' || ask.intent.kind === 'event-move')
    return { ...ask.intent, ids: chosen.map(({ id }) => id) }
  if (!('target' in ask.intent)) return undefined
  const places = chosen.map((task) => ask.tasks.indexOf(task) + 1)
  return { ...ask.intent, target: { kind: 'nth', places } }
}

const CORRECTION = re(
  raw`^(?:(?:no|nope|nah|never mind|actually|wait|sorry|oops|hmm|oh|ah|um|ugh|shoot|my bad|well|`,
  raw`ok|okay|hold on|hang on|scratch that|correction|rather|or rather|on second thought|hm|typo|`,
  raw`and|but|also|then)\b[\s,.!:;-]*)*(?:(?:i|that) (?:meant|mean|said|should be|`,
  raw`should have been|want(?:ed)?|was supposed to be)(?: to say| it)?(?: on| for| to be)?|`,
  raw`i'd (?:rather|prefer)|(?:can (?:you|we) |could (?:you|we) |please |let's |just |better |`,
  raw`should (?:we |i )?)*(?:(?:make|set|change)|(?:move|switch|push|do|have|put|update|adjust|`,
  raw`bring|shift|reschedule|bump)(?= (?:it|that|this|them|those|to|for|on|at|until|till|by|`,
  raw`back)\b))(?: (?:it|that|this|that one|them|those|the (?:time|day|date|due date|`,
  raw`deadline)))?(?: (?:to|for|on|be|at|until|till|by|due|back to))?|it(?:'?s| is|`,
  raw` should be)(?: (?:at|on|for|actually|now|due))*|that(?:'s| is)?|should be|how about|`,
  raw`what about|maybe|rather|instead|better)?[\s,:]*`,
)

/** "and the last one to saturday": the next of the list of which one was just given a time. */
export function readNext(text: string, world: World): Intent | undefined {
  const { wrote, list } = world.state
  const m = /^(?:(?:and|then|also)[\s,]+)+(?:move |push )?(.{3,40}?) (?:to|for|until|till) (.{2,40}?)[.!]*$/i.exec(
    text.trim(),
  )
  if (!m?.[1] || !m[2] || !wrote || !list) return undefined
  const places = readPlaces(m[1])
  const when = places && onlyWhen(m[2], world)
  return when ? { kind: 'change', target: { kind: 'nth', places }, change: { when } } : undefined
}

const sameTime = (a: Moment, b: Moment) => a.date === b.date && a.time === b.time

/** "i meant thursday for the landlord one": the task is named after the time. */
function namedLast(text: string, world: World): Intent | undefined {
  const m = re(
    raw`^(?:(?:no|nope|sorry|wait|oops|actually|ah|oh|hmm)\b[\s,.!]*)*i (?:meant|mean) (.{2,40}?) for (?:the |my )?`,
    raw`(.{2,60}?)(?: one| task)?[.!]*$`,
  ).exec(text.trim())
  const when = m?.[1] ? onlyWhen(m[1], world) : undefined
  const target = when && m?.[2] ? readTarget(m[2], world) : undefined
  return when && target?.kind === 'named' ? { kind: 'change', target, change: { when, near: true } } : undefined
}

/** "no, friday", "actually make it 6", "thursday instead": a new time for what was just spoken of. */
export function readCorrection(text: string, world: World): Intent | undefined {
  const { focus, wrote, focusIs } = world.state
  const named = namedLast(text, world)
  if (named) return named
  if (focus.length === 0 || (/\?$/.test(text.trim()) && !wrote)) return undefined
  const t = text.trim().replace(/[.!?]+$/, '')
  const many = /\b(?:them|those|these|all of them|both)\b/i.test(t)
  const lead = CORRECTION.exec(t)?.[0] ?? ''
  const body = t
    .slice(lead.length)
    .replace(/[\s,]+not (?:on |at )?[\w: ]{1,20}$/i, '')
    .replace(/^not [\w:]{1,12}(?: (?:am|pm))?[\s,]+(?:but )?/i, '')
  if (!(wrote || /\b(?:make|set|change|move|push|do|meant?)\b/i.test(lead)) || focusIs === 'none') return undefined
  if (/^(?:the )?(?:day after|next day|following day)$/i.test(body))
    return { kind: 'change', target: { kind: 'focus', many }, change: { shift: { days: 1, sign: 1 } } }
  const again = /^(?:the )?same (?:time|day|thing|place)(?: and (?:time|day))? next (week|month)$/i.exec(body)
  const shift = again
    ? { ...(/week/i.test(again[1] ?? '') ? { days: 7 } : { months: 1 }), sign: 1 as const }
    : undefined
  if (shift) return { kind: 'change', target: { kind: 'focus', many }, change: { shift } }
  const later =
    /^(?:by )?(.+?) (later|earlier|sooner|back)$/i.exec(body) ??
    (/\b(?:push|move|delay|bump|shift)\b/i.test(lead) ? /^(?:by )?(.+?)()$/i.exec(body) : null)
  const minutes = later?.[1] ? lengthOf(later[1]) : undefined
  if (later && minutes && !/\bin\b/i.test(body)) {
    const sign = /earlier|sooner/i.test(later[2] ?? '') ? -1 : 1
    return {
      kind: 'change',
      target: { kind: 'focus', many },
      change: { shift: { ...(minutes % 1440 === 0 ? { days: minutes / 1440 } : { minutes }), sign } },
    }
  }
  const length = /\b(?:make|meant?|set|change)\b/i.test(lead) && lengthOf(body) ? focus.at(-1) : undefined
  const { due, remindAt } = length ?? {}
  const ahead = due && remindAt && !sameTime(due, remindAt) ? readWhen(`${body} before`, world.clock).when : undefined
  if (ahead?.lead) return { kind: 'change', target: { kind: 'focus', many }, change: { when: ahead } }
  const soon = due && remindAt && sameTime(due, remindAt) && due.date === world.clock.today.toString()
  const when = (soon ? onlyWhen(`in ${body}`, world) : undefined) ?? onlyWhen(body, world)
  if (!when) return undefined
  const change: Change = { when, near: true }
  return { kind: 'change', target: { kind: 'focus', many }, change }
}
