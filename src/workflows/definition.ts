import { z } from 'zod'
import { s } from '#core'

const MAX_TRIGGERS = 10
const MAX_GATHER = 10
const MAX_STEPS = 20
const MAX_ALTERNATIVES = 5
const MAX_INPUT_CHARS = 20_000

// Words CEL keeps for itself: no name may be one.
const RESERVED = new Set(
  'as break const continue else false for function if import in let loop namespace null package return true var void while'.split(
    ' ',
  ),
)
const name = z
  .string()
  .max(32)
  .regex(/^[a-z][A-Za-z0-9_]*$/, 'must be a name: a small letter, then letters, digits and _')
  .refine((value) => !RESERVED.has(value), 'is a word of the expression language')
  .openapi({ example: 'overdue' })
const time = z
  .string()
  .max(5)
  .regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'must be a time of day, 08:30')
  .openapi({ example: '08:30' })
const WEEKDAYS = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'] as const

/** An expression of CEL, checked on save. */
const cel = s.text(1000, 1)
/** Text that may hold `{{ CEL }}`. */
const template = (max: number) => s.text(max, 1)

/** What an effect is given: JSON whose strings may hold `{{ CEL }}`. */
const input = s.payload(MAX_INPUT_CHARS)

// What is said of a field with `describe` stands in the published schema too; what is said with `openapi` does not.
const zoned = {
  timeZone: s.timeZone.optional().describe("Of IANA; without it the person's own, also after they move"),
  missed: z
    .enum(['skip', 'once', 'all'])
    .optional()
    .describe(
      'What becomes of times that came while nothing could run, each by now more than 5 minutes late. `skip`: nothing. `once`, the default: the last of them is made up for, where none is in time. `all`: each of them, the last 50 at most',
    ),
}
const CLOCK =
  'A time that its day leaves out comes after the jump (02:30 at 03:30); of one that comes twice the first is meant'
const wall = z.strictObject({ date: s.localDate, time })

/** A person may tune a template without touching its expressions. */
export const Parameter = z.discriminatedUnion('type', [
  z.strictObject({
    name,
    type: z.literal('integer'),
    title: s.line(100),
    default: s.int(-1_000_000, 1_000_000),
    min: s.int(-1_000_000, 1_000_000).optional(),
    max: s.int(-1_000_000, 1_000_000).optional(),
  }),
  z.strictObject({
    name,
    type: z.literal('string'),
    title: s.line(100),
    default: s.text(500),
    max: s.int(1, 500).optional(),
  }),
  z.strictObject({ name, type: z.literal('boolean'), title: s.line(100), default: z.boolean() }),
  z.strictObject({ name, type: z.literal('time'), title: s.line(100), default: time }),
  z.strictObject({ name, type: z.literal('weekday'), title: s.line(100), default: z.enum(WEEKDAYS) }),
])

/** `task.completed`, or all of a family: `task.*`. */
const eventPattern = z
  .string()
  .max(60)
  .regex(/^[a-z_]+(\.[a-z_]+)*(\.\*)?$/, 'must be the type of an event, or a family of them: task.*')
  .openapi({ example: 'task.completed' })

const field = z.strictObject({
  name,
  type: z.enum(['string', 'number', 'boolean']),
  required: z.boolean().optional(),
  max: s.int(1, 4000).optional(),
})

// Cron and times of day may stand as `{{ params.x }}`: they are written in when the workflow is saved.
const placed = (max: number) => s.text(max, 1)
const trigger = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('at'), at: wall, ...zoned }).describe(`Once. ${CLOCK}`),
  z
    .strictObject({
      kind: z.literal('every'),
      minutes: s.int(1, 525_600),
      from: s.instant.optional().describe('The first of them; without it they are counted from when it is saved'),
      ...zoned,
    })
    .describe('Counts minutes, whatever clocks do'),
  z
    .strictObject({ kind: z.literal('cron'), cron: placed(100), ...zoned })
    .describe(
      `Five fields. Where it names hours: ${CLOCK}. Of every hour (*/15 * * * *) it is due whenever a clock fits: not in an hour that is left out, both times in one that comes twice`,
    ),
  z
    .strictObject({ kind: z.literal('rrule'), start: wall, rrule: placed(500), ...zoned })
    .describe(`A rule of RFC 5545. ${CLOCK}`),
  z
    .strictObject({ kind: z.literal('event'), type: eventPattern, when: cel.optional() })
    .describe(
      'When something happened. `event.soon` is told of an event at each of its reminders: `trigger.data.minutes` before it begins',
    ),
  z.strictObject({
    kind: z.literal('condition'),
    when: cel,
    on: s.list(eventPattern, 10).optional(),
    check: s.list(placed(60), 10).optional(),
  }),
  z.strictObject({ kind: z.literal('webhook'), fields: s.list(field, 20).optional() }),
  z.strictObject({ kind: z.literal('manual') }),
  z.strictObject({ kind: z.literal('workflow') }),
])

const count = s.int(1, 100).optional()
// A bound of time: an instant, a day, or words the gatherer knows (today, tomorrow, week); also `{{ CEL }}`.
const bound = template(200)
const gathered = z.discriminatedUnion('source', [
  z.strictObject({
    name,
    source: z.literal('tasks'),
    query: z.strictObject({
      status: z.enum(['open', 'completed', 'any']).optional(),
      due: z.enum(['overdue', 'today', 'tomorrow', 'week', 'later', 'none', 'any']).optional(),
      overdueDays: z.union([s.int(0, 365), template(100)]).optional(),
      priority: s.list(z.enum(['low', 'medium', 'high', 'urgent']), 4, 1).optional(),
      label: s.line(100).optional(),
      completedSince: bound.optional(),
      limit: count,
    }),
  }),
  z.strictObject({
    name,
    source: z.literal('calendar'),
    query: z.strictObject({ from: bound, to: bound, limit: count }),
  }),
  z.strictObject({
    name,
    source: z.literal('memories'),
    query: z.strictObject({ text: template(500), limit: count }),
  }),
  z.strictObject({
    name,
    source: z.literal('decisions'),
    query: z.strictObject({ kind: s.line(60).optional(), limit: count }),
  }),
  z.strictObject({
    name,
    source: z.literal('free_time'),
    query: z.strictObject({
      from: bound,
      to: bound,
      minutes: z.union([s.int(5, 1440), template(100)]).optional(),
      limit: count,
    }),
  }),
  z.strictObject({ name, source: z.literal('insights') }),
  z.strictObject({ name, source: z.literal('preferences') }),
])

const finding = z.strictObject({
  when: cel,
  title: template(500),
  facts: cel.optional(),
  confidence: z.number().min(0).max(1),
  impact: template(500).optional(),
})
const analysis = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('rules'), findings: s.list(finding, 10, 1) }),
  z.strictObject({ kind: z.literal('model'), ask: s.text(2000, 1), maxFindings: s.int(1, 10) }),
])
const act = z.strictObject({
  id: name,
  do: z
    .string()
    .max(60)
    .regex(/^[a-z][a-z0-9_]*$/, 'must be a kind of effect, create_task'),
  input,
  when: cel.optional(),
  compensate: z.enum(['undo', 'none']).optional(),
})
const suggestion = z.strictObject({
  kind: z
    .string()
    .max(60)
    .regex(/^[a-z][a-z0-9_]*$/),
  title: template(300),
  body: template(4000),
  expiresMinutes: s.int(5, 43_200),
  alternatives: s
    .list(act.extend({ title: template(300).optional() }), MAX_ALTERNATIVES)
    .optional()
    .describe(
      'Other acts that are offered beside the actions. Whoever chooses some of them and no action has them done instead; they are allowed, shown and taken back as actions are. `title` is what the person reads of one',
    ),
})

const pause = z.strictObject({
  id: name,
  wait: z.union([z.strictObject({ minutes: s.int(1, 525_600) }), z.strictObject({ until: template(200) })]),
  when: cel.optional(),
})
const question = z.strictObject({
  id: name,
  ask: z.strictObject({
    question: template(1000),
    choices: s.list(s.line(100), 6).optional(),
    expiresMinutes: s.int(5, 43_200).optional(),
  }),
  when: cel.optional(),
})
// Steps stand in steps three deep: a bound, and a schema that ends.
function around<T extends z.ZodType>(inner: T) {
  const steps = s.list(inner, MAX_STEPS, 1)
  // biome-ignore lint/suspicious/noThenProperty: a list, which no promise takes for its own
  const arm = z.strictObject({ when: cel, then: steps })
  return z.union([
    act,
    z.strictObject({ id: name, branch: s.list(arm, 5, 1), else: steps.optional() }),
    pause,
    z.strictObject({
      id: name,
      forEach: cel,
      as: name,
      max: s.int(1, 50),
      steps,
      when: cel.optional(),
    }),
    question,
  ])
}

const EXAMPLE = {
  triggers: [{ kind: 'manual' }],
  priority: 'routine',
  gather: [],
  analysis: null,
  suggestion: null,
  actions: [{ id: 'plan', do: 'create_task', input: { title: 'Plan {{ now.date }}' } }],
}

/** What a workflow is: data that is checked on save and run by the engine (run.ts). */
export const Definition = s.later(() => {
  // The document of the API says no more of a step than that it is one: three deep, it would be most of the document.
  const step = around(around(z.union([act, pause, question]))).openapi('WorkflowStep', {
    type: 'object',
    description: 'Its JSON Schema is at /v1/workflows/schema',
    additionalProperties: true,
    maxProperties: 10,
  })
  return z
    .strictObject({
      parameters: s.list(Parameter, 20).optional(),
      triggers: s.list(trigger, MAX_TRIGGERS, 1),
      debounceSeconds: s.int(1, 86_400).optional(),
      throttle: z.strictObject({ count: s.int(1, 1000), perMinutes: s.int(1, 43_200) }).optional(),
      oncePer: z.enum(['day', 'week', 'subject']).optional(),
      concurrencyKey: cel.optional(),
      priority: z.enum(['urgent', 'important', 'routine']),
      requires: s.list(z.enum(['mail', 'connected_calendar']), 2).optional(),
      gather: s.list(gathered, MAX_GATHER),
      analysis: analysis.nullable(),
      suggestion: suggestion.nullable(),
      actions: s.list(step, MAX_STEPS),
    })
    .openapi('WorkflowDefinition', { example: EXAMPLE })
})
export type Definition = z.infer<ReturnType<typeof Definition>>
export type Trigger = z.infer<typeof trigger>
export type Parameter = z.infer<typeof Parameter>
export type Gather = z.infer<typeof gathered>

export type Step = Definition['actions'][number]
type Graph = Pick<Definition, 'actions'> & Partial<Pick<Definition, 'suggestion'>>
/** Every step it may come to: those of its actions, and what may be chosen instead. */
export const stepsOf = ({ actions, suggestion }: Graph): Step[] => [...actions, ...(suggestion?.alternatives ?? [])]

/** The published JSON Schema of a definition (2020-12), for whoever writes one by hand or by a model. */
export function definitionSchema(): Record<string, unknown> {
  return { ...z.toJSONSchema(Definition(), { io: 'input', unrepresentable: 'any' }), title: 'WorkflowDefinition' }
}
