import { createHash } from 'node:crypto'
import { z } from 'zod'
import { findTime, listEvents } from '#calendar'
import { AppError, canonical, type UserCtx } from '#core'
import { memoriesForPrompt, wordsIn } from '#memories'
import { listDecided } from '#proactivity'
import { getInsights, listTasks, type Task } from '#tasks'
import { getPreferences } from '#users'
import { nowIn } from './cel-functions.ts'
import type { Gather } from './definition.ts'
import type { Begun } from './ports.ts'
import { cut, ExpressionError, openReader, type Reader, type Values } from './reader.ts'
import type { RunError } from './run-schema.ts'

const Fact = z.looseObject({ id: z.string().optional() })
/** Among what has changed: a fact without an id, which nothing can cite. All may rest on it. */
export const ALL = '*'
const MAX_TEXT = 500
const DEFAULT_LIMIT = 20
const MAX_LIMIT = 100
/** Of all facts together, as JSON: a step of a run may answer a mebibyte. */
const MAX_CHARS = 400_000
const DAY_MS = 86_400_000
const FREE_MINUTES = 30
const MAX_SLOTS = 50

/** What a workflow named, by its names. `isTainted`: some of it was written by others. */
export type Gathered = {
  now: ReturnType<typeof nowIn>
  facts: Record<string, unknown>
  isTainted: boolean
  /** Of the facts without what only a clock moves: the same while nothing changed. */
  hash: string
  error: RunError | null
}

export type FactCtx = Pick<UserCtx, 'actor' | 'db' | 'now'>
type Found = { found: unknown; isTainted: boolean }
type Known = Pick<Values, 'params' | 'trigger' | 'now'>
type Asked = Pick<Begun, 'params' | 'trigger'> & { definition: { gather: readonly Gather[] } }

/** What a definition names, and nothing else. One trip for each, and one for the person's clock. */
export async function gather(ctx: FactCtx, run: Asked): Promise<Gathered> {
  return await openGathering(ctx)(run)
}

/** One look at a person's life: what several definitions ask for alike is looked up once. */
export function openGathering(ctx: FactCtx): (run: Asked) => Promise<Gathered> {
  const seen = new Map<string, Promise<Found>>()
  const at = ctx.now()
  const still = { ...ctx, now: () => at }
  let home: Promise<{ timeZone: string }> | undefined
  return async (run) => {
    home ??= getPreferences(still)
    return await gatherOf(still, run, nowIn(at, (await home).timeZone), seen)
  }
}

async function gatherOf(
  ctx: FactCtx,
  run: Asked,
  now: Gathered['now'],
  seen: Map<string, Promise<Found>>,
): Promise<Gathered> {
  const { params, trigger, definition } = run
  const facts: Record<string, unknown> = {}
  const reader = await openReader()
  let isTainted = false
  try {
    for (const one of definition.gather) {
      const { name: _, ...query } = one
      const values: Values = { params, trigger, now, facts: {}, findings: [], steps: {} }
      const key = JSON.stringify(reader.render(query, values))
      const looked = seen.get(key) ?? find(ctx, reader, one, { params, trigger, now })
      seen.set(key, looked)
      const { found, isTainted: isTheirs } = await looked
      facts[one.name] = found
      isTainted ||= isTheirs
    }
  } catch (error) {
    const told = faultOf(error)
    if (!told) throw error
    return { now, facts: {}, isTainted, hash: '', error: told }
  }
  const held = within(facts)
  const hash = hashOf(held)
  return { now, facts: held, isTainted, hash, error: null }
}

/** Of facts, and of what rules found in them. That another day has passed is no news. */
export function hashOf(...known: unknown[]): string {
  const lasting = (name: string, value: unknown) => (name === 'overdueDays' ? undefined : value)
  return createHash('sha256').update(JSON.stringify(known, lasting)).digest('base64url').slice(0, 32)
}

/** What is no longer as it was, or no longer found: ids of facts, and `ALL` for one that has none. As many trips as `gather`. */
export async function changedSince(ctx: FactCtx, run: Asked, before: Gathered): Promise<string[]> {
  // By the clock of then: free time and what is counted move with it, and that time passed is no change.
  const then = new Date(before.now.at)
  const after = await gather({ ...ctx, now: () => then }, run)
  const still = new Set(factsIn(after).map(asKept))
  const gone = factsIn(before).filter((fact) => !still.has(asKept(fact)))
  return [...new Set(gone.map(({ id = ALL }) => id))]
}

const factsIn = ({ facts }: Gathered): z.infer<typeof Fact>[] => {
  const all: unknown[] = Object.values(facts).flat()
  return all.map((fact) => Fact.safeParse(fact).data).filter((fact) => fact !== undefined)
}

// Postgres gives what a run kept back with its names in another order.
const asKept = (fact: object) => canonical(fact)

// What the workflow asks for cannot be: trying again would end the same.
function faultOf(error: unknown): RunError | null {
  if (error instanceof ExpressionError) return { code: 'expression', detail: cut(error.message, 500), step: null }
  if (error instanceof AppError && error.code === 'invalid_request')
    return { code: error.code, detail: cut(error.message, 500), step: null }
  return null
}

// Of the longest list a half, until all of it can be kept.
function within(facts: Record<string, unknown>): Record<string, unknown> {
  let held = facts
  while (JSON.stringify(held).length > MAX_CHARS) {
    const lists = Object.entries(held).filter(
      (one): one is [string, unknown[]] => Array.isArray(one[1]) && one[1].length > 0,
    )
    const [longest] = lists.sort((a, b) => JSON.stringify(b[1]).length - JSON.stringify(a[1]).length)
    if (!longest) return {}
    held = { ...held, [longest[0]]: longest[1].slice(0, Math.floor(longest[1].length / 2)) }
  }
  return held
}

const own = (found: unknown): Found => ({ found, isTainted: false })
/** Of rows, of which some may hold others' words. */
const read = <T extends { tainted: boolean }>(rows: T[], shown: (row: T) => unknown): Found => ({
  found: rows.map(shown),
  isTainted: rows.some(({ tainted }) => tainted),
})

async function find(ctx: FactCtx, reader: Reader, one: Gather, known: Known): Promise<Found> {
  const values: Values = { ...known, facts: {}, findings: [], steps: {} }
  const text = (template: string) => reader.text(template, values, MAX_TEXT)
  const today = String(known.now['date'])
  switch (one.source) {
    case 'tasks':
      return await tasksOf(ctx, one.query, values, reader)
    case 'memories': {
      const rows = await memoriesForPrompt(ctx, wordsIn(text(one.query.text)))
      const first = rows.slice(0, one.query.limit ?? DEFAULT_LIMIT)
      return read(first, ({ id, text: said }) => ({ id, text: said, kind: 'memory' }))
    }
    case 'insights':
      return own(await getInsights(ctx))
    case 'preferences': {
      const { timeZone, locale, quietHours, workingHours } = await getPreferences(ctx)
      return own({ timeZone, locale, quietHours, workingHours })
    }
    case 'calendar': {
      const { from, to, limit = DEFAULT_LIMIT } = one.query
      const { items } = await listEvents(ctx, {
        from: boundOf(text(from), today),
        to: boundOf(text(to), today, true),
        limit,
      })
      return read(items, eventFact)
    }
    case 'free_time': {
      const { from, to, limit = DEFAULT_LIMIT } = one.query
      const minutes = numberOf(one.query.minutes, values, reader) ?? FREE_MINUTES
      const bounds = { from: boundOf(text(from), today), to: boundOf(text(to), today, true) }
      const { slots } = await findTime(ctx, { ...bounds, minutes, limit: Math.min(limit, MAX_SLOTS) })
      return own(slots.map((slot) => ({ ...slot, date: slot.local.date, time: slot.local.time, minutes })))
    }
    case 'decisions': {
      const { kind, limit = DEFAULT_LIMIT } = one.query
      const decided = await listDecided(ctx, { kind, limit })
      return read(decided, ({ id, title, kind: of, status, decidedAt }) => ({ id, title, kind: of, status, decidedAt }))
    }
  }
}

type TaskQuery = Extract<Gather, { source: 'tasks' }>['query']

async function tasksOf(ctx: FactCtx, query: TaskQuery, values: Values, reader: Reader): Promise<Found> {
  const { status = 'open', due = 'any', priority, label, limit = DEFAULT_LIMIT } = query
  const today = String(values.now['date'])
  const overdueDays = numberOf(query.overdueDays, values, reader)
  const since =
    query.completedSince === undefined ? undefined : boundOf(reader.text(query.completedSince, values, 200), today)
  const { items } = await listTasks(ctx, {
    // Some of these are left out below.
    limit: due === 'none' || overdueDays !== null || priority ? MAX_LIMIT : limit,
    sort: status === 'completed' ? 'completed' : 'due',
    ...(status === 'open' && { open: true }),
    ...(status === 'completed' && { status: ['completed' as const] }),
    ...(label !== undefined && { label }),
    ...(since !== undefined && { completedAfter: since }),
    ...dueWindow(due, today),
  })
  const wanted = items
    .filter((task) => priority === undefined || priority.includes(task.priority))
    .map((task) => ({ fact: factOf(task, today), tainted: task.tainted }))
    .filter(({ fact }) => due !== 'none' || fact.due === null)
    .filter(({ fact }) => overdueDays === null || (fact.overdueDays !== null && fact.overdueDays >= overdueDays))
    .slice(0, limit)
  return read(wanted, ({ fact }) => fact)
}

function numberOf(given: number | string | undefined, values: Values, reader: Reader): number | null {
  if (given === undefined) return null
  const value = typeof given === 'number' ? given : Number(reader.render(given, values))
  if (!Number.isFinite(value)) throw new ExpressionError(`${given} is no number`)
  return value
}

function daysAfter(date: string, days: number): string {
  return new Date(Date.parse(date) + days * DAY_MS).toISOString().slice(0, 10)
}

function dueWindow(due: NonNullable<TaskQuery['due']>, today: string) {
  switch (due) {
    case 'overdue':
      return { overdue: true }
    case 'today':
      return { dueAfter: today, dueBefore: daysAfter(today, 1) }
    case 'tomorrow':
      return { dueAfter: daysAfter(today, 1), dueBefore: daysAfter(today, 2) }
    case 'week':
      return { dueAfter: today, dueBefore: daysAfter(today, 7) }
    case 'later':
      return { dueAfter: daysAfter(today, 7) }
    case 'none':
    case 'any':
      return {}
  }
}

/** A bound of time as a list takes it: words of a person's day, a day, or an instant. `isEnd`: the end of that day. */
export function boundOf(written: string, today: string, isEnd = false): string {
  const word = written.trim().toLowerCase()
  const start: Record<string, number> = { yesterday: -1, today: 0, tomorrow: 1, week: isEnd ? 6 : 0 }
  const days = start[word]
  if (days !== undefined) return daysAfter(today, days + (isEnd ? 1 : 0))
  if (/^\d{4}-\d\d-\d\d$/.test(word)) return isEnd ? daysAfter(word, 1) : word
  const at = Date.parse(written)
  if (Number.isNaN(at))
    throw new ExpressionError(`${cut(written, 60)} is no time: today, tomorrow, week, a day or an instant`)
  return new Date(at).toISOString()
}

type Occurrence = Awaited<ReturnType<typeof listEvents>>['items'][number]

function eventFact({ id, title, notes, location, status, transparency, attendees, start, end }: Occurrence) {
  return {
    ...{ id, kind: 'event', title, notes: cut(notes, MAX_TEXT), location, status, isBusy: transparency === 'busy' },
    ...{ start: start.at, end: end.at, date: start.date, time: start.time, isAllDay: start.time === null },
    attendees: attendees.map(({ name, address }) => name ?? address),
  }
}

function factOf(task: Task, today: string) {
  const { id, title, notes, status, priority, labels, projectId, due, estimateMinutes, completedAt, createdAt } = task
  const late = due ? Math.round((Date.parse(today) - Date.parse(due.date)) / DAY_MS) : null
  return {
    ...{ id, kind: 'task', title, notes: cut(notes, MAX_TEXT), status, priority, labels, projectId },
    ...{ due: due?.date ?? null, dueTime: due?.time ?? null, dueAt: due?.at ?? null },
    ...{ overdueDays: late !== null && late >= 0 && completedAt === null ? late : null },
    ...{ estimateMinutes, completedAt, createdAt },
  }
}
