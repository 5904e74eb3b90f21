import { list, record, text } from './conversation.ts'
import type { Intent, Room, Script } from './intent.ts'
import { numbered, quote, trouble } from './say.ts'

const ROOMS: Record<Room, { empty: string; title: string; line(item: Record<string, unknown>): string; more: string }> =
  {
    suggestions: {
      empty: 'I have no suggestion for you right now.',
      title: 'I suggest:',
      line: ({ title, offers }) => [text(title), list(offers).map(text).join('; ')].filter(Boolean).join(' \u2013 '),
      more: 'You say yes to one by tapping it in the app, under Suggestions.',
    },
    commitments: {
      empty: 'I know of nothing you said you would do and have not done.',
      title: 'You said you would:',
      line: ({ what, due, quote: said }) => {
        const { date, time } = record(due)
        const by = [text(date), text(time)].filter(Boolean).join(' ')
        return `${text(what)}${by ? ` (${by})` : ''}: ${quote(text(said))}`
      },
      more: 'Tell me what you have done, and I take it off.',
    },
    workflows: {
      empty:
        'You have no workflows. Tell me what should happen when, \u201cmake a workflow that \u2026\u201d, and I draft one.',
      title: 'Your workflows:',
      line: ({ name, status, description }) =>
        [`${text(name)} (${text(status)})`, text(description)].filter(Boolean).join(': '),
      more: 'You turn them on and off in the app, under Workflows.',
    },
  }

/** What another room of the product holds, read aloud. */
export function* doRoom({ room }: Extract<Intent, { kind: 'room' }>): Script {
  const [found] = yield [{ name: `list_${room}`, input: {} }]
  if (!found?.ok) return { text: `I couldn't look: ${found ? trouble(found) : 'no answer'}.` }
  const output = record(found.output)
  const items = list(output[room]).map(record)
  const { empty, title, line, more } = ROOMS[room]
  if (items.length === 0) return { text: empty }
  const rest = output['more'] === true ? '\nThere are more.' : ''
  return { text: `${title}\n${numbered(items.map(line))}${rest}\n${more}` }
}
