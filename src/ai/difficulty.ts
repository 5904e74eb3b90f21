import type { ModelRequest } from './model.ts'
import { sizeOf } from './size.ts'

const BYTES_PER_TOKEN = 3.5
const TOKENS_PER_MESSAGE = 8

/** What each part of the score can add; together 1. */
const WEIGHTS = { length: 0.25, clauses: 0.25, context: 0.2, steps: 0.15, shape: 0.15 }
// Where each part is at its most.
const FULL = { length: 1500, clauses: 10, context: 40_000, steps: 6, shape: 24 }

export type Difficulty = { score: number; parts: Record<keyof typeof WEIGHTS, number> }

/** About how many tokens a request's prompt has: for a choice, not for a budget. */
export function aboutTokens(request: ModelRequest): number {
  return Math.ceil(sizeOf(request).chars / BYTES_PER_TOKEN) + TOKENS_PER_MESSAGE * request.messages.length
}

/**
 * How hard a request looks, 0 to 1, and what that is made of: how much is asked in how many clauses, how much there
 * is to read, how many steps were taken already, how much shape the answer must have. No word of it is read.
 */
export function difficultyOf(request: ModelRequest): Difficulty {
  const asked = request.messages.findLastIndex(
    ({ role, parts }) => role === 'user' && parts.some(({ type }) => type === 'text'),
  )
  const text = (request.messages[asked]?.parts ?? []).map((part) => (part.type === 'text' ? part.text : '')).join('\n')
  const since = request.messages.slice(asked + 1).flatMap(({ parts }): { type: string }[] => parts)
  const found = {
    length: text.length,
    clauses: text.split(/[.?!;:,\n]+/).filter((clause) => clause.trim() !== '').length - 1,
    context: aboutTokens(request),
    steps: since.filter(({ type }) => type === 'tool_result').length,
    shape: typeof request.format === 'object' ? fields(request.format.schema) : 0,
  }
  const part = (name: keyof typeof WEIGHTS) => round(WEIGHTS[name] * Math.min(1, found[name] / FULL[name]))
  const parts = {
    length: part('length'),
    clauses: part('clauses'),
    context: part('context'),
    steps: part('steps'),
    shape: part('shape'),
  }
  return { score: round(Object.values(parts).reduce((sum, value) => sum + value, 0)), parts }
}

const round = (value: number) => Math.round(Math.max(0, value) * 1000) / 1000

function fields(schema: unknown, depth = 0): number {
  if (typeof schema !== 'object' || schema === null || depth > 8) return 0
  return Object.entries(schema).reduce(
    (sum, [name, value]) => sum + (name === 'type' ? 1 : fields(value, depth + 1)),
    0,
  )
}
