import { styleText } from 'node:util'

type Moment = { date: string; time: string | null; timeZone: string; at: string }
export type ShownTask = {
  id: string
  title: string
  status: string
  version: number
  due: Moment | null
  priority?: string
  recurrence?: string | null
}
type Receipt = {
  model?: unknown
  totalMs?: unknown
  costMicros?: unknown
  inputTokens?: unknown
  outputTokens?: unknown
}

const MAX_INPUT = 110
const DAY_MS = 86_400_000

export const dim = (text: string) => styleText('dim', text)
export const bold = (text: string) => styleText('bold', text)

/** When something is due, as one says it: today, tomorrow, a weekday this week, else the date. */
export function sayMoment({ date, time }: Moment, timeZone: string, now = new Date()): string {
  const clock = time ? ` ${time.slice(0, 5)}` : ''
  const today = Date.parse(`${now.toLocaleDateString('sv', { timeZone })}T00:00:00Z`)
  const days = Math.round((Date.parse(`${date}T00:00:00Z`) - today) / DAY_MS)
  const near: Record<number, string> = { [-1]: 'yesterday', 0: 'today', 1: 'tomorrow' }
  const weekday = new Date(`${date}T12:00:00Z`).toLocaleDateString('en', { weekday: 'long', timeZone: 'UTC' })
  const day = near[days] ?? (days > 1 && days < 7 ? weekday : `${weekday.slice(0, 3)} ${date}`)
  return day + clock
}

export function sayTask({ title, status, due, recurrence, priority }: ShownTask, timeZone: string): string {
  const mark = status === 'completed' ? '✓' : status === 'cancelled' ? '✗' : '○'
  const when = due ? dim(` · ${sayMoment(due, timeZone)}${recurrence ? ' · repeats' : ''}`) : ''
  return `${mark} ${title}${priority === 'urgent' || priority === 'high' ? dim(` · ${priority}`) : ''}${when}`
}

export function sayCall(name: string, input: unknown): string {
  const given = JSON.stringify(input) ?? ''
  return dim(`  · ${name} ${given.length > MAX_INPUT ? `${given.slice(0, MAX_INPUT - 1)}…` : given}`)
}

/** What an answer took: shown under it, as small as it should be. */
export function sayReceipt({ model, totalMs, costMicros, inputTokens, outputTokens }: Receipt): string {
  const tokens = Number(inputTokens ?? 0) + Number(outputTokens ?? 0)
  const parts = [String(model ?? 'no model'), `${Number(totalMs ?? 0)} ms`]
  const cost = Number(costMicros ?? 0) / 1e6
  if (tokens > 0) parts.push(`${tokens} tokens`, cost === 0 ? '$0' : `$${cost.toFixed(4)}`)
  return dim(`  (${parts.join(' · ')})`)
}

export function isTask(value: unknown): value is ShownTask {
  return (
    typeof value === 'object' &&
    value !== null &&
    'title' in value &&
    'version' in value &&
    'id' in value &&
    String(value.id).startsWith('task_')
  )
}

/** Every task in a tool's answer, wherever it is. */
export function tasksIn(value: unknown): ShownTask[] {
  if (isTask(value)) return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(tasksIn) : []
}
