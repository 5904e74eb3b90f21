import { Temporal } from 'temporal-polyfill'
import type { ToolCall, ToolResult } from '../model.ts'
import { list, record, text } from './conversation.ts'
import { calendarTool, type FakeEvent } from './fake-calendar.ts'

/** An in-memory stand-in for the tools, for the corpus: as strict about dates as the real ones. */
export type FakeSeed = {
  now: string
  timeZone: string
  tasks: Record<string, unknown>[]
  projects: { id: string; name: string }[]
  memories: { id: string; text: string }[]
  events: FakeEvent[]
  effects: { at: string; says: string; reversible?: boolean }[]
  declines: boolean
  confirms: boolean
}

type Row = Record<string, unknown>
type Answer = { output: unknown; isError: boolean }
type Fake = Omit<FakeSeed, 'effects'> & { effects: Row[]; made: number; log: string[]; asked: string[] }

const fail = (code: string, detail: string): Answer => ({ output: { code, detail }, isError: true })
const ok = (output: unknown): Answer => ({ output, isError: false })
const READS = /^(?:find_|search_|list_|get_|task_insights)/
export const isRead = (tool: string) => READS.test(tool)

function stored(value: unknown, zone: string): unknown {
  if (value === null || value === undefined) return null
  const m = record(value)
  const timeZone = text(m.timeZone) || zone
  const date = Temporal.PlainDate.from(text(m.date))
  const at = date
    .toZonedDateTime({ timeZone, plainTime: Temporal.PlainTime.from(text(m.time) || '00:00') })
    .toInstant()
    .toString()
  return { date: date.toString(), ...(m.time ? { time: m.time } : {}), timeZone, at }
}

function task(fake: Fake, input: Row): Row {
  const moments = Object.fromEntries(['due', 'start', 'remindAt'].map((k) => [k, stored(input[k], fake.timeZone)]))
  return {
    notes: '',
    status: 'pending',
    priority: 'medium',
    labels: [],
    projectId: null,
    parentId: null,
    recurrence: null,
    estimateMinutes: null,
    completedAt: null,
    createdAt: fake.now,
    updatedAt: fake.now,
    version: 1,
    ...input,
    ...moments,
  }
}

export function fakeTools(seed: FakeSeed): Fake {
  const fake: Fake = {
    ...seed,
    projects: [...seed.projects],
    memories: [...seed.memories],
    effects: seed.effects.map((one, i) => ({ reversible: true, ...one, id: `eff_${i + 1}` })),
    made: 0,
    log: [],
    asked: [],
  }
  fake.tasks = seed.tasks.map((t) => task(fake, t))
  return fake
}

const edge = (value: string, zone: string): string =>
  value.length === 10
    ? Temporal.PlainDate.from(value).toZonedDateTime(zone).toInstant().toString()
    : Temporal.Instant.from(value).toString()

const isOpen = (t: Row) => t.status === 'pending' || t.status === 'in_progress'
const dueAt = (t: Row) => text(record(t.due).at)

function late(t: Row, fake: Fake): boolean {
  const due = record(t.due)
  if (!isOpen(t) || !text(due.at)) return false
  const end = due.time
    ? text(due.at)
    : Temporal.PlainDate.from(text(due.date)).add({ days: 1 }).toZonedDateTime(fake.timeZone).toInstant().toString()
  return Date.parse(end) <= Date.parse(fake.now)
}

function within(at: string, after: unknown, before: unknown, zone: string): boolean {
  if (after === undefined && before === undefined) return true
  if (!at) return false
  const ms = Date.parse(at)
  return (
    (after === undefined || ms >= Date.parse(edge(text(after), zone))) &&
    (before === undefined || ms < Date.parse(edge(text(before), zone)))
  )
}

function find(fake: Fake, f: Row): Answer {
  const words = text(f.text).toLowerCase()
  const items = fake.tasks.filter((t) => {
    const title = text(t.title).toLowerCase()
    if (words && !title.includes(words) && !words.split(/\s+/).every((w) => title.includes(w))) return false
    if (Array.isArray(f.status) && !f.status.includes(t.status)) return false
    if (f.open === true && !isOpen(t)) return false
    if (f.overdue === true && !late(t, fake)) return false
    if (f.projectId !== undefined && t.projectId !== f.projectId) return false
    if (f.priority !== undefined && t.priority !== f.priority) return false
    if (f.label !== undefined && !list(t.labels).includes(f.label)) return false
    return (
      within(dueAt(t), f.dueAfter, f.dueBefore, fake.timeZone) &&
      within(text(t.completedAt), f.completedAfter, f.completedBefore, fake.timeZone)
    )
  })
  return ok({ items: items.slice(0, typeof f.limit === 'number' ? f.limit : 50), nextCursor: null })
}

function change(fake: Fake, id: string, patch: Row, said: string): Answer {
  const at = fake.tasks.findIndex((t) => t.id === id)
  const old = fake.tasks[at]
  if (!old) return fail('not_found', `No task ${id}`)
  const moments = Object.fromEntries(
    ['due', 'start', 'remindAt'].filter((k) => k in patch).map((k) => [k, stored(patch[k], fake.timeZone)]),
  )
  const next: Row = { ...old, ...patch, ...moments, id }
  fake.tasks[at] = next
  fake.log.push(`${said} “${text(next.title)}”`)
  return ok(next)
}

function create(fake: Fake, input: Row): Answer {
  if (!text(input.title).trim()) return fail('invalid', 'title is required')
  fake.made += 1
  const made = task(fake, { ...input, id: `task_new${fake.made}` })
  fake.tasks.push(made)
  fake.log.push(`Created “${text(made.title)}”`)
  return ok(made)
}

function remove(fake: Fake, id: string): Answer {
  const old = fake.tasks.find((t) => t.id === id)
  if (!old) return fail('not_found', `No task ${id}`)
  if (fake.confirms && !fake.asked.includes(id)) {
    fake.asked.push(id)
    return fail('confirmation_required', 'Ask whether to go ahead; after they agree, make the same call again')
  }
  if (fake.declines) return fail('declined', 'The person said no')
  fake.tasks = fake.tasks.filter((t) => t.id !== id)
  fake.log.push(`Deleted “${text(old.title)}”`)
  return ok({ id, title: old.title, deletedAt: fake.now })
}

/** Those of the seed that were done then. */
const since = (fake: Fake, input: Row): Row[] =>
  fake.effects
    .filter(({ at }) => Date.parse(text(at)) >= Date.parse(text(input.since)))
    .filter(({ at }) => Date.parse(text(at)) < Date.parse(text(input.until)))

function clock(fake: Fake, timeZone: string): Answer {
  const at = Temporal.Instant.from(fake.now).toZonedDateTimeISO(timeZone)
  const weekday = at.toLocaleString('en', { weekday: 'long' })
  return ok({
    iso: at.toInstant().toString(),
    date: at.toPlainDate().toString(),
    time: at.toPlainTime().toString().slice(0, 5),
    weekday,
    timeZone,
  })
}

function run(fake: Fake, name: string, input: Row): Answer {
  const id = text(input.id)
  switch (name) {
    case 'create_task':
      return create(fake, input)
    case 'find_tasks':
      return find(fake, input)
    case 'update_task':
      return change(fake, id, input, 'Changed')
    case 'complete_task': {
      const done = change(fake, id, { status: 'completed', completedAt: fake.now }, 'Completed')
      return done.isError ? done : ok({ task: done.output, next: null })
    }
    case 'reopen_task':
      return change(fake, id, { status: 'pending', completedAt: null }, 'Reopened')
    case 'delete_task':
      return remove(fake, id)
    case 'task_insights':
      return ok({
        overdue: 1,
        dueToday: 2,
        completedPerWeek: [{ week: '2026-11-16', count: 4 }],
        streakDays: 3,
        busiestHour: 10,
      })
    case 'create_project': {
      const made = { id: `prj_new${fake.projects.length + 1}`, name: text(input.name) }
      fake.projects.push(made)
      return ok(made)
    }
    case 'list_projects':
      return ok({ items: fake.projects })
    case 'archive_project':
      return ok({ id })
    case 'remember':
      return ok({ id: 'mem_new', text: input.text, kind: input.kind })
    case 'search_memories': {
      const words = text(input.text).toLowerCase().split(/\s+/).filter(Boolean)
      return ok({ items: fake.memories.filter((m) => words.every((w) => m.text.toLowerCase().includes(w))) })
    }
    case 'forget':
      return ok({ id })
    case 'get_preferences':
      return ok({ timeZone: fake.timeZone, locale: 'en', displayName: 'Max', quietHours: null, workingHours: null })
    case 'set_preferences':
      return ok(input)
    case 'get_time':
      return clock(fake, text(input.timeZone) || fake.timeZone)
    case 'undo_last': {
      const last = fake.log.pop()
      return last ? ok({ undone: [last] }) : fail('nothing_to_undo', 'Nothing to undo')
    }
    case 'list_effects':
      return ok({ items: since(fake, input), more: false })
    case 'undo_effects': {
      const asked = JSON.stringify(input)
      if (fake.confirms && !fake.asked.includes(asked)) {
        fake.asked.push(asked)
        return fail('confirmation_required', 'Ask whether to go ahead; after they agree, make the same call again')
      }
      const gone = fake.effects.filter((one) => list(input.ids).includes(one.id))
      fake.effects = fake.effects.filter((one) => !gone.includes(one))
      return ok({ items: gone.map(({ id, says }) => ({ id, says, isUndone: true })) })
    }
    default:
      return calendarTool(fake.events, name, input) ?? fail('unknown_tool', name)
  }
}

const TOOL_NAMES =
  'create_task find_tasks update_task complete_task reopen_task delete_task task_insights ' +
  'create_project list_projects archive_project remember ' +
  'search_memories forget update_memory get_preferences set_preferences get_time undo_last list_effects undo_effects'
const CALENDAR_NAMES = 'create_event list_events find_time move_event delete_event'

export const toolNames = (hasCalendar: boolean) =>
  (hasCalendar ? `${TOOL_NAMES} ${CALENDAR_NAMES}` : TOOL_NAMES).split(' ')

export function callTool(fake: Fake, call: ToolCall): ToolResult {
  let answer: Answer
  try {
    answer = run(fake, call.name, record(call.input))
  } catch (error) {
    answer = fail('invalid', String(error))
  }
  return { type: 'tool_result', callId: call.id, name: call.name, ...answer }
}

export type { Fake }
