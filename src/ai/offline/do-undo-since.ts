import { list, record, text } from './conversation.ts'
import { waits } from './do-end.ts'
import type { Intent, Outcome, Result, Script } from './intent.ts'
import { numbered, plural, trouble } from './say.ts'

const failed = (result: Result | undefined): Outcome => ({
  text: `I couldn't undo that: ${result ? trouble(result) : 'no answer'}.`,
})
const lines = (value: unknown) => list(value).map(text).filter(Boolean)

/** Looks what there is, and asks before any of it is taken back. */
export function* doUndoSince({ since, until, name }: Extract<Intent, { kind: 'undo-since' }>): Script {
  const [found] = yield [{ name: 'list_effects', input: { since, until } }]
  if (!found?.ok) return failed(found)
  const { effects, more } = record(found.output)
  const done = list(effects).map(record)
  if (done.length === 0) return { text: `Nothing was done for you ${name}, so there is nothing to undo.` }
  const open = done.filter(({ reversible }) => reversible === true).map(({ says }) => text(says))
  const fixed = done.filter(({ reversible }) => reversible !== true).map(({ says }) => text(says))
  const stays = fixed.length > 0 ? `\nThis cannot be taken back:\n${numbered(fixed)}` : ''
  if (open.length === 0) return { text: `Nothing that was done for you ${name} can be undone.${stays}` }
  const [result] = yield [{ name: 'undo_effects', input: { since, until } }]
  if (!waits(result)) return sayUndone(result ? [result] : [])
  const rest = more === true ? '\nThere is more before that; I would ask again.' : ''
  const what = `I would undo ${plural(open.length, 'thing')} done ${name}:\n${numbered(open)}`
  return { text: `${what}${stays}${rest}\nShall I?` }
}

/** What became of it, as the tool tells. */
export function sayUndone(results: Result[]): Outcome {
  const bad = results.find((one) => !one.ok)
  if (results.length === 0 || bad) return failed(bad)
  const outputs = results.map((one) => (one.ok ? record(one.output) : {}))
  const [undone, stays] = [outputs.flatMap((one) => lines(one.undone)), outputs.flatMap((one) => lines(one.stays))]
  const parts = [
    undone.length > 0 ? `Undone:\n${numbered(undone)}` : 'Nothing was undone.',
    stays.length > 0 ? `This stays:\n${numbered(stays)}` : '',
    outputs.some(({ nextCursor }) => text(nextCursor)) ? 'There is more before that: say it again to go on.' : '',
  ]
  return { text: parts.filter(Boolean).join('\n'), wrote: undone.length > 0 }
}
