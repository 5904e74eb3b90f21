import { list, record, text } from './conversation.ts'
import { waits } from './do-end.ts'
import type { Intent, Script, World } from './intent.ts'
import { raw, re } from './pattern.ts'
import { quote, trouble } from './say.ts'

const WANTS = re(
  raw`^(?:(?:hey|hi|ok|okay|please|can you|could you|would you|i want(?: you to)?|i'd like(?: you to)?|i need)[\s,]+)*`,
  raw`(?:(?:draft|build|create|make|set up|design|write|add)(?: me)? )?(?:a |an |another )(?:new )?(?:workflow|automation|routine)\b`,
  raw`(?=.*\b(?:that|which|to|when|whenever|every|each|daily)\b|\s*:)`,
)

const TELLS = raw`(?:(?:tell|show|send|give|read) me (?:what|which|how|my|the|an?|all)\b|brief me\b|summari[sz]e\b)`
const AGAIN = re(
  raw`^(?:please )?(?:(?:every|each|daily|weekdays|on (?:mon|tues|wednes|thurs|fri|satur|sun|week)days)\b[^.;]{0,60}\b${TELLS}`,
  raw`|${TELLS}[^.;]{0,80}\b(?:every|each) )`,
)
const THEN = re(
  raw`^(?:when(?:ever)?|if|once)\b(?=.*\b(?:tasks?|overdue|done|due|free|meetings?|events?|calendar|labels?|projects?|completed?|deleted?)\b)`,
  raw`.{5,160}\b(?:tell|remind|notify|alert|ask|ping|warn|suggest|create|add|let me know|send me)\b`,
)

/** "Make a workflow that ...", or what only a workflow could do: all that is said is what it is to do. */
export const readDraft = (said: string, world: World): Intent | undefined => {
  const isMeant = !/\?\s*$/.test(said) && (AGAIN.test(said) || THEN.test(said)) && world.can('draft_workflow')
  return WANTS.test(said) || isMeant ? { kind: 'draft', text: said.slice(0, 1000) } : undefined
}

/** Drafts, shows, and asks before anything is saved. */
export function* doDraft(intent: Extract<Intent, { kind: 'draft' }>): Script {
  const [drafted] = yield [{ name: 'draft_workflow', input: { text: intent.text } }]
  if (!drafted?.ok) return { text: `I couldn't draft that: ${drafted ? trouble(drafted) : 'no answer'}.` }
  const { understood, says, workflow, because, notUnderstood, next } = record(drafted.output)
  if (understood !== true) {
    const what = list(notUnderstood).map(text).filter(Boolean).map(quote).join(', ')
    const why = text(because).replace(/[.\s]+$/, '')
    return { text: `I couldn't make a workflow of that${what ? `: I didn't understand ${what}` : ''}. ${why}.` }
  }
  const left = list(notUnderstood).map(text).filter(Boolean).map(quote).join(', ')
  const drops = left ? ` I know nothing that does ${left}.` : ''
  const [saved] = yield [{ name: 'create_workflow', input: { workflow: record(workflow) } }]
  if (saved?.ok) return { text: `Saved the workflow ${quote(text(record(saved.output).name))}.`, wrote: true }
  if (!waits(saved)) return { text: `${text(says)} I couldn't save it: ${saved ? trouble(saved) : 'no answer'}.` }
  const first = text(list(next)[0])
  const runs = first ? ` It would run first at ${first.slice(0, 16).replace('T', ' ')} UTC.` : ''
  return { text: `${text(says)}${runs}${drops} Shall I save it?` }
}
