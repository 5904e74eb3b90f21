import type { ModelMessage, TextPart, ToolCall, ToolResult } from '../model.ts'
import type { Memory, Project, Result, Status, Task } from './intent.ts'

export type Step = { calls: ToolCall[]; results: Map<string, ToolResult> }

/** One thing the person said and everything that followed it. */
export type Turn = { said: string; at: string; steps: Step[]; reply: string }

const isText = (part: { type: string }): part is TextPart => part.type === 'text'
const isCall = (part: { type: string }): part is ToolCall => part.type === 'tool_call'
const isResult = (part: { type: string }): part is ToolResult => part.type === 'tool_result'

/** The newest turns, at most so many. */
export function turnsOf(messages: ModelMessage[], most: number): Turn[] {
  const turns: Turn[] = []
  for (const message of messages.slice(newest(messages, most))) {
    const text = textOf(message)
    if (message.role === 'user') {
      const step = turns.at(-1)?.steps.at(-1)
      for (const result of message.parts.filter(isResult)) step?.results.set(result.callId, result)
      if (text.trim()) turns.push({ said: text, at: message.at, steps: [], reply: '' })
      continue
    }
    const turn = turns.at(-1)
    if (!turn) continue
    const calls = message.parts.filter(isCall)
    if (calls.length > 0) turn.steps.push({ calls, results: new Map() })
    turn.reply = text
  }
  return turns
}

const textOf = ({ parts }: ModelMessage) =>
  parts
    .filter(isText)
    .map((part) => part.text)
    .join('\n')

function newest(messages: ModelMessage[], most: number): number {
  let from = messages.length
  for (let left = most; from > 0 && left > 0; from--) {
    const message = messages[from - 1]
    if (message?.role === 'user' && textOf(message).trim()) left--
  }
  return from
}

export function resultsOf(step: Step): Result[] {
  return step.calls.map((call) => {
    const result = step.results.get(call.id)
    if (!result) return { ok: false, code: 'unanswered', detail: '' }
    if (!result.isError) return { ok: true, output: result.output }
    const error = record(result.output)
    return {
      ok: false,
      code: text(error.code),
      detail: text(error.detail) || (typeof result.output === 'string' ? result.output : ''),
    }
  })
}

/** Tool output is another's word: read it field by field. */
export function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : {}
}

export const text = (value: unknown): string => (typeof value === 'string' ? value : '')
export const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : [])

const STATUSES: Status[] = ['pending', 'in_progress', 'completed', 'cancelled']

function wall(value: unknown): Task['due'] {
  const v = record(value)
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text(v.date))) return null
  const time = /^\d{2}:\d{2}/.test(text(v.time)) ? { time: text(v.time).slice(0, 5) } : {}
  return { date: text(v.date), ...time, ...(text(v.timeZone) ? { timeZone: text(v.timeZone) } : {}) }
}

export function asTask(value: unknown): Task | undefined {
  const v = record(value)
  if (!text(v.id) || typeof v.title !== 'string') return undefined
  return {
    id: text(v.id),
    title: v.title,
    notes: text(v.notes),
    status: STATUSES.find((s) => s === v.status) ?? 'pending',
    priority: text(v.priority),
    labels: list(v.labels).map(text),
    projectId: text(v.projectId) || null,
    start: wall(v.start),
    due: wall(v.due),
    remindAt: wall(v.remindAt),
    recurrence: text(v.recurrence) || null,
    completedAt: text(v.completedAt) || null,
  }
}

const itemsOf = (output: unknown): unknown[] => list(record(output).items)
export const tasksOf = (output: unknown): Task[] => itemsOf(output).flatMap((item) => asTask(item) ?? [])

export const memoriesOf = (output: unknown): Memory[] =>
  itemsOf(output).flatMap((item) =>
    text(record(item).id) ? [{ id: text(record(item).id), text: text(record(item).text) }] : [],
  )

export const projectsOf = (output: unknown): Project[] =>
  itemsOf(output).flatMap((item) =>
    text(record(item).id) ? [{ id: text(record(item).id), name: text(record(item).name) }] : [],
  )
