import { asTask, record, resultsOf, type Turn } from './conversation.ts'
import { titles, trouble } from './say.ts'

/** Another model began this turn: say only what its tools returned. */
export function wrapUp(turn: Turn): string {
  const results = turn.steps.flatMap(resultsOf)
  const good = results.flatMap((r) => (r.ok ? [asTask(record(r.output).task) ?? asTask(r.output)] : []))
  const named = [...new Set(good.flatMap((task) => task?.title ?? []))].map((title) => ({ title }))
  const bad = results.find((r) => !r.ok)
  const done = named.length > 0 ? `Done: ${titles(named)}.` : good.length > 0 ? 'That went through.' : ''
  const failed = bad ? `One step failed: ${trouble(bad)}.` : ''
  return [done, failed].filter(Boolean).join(' ') || "I couldn't finish that."
}
