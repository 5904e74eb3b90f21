import type { ActionOffer, NewSuggestion } from '#proactivity'
import type { Commitment } from './schema.ts'

type From = { source: { kind: 'message' | 'mail'; id: string }; tainted: boolean }

const DAY_MS = 86_400_000
const LASTS_DAYS = 14
const MORNING = '09:00'

/** The follow-up that is offered for what was said: a task, or one that also rings. */
export function offerOf({ id, quote, what, due }: Commitment, { source, tainted }: From, now: Date): NewSuggestion {
  const task = { title: what, ...(due && { due }), notes: `You said: \u201c${quote}\u201d` }
  const act = (name: string, input: ActionOffer['input'], says: string): ActionOffer => {
    return { id: name, kind: 'create_task', input, says, outward: false, reversible: true }
  }
  const by = due ? ` by ${due.date}${due.time === undefined ? '' : ` ${due.time}`}` : ''
  const rings = due && { ...task, remindAt: { date: due.date, time: due.time ?? MORNING } }
  return {
    key: `commitment:${id}`,
    kind: 'commitment',
    title: `${what}${by}`,
    body: `You said: \u201c${quote}\u201d`,
    actions: [act('task', task, `Create the task \u201c${what}\u201d${by}`.slice(0, 500))],
    alternatives: rings ? [act('reminder', rings, `Create it, and ring on ${due.date}`)] : [],
    why: {
      trigger: source.kind === 'mail' ? 'You wrote it in a mail' : 'You said it in a conversation',
      facts: [{ kind: source.kind, id: source.id, says: quote }],
      score: {},
      rule: 'A promise in the first person, found by rules; no model was asked',
      model: null,
      costMicros: 0,
      decisionId: null,
    },
    confidence: due ? 0.8 : 0.6,
    priority: 'important',
    expiresAt: new Date(Math.max(now.getTime(), due ? Date.parse(due.date) : 0) + LASTS_DAYS * DAY_MS).toISOString(),
    source: source.kind === 'message' ? { kind: 'turn', messageId: source.id } : { kind: 'system' },
    tainted,
  }
}
