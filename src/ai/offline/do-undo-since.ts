import { list, record, text } from './conversation.ts'
import { waits } from './do-end.ts'
import type { Intent, Outcome, Result, Script } from './intent.ts'
import { numbered, plural, trouble } from './say.ts'

const failed = (result: Result | undefined): Outcome => ({
  text: `I couldn't undo that: ${result ? trouble(result) : 'no answer'}.`,
})

/** Looks what there is, and asks before any of it is taken back. */
export function* doUndoSince({ since, until, name }: Extract<Intent, { kind: 'undo-since' }>): Script {
  const [found] = yield [{ name: 'list_effects', input: { since, until } }]
  if (!found?.ok) return failed(found)
  const { items, more } = record(found.output)
  const done = list(items).map(record)
  if (done.length === 0) return { text: `Nothing was done for you ${name}, so there is nothing to undo.` }
  const open = done.filter(({ reversible }) => reversible === true)
  const fixed = done.filter(({ reversible }) => reversible !== true).map(({ says }) => text(says))
  const stays = fixed.length > 0 ? `\nThis cannot be taken back:\n${numbered(fixed)}` : ''
  if (open.length === 0) return { text: `Nothing that was done for you ${name} can be undone.${stays}` }
  const [result] = yield [{ name: 'undo_effects', input: { ids: open.map(({ id }) => text(id)) } }]
  if (!waits(result)) return sayUndone(result ? [result] : [])
  const rest = more ? '\nThere is more than this: say it again afterwards.' : ''
  const what = `I would undo ${plural(open.length, 'thing')} done ${name}:\n${numbered(open.map(({ says }) => text(says)))}`
  return { text: `${what}${stays}${rest}\nShall I?` }
}

/** What became of it, as the tool tells. */
export function sayUndone(results: Result[]): Outcome {
  const bad = results.find((one) => !one.ok)
  if (results.length === 0 || bad) return failed(bad)
  const items = results.flatMap((one) => (one.ok ? list(record(one.output).items).map(record) : []))
  const nameOf = ({ says, id }: Record<string, unknown>) => text(says) || text(id)
  const undone = items.filter(({ isUndone }) => isUndone === true).map(nameOf)
  const stays = items.filter(({ isUndone }) => isUndone !== true).map((one) => `${nameOf(one)}: ${text(one.why)}`)
  const parts = [
    undone.length > 0 ? `Undone:\n${numbered(undone)}` : 'Nothing was undone.',
    stays.length > 0 ? `This stays:\n${numbered(stays)}` : '',
  ]
  return { text: parts.filter(Boolean).join('\n'), wrote: undone.length > 0 }
}
