import { charsOf, type ModelMessage } from '#ai'
import { isRecord } from '#core'
import type { Message, Part } from './schema.ts'

const MAX_HISTORY_CHARS = 60_000

const isSaid = (part: Part) => part.type === 'text' && /\S/.test(part.text)

type Said = Pick<Message, 'role' | 'parts' | 'createdAt'>

/**
 * What was said, as a model reads it: an answer with tools becomes a turn of calls, a turn of results and a turn of
 * words. A call that never got its result (a turn cut short) is given one, so that the record stays well-formed; a
 * blank text and an empty message, which a model refuses, are left out. It is asked with the turn's own answer so far.
 */
export function modelMessages(messages: Said[]): (underWay: Part[]) => ModelMessage[] {
  const past = whole(messages)
  const at = messages.at(-1)?.createdAt ?? ''
  return (underWay) => {
    const now = split(underWay, at)
    // The same to each step of a turn: what is known of a message is known of it still.
    return [...recent(past, charsOf(now)), ...now]
  }
}

function whole(messages: Said[]): ModelMessage[] {
  const all: ModelMessage[] = []
  for (const { role, parts, createdAt } of messages) {
    const said = role === 'user' ? parts.flatMap((part) => (part.type === 'text' && isSaid(part) ? [part] : [])) : []
    if (said.length > 0) all.push({ role: 'user', at: createdAt, parts: said })
    // A model's history starts with its person.
    else if (role === 'assistant' && all.length > 0) all.push(...split(parts, createdAt))
  }
  return all
}

/** One answer in that form. */
export function split(parts: Part[], at: string): ModelMessage[] {
  const out: ModelMessage[] = []
  let said: Extract<ModelMessage, { role: 'assistant' }>['parts'] = []
  let results: Extract<ModelMessage, { role: 'user' }>['parts'] = []
  const close = () => {
    const called = new Set(said.map((part) => (part.type === 'tool_call' ? part.id : '')))
    results = results.filter((part) => part.type === 'tool_result' && called.has(part.callId))
    const answered = new Set(results.map((part) => (part.type === 'tool_result' ? part.callId : '')))
    for (const part of said) {
      if (part.type !== 'tool_call' || answered.has(part.id)) continue
      const output = { code: 'interrupted', detail: 'The turn ended before this was done' }
      results.push({ type: 'tool_result', callId: part.id, name: part.name, output, isError: true })
    }
    if (said.length > 0) out.push({ role: 'assistant', parts: said })
    if (results.length > 0) out.push({ role: 'user', at, parts: results })
    said = []
    results = []
  }
  for (const part of parts) {
    if (part.type === 'tool_result') {
      const { undo: _, ...result } = part
      results.push({ ...result, output: part.output ?? null })
    } else if (part.type === 'tool_call' || isSaid(part)) {
      if (results.length > 0) close()
      said.push(part.type === 'tool_call' ? { ...part, input: isRecord(part.input) ? part.input : {} } : part)
    }
  }
  close()
  return out
}

// The newest messages that fit, beginning with a question; the last one always stays.
function recent(messages: ModelMessage[], taken: number): ModelMessage[] {
  let left = MAX_HISTORY_CHARS - taken
  let from = messages.length
  for (const [i, message] of [...messages.entries()].reverse()) {
    left -= charsOf([message])
    if (left < 0 && from < messages.length) break
    if (message.role === 'user' && message.parts.some(({ type }) => type === 'text')) from = i
  }
  return messages.slice(from)
}
