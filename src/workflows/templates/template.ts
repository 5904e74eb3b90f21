import type { z } from 'zod'
import type { Definition } from '../definition.ts'

/** What is known of how a person lives here, for what to recommend. */
export type Usage = {
  open: number
  overdue: number
  dueToday: number
  /** Open without a due date. */
  undated: number
  completedLastWeeks: number
  streakDays: number
  labels: ReadonlySet<string>
}

/** A workflow somebody would want, with what of it is theirs to choose. `suits`: why it would help this person, or null. */
export type Template = {
  key: string
  name: string
  description: string
  category: 'day' | 'tasks' | 'focus' | 'home' | 'meetings' | 'mail'
  words: string
  savesMinutes: number
  definition: z.input<ReturnType<typeof Definition>>
  suits(usage: Usage): string | null
}

type Given = z.input<ReturnType<typeof Definition>>
type Gathered = Given['gather'][number]
type Step = Given['actions'][number]
type Act = Extract<Step, { do: string }>

/** At a time the person chooses, on days they choose. */
export const daily = (at: string, title: string, days = '*') => ({
  parameters: [{ name: 'at', type: 'time' as const, title, default: at }],
  triggers: [
    { kind: 'cron' as const, cron: `{{ cronAt(params.at, "${days}") }}`, missed: 'skip' as const },
    { kind: 'manual' as const },
  ],
  priority: 'routine' as const,
})

/** As soon as it becomes true, on each day from a time the person chooses. `when` reads what is gathered. */
export const becomes = (when: string, at: string, title: string) => ({
  parameters: [{ name: 'at', type: 'time' as const, title, default: at }],
  triggers: [
    {
      kind: 'condition' as const,
      when: `now.time >= params.at && ${when}`,
      on: ['task.*', 'event.*'],
      check: ['{{ params.at }}'],
    },
    { kind: 'manual' as const },
  ],
  priority: 'routine' as const,
})

/** On a day of the week and at a time the person chooses. */
export const weekly = (day: 'monday' | 'friday' | 'saturday' | 'sunday', at: string) => ({
  parameters: [
    { name: 'on', type: 'weekday' as const, title: 'Day', default: day },
    { name: 'at', type: 'time' as const, title: 'Time', default: at },
  ],
  triggers: [
    { kind: 'cron' as const, cron: '{{ cronAt(params.at, params.on) }}', missed: 'once' as const },
    { kind: 'manual' as const },
  ],
  priority: 'routine' as const,
})

/** A whole number the person chooses. */
export const days = (name: string, title: string, value: number, max = 60) => ({
  name,
  type: 'integer' as const,
  title,
  default: value,
  min: 1,
  max,
})

/** Whoever has tasks with this label is helped. */
export const labelled =
  (label: string) =>
  ({ labels }: Usage) =>
    labels.has(label) ? `You have tasks with the label ${label}` : null

/** One rule: where it holds there is something to say, and these are its facts. */
export const rule = (when: string, title: string, facts: string, confidence = 0.8) => ({
  kind: 'rules' as const,
  findings: [{ when, title, facts, confidence }],
})

export const tasks = (name: string, query: Extract<Gathered, { source: 'tasks' }>['query']): Gathered => ({
  name,
  source: 'tasks',
  query,
})
export const calendar = (name: string, from: string, to: string): Gathered => ({
  name,
  source: 'calendar',
  query: { from, to, limit: 20 },
})

/** A line for each, as text. */
export const lines = (list: string) => `{{ join(${list}.map(t, "- " + t.title), "\\n") }}`

/** Of all of a list at once, in place of one by one: `due` is what each of them gets, an expression. */
export const allDue = (id: string, title: string, list: string, due: string) => ({
  ...{ id, title, do: 'bulk_update' },
  input: { items: `{{ ${list}.map(t, {"id": t.id, "due": ${due}}) }}` },
})

/** The same for each of a list. */
export const each = (list: string, step: Act, max = 20): Step => ({
  id: 'each',
  forEach: list,
  as: 'task',
  max,
  steps: [step],
})

export const HOURS_12 = 720
export const DAY = 1440
export const WEEK = 10_080
