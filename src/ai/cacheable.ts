import { createHash } from 'node:crypto'
import type { Call } from './call.ts'
import type { ModelMessage, ModelRequest } from './model.ts'

export type Cacheability = { ok: true; text: string } | { ok: false; reason: string }

const MAX_PROMPT_CHARS = 60_000
const MAX_TEMPERATURE = 0.3
const MAX_SOURCES = 200
const MAX_SOURCE_CHARS = 64
const SAID_ONCE: Call['kind'][] = ['embed', 'transcribe', 'speak']

// Words that make an answer one of its hour. They only ever refuse: a request with none of them may be refused otherwise.
const HOURLY = [
  'now|today|tonight|tomorrow|yesterday|current|currently|latest|recent|recently|lately|nowadays|upcoming|ago|yet',
  'weather|forecast|news|headlines|so far|at the moment|(?:this|next|last|past|coming|previous) (?:\\p{L}+day|minute|hour|morning',
  'afternoon|evening|night|week|weekend|fortnight|month|quarter|season|year|spring|summer|autumn|winter)',
  'what (?:time|day|date|year|month)|the (?:time|date)|deadline|due|overdue|schedule|calendar|agenda',
  'heute|jetzt|morgen|gestern|aktuell|aujourd.hui|maintenant|demain|hier|actuel|actuellement',
  'hoy|ahora|ma\u00f1ana|ayer|actualmente|oggi|adesso|domani|ieri|hoje|agora|amanh\u00e3|ontem',
]
const TIMELY = new RegExp(`(?<![\\p{L}\\p{N}])(?:${HOURLY.join('|')})(?![\\p{L}\\p{N}])`, 'iu')

/**
 * Whether the answer may be given to this person again, and if not why not. By the shape of the request first: what may
 * act, what hangs on the hour, what is somebody else's. `text` is what is asked last.
 */
export function cacheability(call: Call, userId: string): Cacheability {
  const { request, share, kind } = call
  const no = (reason: string): Cacheability => ({ ok: false, reason })
  if (!share) return no('the caller does not share it')
  if (SAID_ONCE.includes(kind)) return no(`a call to ${kind} is not an answer in words`)
  if (request.tools.length > 0) return no('it may use tools, and tools may act')
  if (request.closedTools?.length) return no('it speaks of what tools did')
  if (request.person || request.volatileSystem.trim() !== '') return no('it says what holds only now')
  if ((request.temperature ?? 0) > MAX_TEMPERATURE) return no('it asks for variety')
  if (share.sources.length > MAX_SOURCES || share.sources.some((id) => id === '' || id.length > MAX_SOURCE_CHARS))
    return no('what fed it cannot be kept track of')
  if (share.sources.some((id) => id.startsWith('usr_') && id !== userId)) return no("another person's data fed it")
  const last = request.messages.at(-1)
  const parts = request.messages.flatMap((message): { type: string }[] => message.parts)
  if (parts.some(({ type }) => type !== 'text')) return no('it holds more than text')
  const text = last?.role === 'user' ? textOf(last) : ''
  if (text === '') return no('nothing is asked last')
  const said = request.messages.map(textOf)
  if (request.system.length + said.reduce((sum, one) => sum + one.length, 0) > MAX_PROMPT_CHARS)
    return no('it is too long')
  if (said.some((one) => TIMELY.test(one))) return no('its answer depends on when it is asked')
  return { ok: true, text }
}

/** All of the request but its last words: what must be the same for an answer to be one. */
export function frameOf({ kind, model, request, share }: Call): string {
  return hash([
    kind,
    model ?? null,
    request.system,
    request.format ?? 'text',
    request.toolChoice ?? null,
    request.maxOutputTokens,
    request.temperature ?? null,
    request.topP ?? null,
    request.stopSequences ?? [],
    request.messages.slice(0, -1).map((message) => [message.role, message.parts.length, textOf(message)]),
    (share?.sources ?? []).toSorted(),
  ])
}

export function keyOf(frame: string, text: string): string {
  return hash([frame, text])
}

/** The words of a message; only how they were sent is evened out. */
function textOf({ parts }: ModelMessage): string {
  const texts = parts.flatMap((part) => (part.type === 'text' ? [part.text] : []))
  return texts.join('\n').normalize('NFC').replaceAll('\r\n', '\n').trim()
}

const hash = (value: (ModelRequest['format'] | object | string | number | null)[]) =>
  createHash('sha256').update(JSON.stringify(value)).digest('base64url')
