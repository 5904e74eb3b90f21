import type { ModelMessage } from '#ai'
import type { Message, Part } from './schema.ts'

const MAX_HISTORY_CHARS = 60_000

/**
 * What was said, as a model reads it: an answer with tools becomes a turn of calls, a turn of results and a turn of
 * words. A call that never got its result (a turn cut short) is given one, so that the record stays well-formed.
 */
export function toModelMessages(messages: Pick<Message, 'role' | 'parts' | 'createdAt'>[]): ModelMessage[] {
  const whole: ModelMessage[] = []
  for (const { role, parts, createdAt } of recent(messages)) {
    if (role === 'user')
      whole.push({ role, at: createdAt, parts: parts.flatMap((part) => (part.type === 'text' ? [part] : [])) })
    else whole.push(...split(parts, createdAt))
  }
  return whole
}

/** The answer so far, in the same form, for the next step of the turn under way. */
export function split(parts: Part[], at: string): ModelMessage[] {
  const out: ModelMessage[] = []
  let said: Extract<ModelMessage, { role: 'assistant' }>['parts'] = []
  let results: Extract<ModelMessage, { role: 'user' }>['parts'] = []
  const close = () => {
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
    } else {
      if (results.length > 0) close()
      said.push(part.type === 'tool_call' ? { ...part, input: part.input ?? {} } : part)
    }
  }
  close()
  return out
}

// The newest messages that fit, beginning with a question: a model's history starts with its person.
function recent<T extends Pick<Message, 'role' | 'parts'>>(messages: T[]): T[] {
  let left = MAX_HISTORY_CHARS
  let from = messages.length
  while (from > 0) {
    const message = messages[from - 1]
    left -= message ? JSON.stringify(message.parts).length : 0
    if (left < 0 && from < messages.length) break
    from--
  }
  while (from < messages.length && messages[from]?.role !== 'user') from++
  return messages.slice(from)
}
