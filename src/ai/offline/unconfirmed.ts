import { list, record, resultsOf, type Turn, text } from './conversation.ts'
import { waits } from './do-end.ts'
import type { State } from './intent.ts'

/** The calls of a turn that wait for a tap, with what they are about where the turn read it. */
export function unconfirmedIn(turn: Turn): State['unconfirmed'] {
  const step = turn.steps.at(-1)
  const waiting = step ? resultsOf(step).flatMap((r, i) => (waits(r) ? (step.calls[i] ?? []) : [])) : []
  if (waiting.length === 0) return undefined
  const known = turn.steps.flatMap(resultsOf).flatMap((r) => (r.ok ? list(record(r.output).items).map(record) : []))
  return waiting.map(({ name, input: given }) => {
    const input = record(given)
    const about = known.find(({ id }) => text(id) && id === input.id)
    const title = text(about?.title) || text(about?.name) || text(input.title) || text(input.subject)
    return { name, input, ...(title && { title }) }
  })
}
