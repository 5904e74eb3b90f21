import type { Intent, Room, World } from './intent.ts'
import { raw, re } from './pattern.ts'
import { draftOf } from './read-create.ts'
import { ABILITIES } from './read-talk.ts'
import { readUndoSince } from './read-undo-since.ts'
import { QUESTION, SENDS, UNSUPPORTED } from './verbs.ts'
import { readWhen } from './when.ts'
import { sentence } from './words.ts'

const say = (text: string): Intent => ({ kind: 'say', text })
const ORDERS = /^(?:book|order|buy|get|call)\b/i
const SUM = re(
  raw`^(?:(?:what is|what's|whats|how much is|how much's|calculate|compute|work out)\s+[(]?-?\d[\d.,]*\s*%?\s*(?:[-+*x^\u00d7]|plus\b|`,
  raw`minus\b|times\b|divided by\b|multiplied by\b|of\b)|(?:how much is|calculate|compute|work out)\s+\d[\d.,]*\s*\/)\s*\d`,
)

function offered(c: string, cannot: string, world: World): Intent {
  const draft = draftOf(c, world, false)
  return {
    kind: 'say',
    text: `${cannot} from here. Shall I add \u201c${draft.title}\u201d to your tasks instead?`,
    ask: { kind: 'offer', intent: { kind: 'create', draft } },
  }
}

/** What is asked of an assistant and is none of ours. */
export function unsupported(c: string, world: World): Intent | undefined {
  const asks = QUESTION.test(c) || /\?\s*$/.test(c)
  const orders = re(
    raw`^(?:translate|explain|define|google|play|turn (?:on|off)|write (?:me )?an? |tell me (?:a|an|`,
    raw`about)|sing|summari[sz]e|how)\b`,
  ).test(c)
  if (SUM.test(c)) return say("I can't do sums: I keep your tasks, reminders and notes.")
  const dated = readWhen(c, world.clock).when?.dateSaid
  if (SENDS.test(c) && !dated) {
    return offered(c, ORDERS.test(c) ? "I can't book, buy or order anything" : "I can't send messages or mail", world)
  }
  if ((asks || (orders && !dated)) && UNSUPPORTED.test(c))
    return {
      kind: 'say',
      text: `I can't answer that: I run offline, without a language model or the web. ${ABILITIES}`,
    }
  return undefined
}

const PRONOUN = raw`(?:it|that|this|them|those|these)`
const DECIDES = re(
  raw`^(?:approve|accept|reject|decline|dismiss) (?:${PRONOUN}(?: one)?|(?:(?:the|that|this|all|my|your|first|second|third|last|next) )*`,
  raw`(?:suggestions?|proposals?|approvals?))$`,
)
const BOOKS = re(raw`^(?:book|order|reserve) ${PRONOUN}(?: now| for me)?$`)
const SWITCHES = re(
  raw`^(?:turn (?:on|off)|switch (?:on|off)|enable|disable|pause|resume|activate|deactivate|stop|start|run|delete|edit|change)\b`,
  raw`[^.;]{0,80}\b(?:workflows?|automations?)(?: (?:on|off))?$|^turn [^.;]{0,80}\b(?:workflows?|automations?) (?:on|off)$`,
)
const UNDOES = /^undo\b/i
const DRAFTS = /^(?:draft|compose) (?:me )?(?:an? |the |my )?(?:e-?mail|mail|message|reply)\b/i
const PROMISES = re(
  raw`^(?:what (?:did i promise|have i promised|(?:are|were) my (?:commitments|promises))|`,
  raw`(?:(?:list|show(?: me)?|any|do i have any) )?(?:all )?(?:my |the |of my )*(?:open )?(?:commitments|promises))$`,
)
const SUGGESTS = re(
  raw`^(?:any (?:new )?suggestions|(?:do you have|have you(?: got)?|got|are there) any (?:new )?suggestions|what do you suggest|`,
  raw`what are (?:my|your|the) suggestions|(?:list|show)(?: me)? (?:all )?(?:my |your |the )?suggestions|(?:my )?suggestions)$`,
)
const WORKFLOWS = re(
  raw`^(?:(?:list|show|see)(?: me)? (?:all )?(?:my |the )?(?:workflows|automations)|my (?:workflows|automations)|`,
  raw`(?:what|which|how many) (?:workflows|automations) (?:do i have|are there|have i got)|what are my (?:workflows|automations)|`,
  raw`do i have any (?:workflows|automations))$`,
)
const room = (name: Room, world: World): Intent =>
  world.can(`list_${name}`)
    ? { kind: 'room', room: name }
    : say(`I can't see ${name} from here: you find them in the app, under ${sentence(name)}.`)

/** What is asked of the app's other rooms, and commands that are no task. */
export function readElsewhere(c: string, world: World): Intent | undefined {
  const t = c.replace(/[.!?\s]+$/, '')
  if (t.length > 120) return undefined
  const since = readUndoSince(t, world)
  if (since) return since
  if (PROMISES.test(t)) return room('commitments', world)
  if (SUGGESTS.test(t)) return room('suggestions', world)
  if (WORKFLOWS.test(t)) return room('workflows', world)
  if (SWITCHES.test(t))
    return say("I can't change or run a workflow from here: you do that in the app, under Workflows.")
  if (DECIDES.test(t))
    return say(
      "I don't know what that is: nothing waits for your yes here. Suggestions are in the app, under Suggestions.",
    )
  if (BOOKS.test(t))
    return say("I can't book or order anything. To put something into your calendar, tell me its name, day and time.")
  if (UNDOES.test(t))
    return say(
      "I didn't understand what to undo, so nothing has changed. Say \u201cundo\u201d for the last change, or \u201cundo everything since 9\u201d.",
    )
  if (DRAFTS.test(t) && !readWhen(t, world.clock).when?.dateSaid)
    return offered(t, "I can't write mail or messages", world)
  return undefined
}
