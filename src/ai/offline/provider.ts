import {
  type ModelEvent,
  type ModelProvider,
  type ModelRequest,
  NO_USAGE,
  type PersonFacts,
  type Usage,
} from '../model.ts'
import { charsOf } from '../size.ts'
import type { Move } from './run.ts'

const MODEL = 'offline-1'
const CHARS_PER_TOKEN = 4
const WORDS_PER_DELTA = 3

const tokensIn = (chars: number) => Math.ceil(chars / CHARS_PER_TOKEN)

/** A few words at a time, as a model streams; joined again they are the text. */
function* deltas(text: string): Generator<string> {
  const words = text.match(/\s*\S+/g) ?? []
  for (let i = 0; i < words.length; i += WORDS_PER_DELTA) yield words.slice(i, i + WORDS_PER_DELTA).join('')
}

// Of the tools the rules read the names alone.
function usage({ system, volatileSystem, messages }: ModelRequest, output: number): Usage {
  const chars = system.length + volatileSystem.length + charsOf(messages)
  return { ...NO_USAGE, inputTokens: tokensIn(chars), outputTokens: output }
}

function* events(request: ModelRequest, move: Move): Generator<ModelEvent> {
  if ('calls' in move) {
    const chars = JSON.stringify(move.calls).length
    for (const [i, call] of move.calls.entries()) {
      yield { type: 'tool_call', call: { type: 'tool_call', id: `call_${request.messages.length}_${i + 1}`, ...call } }
    }
    yield { type: 'end', stop: 'tools', model: MODEL, usage: usage(request, tokensIn(chars)), isFinal: true }
    return
  }
  const room = Math.max(0, request.maxOutputTokens) * CHARS_PER_TOKEN
  const text = move.text.slice(0, room)
  for (const delta of deltas(text)) yield { type: 'text', text: delta }
  yield {
    type: 'end',
    stop: text.length < move.text.length ? 'length' : 'done',
    model: MODEL,
    usage: usage(request, tokensIn(text.length)),
    isFinal: true,
  }
}

/** Whoever brings a prompt of their own is not known by name. */
function stranger({ messages }: ModelRequest): PersonFacts {
  const said = messages.findLast((message) => message.role === 'user')
  const now = said?.role === 'user' ? said.at : ''
  return { now, timeZone: 'UTC', locale: 'en-US', displayName: '', projects: [], memories: [] }
}

async function* generate(_model: string, request: ModelRequest, signal: AbortSignal): AsyncGenerator<ModelEvent> {
  signal.throwIfAborted()
  // The rules are a fifth of the bundle, and where a model is configured nobody asks for them.
  const { nextMove } = await import('./run.ts')
  const move = nextMove(request.messages, request.person ?? stranger(request), request.tools)
  for (const event of events(request, move)) {
    signal.throwIfAborted()
    yield event
  }
}

/** Rules instead of a language model: no network, no key, the same answer every time. */
export function offlineProvider(): ModelProvider {
  return { name: 'offline', generate }
}
