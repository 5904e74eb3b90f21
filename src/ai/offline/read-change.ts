import type { Intent, Target, World } from './intent.ts'
import { raw, re } from './pattern.ts'
import { draftOf } from './read-create.ts'
import { estimate, labels, note, projectOf, rename, reword } from './read-edit.ts'
import { priority } from './read-priority.ts'
import { readSchedule, readSnooze } from './read-schedule.ts'
import { change, readTarget } from './targets.ts'
import { QUESTION } from './verbs.ts'
import { readWhen } from './when.ts'

type Made = Intent | undefined
function recurrence(c: string, world: World): Made {
  const stop =
    /^(?:stop|don't|do not|quit|no longer) (?:repeat(?:ing)?|recur(?:ring)?) (.+)$/i.exec(c) ??
    re(
      raw`^(?:make|set) (.+?) (?:to )?(?:not (?:repeat|recur)|stop (?:repeating|recurring)|`,
      raw`non-?recurring|one[- ]?(?:time|off)|no longer repeat)(?: anymore)?$`,
    ).exec(c) ??
    re(
      raw`^(.+?) (?:doesn't|does not|shouldn't|should not|should no longer|`,
      raw`no longer) (?:need to )?(?:repeats?|recurs?)(?: anymore| any more)?$`,
    ).exec(c) ??
    re(
      raw`^(?:remove|clear|turn off|cancel|stop) (?:the )?(?:repeat|recurrence|repetition|`,
      raw`repeating)(?: of| from| on| for)? (.+)$`,
    ).exec(c)
  if (stop?.[1]) return change(stop[1], { clear: 'recurrence' }, world)
  const repeat =
    /^(?:set|make|have|let|change|put|get|turn|convert)\s+(?:up )?(.+)$/i.exec(c) ??
    /^(?:repeat|recur)\s+(.+)$/i.exec(c) ??
    /^(.+?\b(?:repeats?|recurs?|is|are|happens|should (?:repeat|happen|be))\b.+)$/i.exec(c)
  if (!repeat?.[1] || QUESTION.test(c)) return undefined
  const { when, rest } = readWhen(repeat[1], world.clock)
  if (!when?.repeat) return undefined
  const name = rest.replace(
    re(
      raw`(?:\s+(?:to|is|are|happens|should|repeats?|recurs?|recurring|repeating|happen|go|be|into|`,
      raw`an?|task|thing|event|habit|reminder|on|only|just|from now on)\b)+\s*$`,
    ),
    '',
  )
  const meant = /^(?:repeat|recur)/i.test(c) && name === '' ? 'it' : name
  const made = change(meant, { when }, world)
  if (made?.kind !== 'change' || made.target.kind !== 'named' || /\b(?:repeat|recur)/i.test(c)) return made
  const draft = draftOf(c, world, false)
  return draft.title ? { ...made, orCreate: draft } : made
}

function clearing(c: string, world: World): Made {
  const due =
    re(
      raw`^(?:remove|clear|drop|delete|take off|unset|lose) (?:the )?(?:due ?date|deadline|date|time|`,
      raw`due) (?:from|of|for|on|off) (.+)$`,
    ).exec(c) ??
    /^(?:remove|clear|drop|delete) (.+?)(?:'s)? (?:due ?date|deadline)$/i.exec(c) ??
    /^take (?:the )?(?:due ?date|deadline|date) off (?:of )?(.+)$/i.exec(c) ??
    re(
      raw`^(.+?) (?:has|have|needs?|doesn't have|doesn't need|don't need) (?:no|a|any) (?:due ?date|`,
      raw`deadline)(?: anymore)?$`,
    ).exec(c) ??
    /^(?:no|without) (?:due ?date|deadline) (?:for|on) (.+)$/i.exec(c) ??
    /^unschedule (.+)$/i.exec(c)
  if (due?.[1] && !/(?:has|have|needs?) a /i.test(c)) return change(due[1], { clear: 'due' }, world)
  const bell =
    re(
      raw`^(?:remove|clear|turn off|stop|cancel|delete) (?:the |my )?(?:reminder|alert|`,
      raw`notification)s? (?:from|of|for|on|about) (.+)$`,
    ).exec(c) ??
    re(
      raw`^(?:don't|do not|stop|no need to) (?:remind(?:ing)?|ping(?:ing)?|nudg(?:e|ing)|`,
      raw`bother(?:ing)?|nag(?:ging)?) me (?:about|of|to|for) (.+)$`,
    ).exec(c)
  const silenced =
    /^(?:stop|turn off|silence|mute|disable|switch off) (?:the |my )?(.+?) (?:reminder|alert|notification)s?$/i.exec(c)
  if (silenced?.[1]) return change(silenced[1], { clear: 'remindAt' }, world)
  return bell?.[1] && !/^cancel/i.test(c) ? change(bell[1], { clear: 'remindAt' }, world) : undefined
}

/** Whose turn is called off in "it for today", "everything today", "yoga on monday". */
function turnOf(said: string, world: World): Target | undefined {
  const text = said.replace(/ (?:(?:just )?(?:for )?this (?:time|week)|(?:just )?(?:this )?once)$/i, '')
  const alone = readTarget(text.replace(/ (?:just )?(?:for )?(?:today|tonight|tomorrow)$/i, ''), world)
  if (alone?.kind === 'focus') return alone
  const found = readTarget(text, world)
  return found?.kind === 'set' || (found?.kind === 'named' && found.names.length > 0) ? found : undefined
}

function status(c: string, world: World): Made {
  const going =
    re(
      raw`^(?:i'?m |i am )?(?:now |currently |already |just )?(?:working on|in the middle of|`,
      raw`busy with|starting(?: on)?(?: with)?|tackling) (.+)$`,
    ).exec(c) ??
    /^i?(?:'ve)? ?(?:just )?(?:started|began|begun)(?: on| with| working on)? (.+)$/i.exec(c) ??
    /^mark (.+?) (?:as )?(?:in progress|started|in-progress|ongoing|wip|doing)$/i.exec(c) ??
    /^(?:start|begin) (?:on |with |working on |work on )(.+)$/i.exec(c) ??
    /^(.+?) is (?:now )?in progress$/i.exec(c)
  if (going?.[1] && !readWhen(going[1], world.clock).when)
    return change(going[1].replace(/\s+(?:now|right now|today)$/i, ''), { status: 'in_progress' }, world)
  const begin = /^(?:start|begin) (?:the |my )(.+)$/i.exec(c)
  const made =
    begin?.[1] && !readWhen(c, world.clock).when ? change(begin[1], { status: 'in_progress' }, world) : undefined
  if (made?.kind === 'change')
    return made.target.kind === 'named' ? { ...made, orCreate: draftOf(c, world, false) } : made
  const skip =
    /^(?:i'll |i will |i'm |let's |going to |gonna )*skip(?:ping)? (.+?)(?: (?:for )?(?:today|tonight|tomorrow|this (?:week|time|month|one)|once|just this once|next time|next week))*$/i.exec(
      c,
    )
  const ahead = /\btomorrow$/i.test(c) ? ' tomorrow' : ''
  if (skip?.[1])
    return change(`${skip[1].replace(/^(?:today|tomorrow|this week)'s /i, '')}${ahead}`, { skip: true }, world)
  const once =
    /^(?:cancel|call off|scratch) (.+? (?:(?:just )?(?:for )?(?:today|tonight|tomorrow|(?:on |this )?(?:mon|tues|wednes|thurs|fri|satur|sun)day|this (?:week|time|morning|afternoon|evening))|(?:just )?(?:this )?once))$/i.exec(
      c,
    )
  const turn = once?.[1] ? turnOf(once[1], world) : undefined
  if (turn) return { kind: 'change', target: turn, change: { skip: true } }
  const off =
    re(
      raw`^(?:never mind|forget about(?: doing)?(?: the)?|cancel|call off|scrap|abandon|scratch|`,
      raw`ditch|forget about doing|abort|dismiss) (.+)$`,
    ).exec(c) ??
    re(
      raw`^(?:i |we )?(?:don't|do not|no longer|won't) (?:need|have|want|`,
      raw`going)(?: to)?(?: do)? (.+?)(?: anymore| any more| any longer)$`,
    ).exec(c) ??
    re(
      raw`^(?:i |we )?(?:no longer (?:need|have|want)(?: to)?|don't need to|don't have to|`,
      raw`won't be doing)(?: do)? (.+?)$`,
    ).exec(c) ??
    /^(.+?) (?:cancell?ed|called off)(?: now| this week| today| tomorrow| anymore)?$/i.exec(c) ??
    re(
      raw`^(.+?) (?:is|was|got|has been|'s been|'s) (?:off|cancell?ed|called off|not happening|`,
      raw`no longer (?:needed|necessary|happening))(?: now| anymore)?$`,
    ).exec(c) ??
    re(
      raw`^(?:i'?m |we'?re |i am |i )?(?:not|no longer) (?:going to|doing|having|attending|`,
      raw`going)(?: to)? (.+?)(?: anymore| any more| after all| today)?$`,
    ).exec(c) ??
    /^(?:i |we )?(?:don't|do not|won't) have (?:a |an |any |the |my )?(.+?) (?:this week|today|tomorrow|this month|anymore|any more|after all)$/i.exec(
      c,
    ) ??
    /^(?:there's |there is )?no (?:more )?need (?:to|for) (.+)$/i.exec(c) ??
    /^mark (.+?) (?:as )?cancell?ed$/i.exec(c)
  const what = off?.[1]?.replace(/^(?:the |my )?reminder (?:to|for|about) /i, '')
  return what && !/^(?:my )?(?:subscription|membership|netflix|order|plan)\b/i.test(what)
    ? change(what, { status: 'cancelled' }, world)
    : undefined
}

/** Sentences that change a task which is already there. */
export function readChange(c: string, world: World): Made {
  if (
    (QUESTION.test(c) && !/^give me (?:until|till|til|\w+ (?:\w+ )?more|another|an extra)\b/i.test(c)) ||
    /\?\s*$/.test(c)
  )
    return undefined
  for (const read of [
    readSnooze,
    rename,
    note,
    labels,
    clearing,
    estimate,
    priority,
    recurrence,
    projectOf,
    readSchedule,
    reword,
    status,
  ]) {
    const found = read(c, world)
    if (found) return found
  }
  return undefined
}
