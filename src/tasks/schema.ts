import { z } from '@hono/zod-openapi'
import { s } from '#core'

export const MAX_BULK = 100
const MAX_VERSION = 2_147_483_647

export const TaskStatus = z.enum(['pending', 'in_progress', 'completed', 'cancelled']).openapi('TaskStatus')
export type TaskStatus = z.infer<typeof TaskStatus>
const TaskPriority = z.enum(['low', 'medium', 'high', 'urgent']).openapi('TaskPriority')

const title = s.line(300)
const notes = s.text(20_000)
const labels = s
  .list(s.line(50), 20)
  .refine((all) => new Set(all).size === all.length, 'must not repeat a label')
  .openapi({ uniqueItems: true })
const minutes = s.int(0, 1_000_000)
export const position = z
  .number()
  .min(-1e15)
  .max(1e15)
  .openapi({ description: 'Manual order; between two neighbours is their mean' })
const version = s.int(1, MAX_VERSION)

const recurrence = s.rrule.openapi({
  description: 'RRULE of RFC 5545 by day, week, month or year, on the wall clock of `due`',
})

const remindAt = s.MomentInput.refine(({ time }) => time !== undefined, {
  path: ['time'],
  message: 'a reminder needs a time',
})

// A named schema that may be null: `.nullable()` would make its component in the document nullable everywhere.
const orNull = <T extends z.ZodType>(schema: T) => z.union([schema, z.null()])

export const Task = s.later(() =>
  z
    .strictObject({
      id: s.id('task'),
      title: z.string().max(300),
      notes: z.string().max(20_000),
      status: TaskStatus,
      priority: TaskPriority,
      labels: s.list(z.string().max(50), 20),
      projectId: s.id('prj').nullable(),
      parentId: s.id('task').nullable(),
      start: orNull(s.Moment),
      due: orNull(s.Moment),
      remindAt: orNull(s.Moment),
      estimateMinutes: minutes.nullable(),
      actualMinutes: minutes.nullable(),
      recurrence: z.string().max(500).nullable(),
      position: z.number(),
      externalProvider: z.string().max(50).nullable(),
      externalId: z.string().max(500).nullable(),
      aiReason: z.string().max(1000).nullable(),
      aiConfidence: z.number().min(0).max(1).nullable(),
      tainted: s.tainted,
      completedAt: s.instant.nullable(),
      deletedAt: s.instant.nullable(),
      version,
      createdAt: s.instant,
      updatedAt: s.instant,
    })
    .openapi('Task'),
)
export type Task = z.infer<ReturnType<typeof Task>>

// Not named: what extends a named schema is described as both at once.
const given = z.strictObject({
  notes: notes.optional(),
  priority: TaskPriority.optional(),
  labels: labels.optional(),
  projectId: s.id('prj').nullable().optional(),
  parentId: s.id('task').nullable().optional(),
  start: orNull(s.MomentInput).optional(),
  due: orNull(s.MomentInput).optional(),
  remindAt: orNull(remindAt).optional(),
  estimateMinutes: minutes.nullable().optional(),
  recurrence: recurrence.nullable().optional(),
  position: position.optional(),
})
export const NewTask = given.extend({ title, status: z.enum(['pending', 'in_progress']).optional() }).openapi('NewTask')
export type NewTask = z.infer<typeof NewTask>

export const TaskPatch = given
  .extend({
    title: title.optional(),
    status: z
      .enum(['pending', 'in_progress', 'cancelled'])
      .optional()
      .openapi({ description: 'Completed is reached by /complete and left by /reopen' }),
    actualMinutes: minutes.nullable().optional(),
  })
  .openapi('TaskPatch')
export type TaskPatch = z.infer<typeof TaskPatch>

/** Why the assistant made it, or whence a sync brought it: never from a client. */
export type Provenance = { aiReason?: string; aiConfidence?: number; externalProvider?: string; externalId?: string }

export const TaskPage = s.later(() => s.pageOf(Task()).openapi('TaskPage'))
export const Completion = s.later(() =>
  z
    .strictObject({
      task: Task(),
      next: orNull(Task()).openapi({ description: 'The next occurrence of a recurring task' }),
    })
    .openapi('Completion'),
)
export type Completion = z.infer<ReturnType<typeof Completion>>

export const DeletedTask = s.later(() =>
  z.strictObject({ id: s.id('task'), title: z.string().max(300), deletedAt: s.instant }).openapi('DeletedTask'),
)
export type DeletedTask = z.infer<ReturnType<typeof DeletedTask>>

export const TaskUpdate = z
  .strictObject({
    id: s.id('task'),
    version: version.optional().openapi({ description: 'The version that was read; any when it is left out' }),
    patch: TaskPatch,
  })
  .openapi('TaskUpdate')
export type TaskUpdate = z.infer<typeof TaskUpdate>

const once = <T extends { id: string }>(items: T[]) => new Set(items.map(({ id }) => id)).size === items.length

const updateItems = s.list(TaskUpdate, MAX_BULK, 1).refine(once, 'must not name a task twice')
const completeIds = s
  .list(s.id('task'), MAX_BULK, 1)
  .refine((ids) => new Set(ids).size === ids.length, 'must not name a task twice')
  .openapi({ uniqueItems: true })

const BulkCreate = z
  .strictObject({ action: z.literal('create'), items: s.list(NewTask, MAX_BULK, 1) })
  .openapi('BulkCreate')
const BulkUpdate = z.strictObject({ action: z.literal('update'), items: updateItems }).openapi('BulkUpdate')
const BulkComplete = z.strictObject({ action: z.literal('complete'), ids: completeIds }).openapi('BulkComplete')
export const Bulk = z.discriminatedUnion('action', [BulkCreate, BulkUpdate, BulkComplete]).openapi('Bulk')
export type Bulk = z.infer<typeof Bulk>
export const BulkResult = s.later(() =>
  z
    .strictObject({
      items: s.list(Completion(), MAX_BULK).openapi({ description: 'One for each that was sent, in its order' }),
    })
    .openapi('BulkResult'),
)
export type BulkResult = z.infer<ReturnType<typeof BulkResult>>

const count = s.int(0, MAX_VERSION)
export const TaskInsights = s.later(() =>
  z
    .strictObject({
      timeZone: z.string().max(64).openapi({ description: 'The zone every day and hour here is counted in' }),
      open: count,
      overdue: count,
      dueToday: count,
      completedPerWeek: s
        .list(z.strictObject({ weekStart: s.localDate, count }), 8)
        .openapi({ description: 'Eight weeks from their Monday, the last is the current one' }),
      completedPerHour: s
        .list(count, 24)
        .openapi({ description: 'By hour of day, 0 to 23, over the same eight weeks' }),
      streakDays: count.openapi({ description: 'Days in a row with a completion, up to today or yesterday' }),
    })
    .openapi('TaskInsights'),
)
export type TaskInsights = z.infer<ReturnType<typeof TaskInsights>>

const query = (description: string) => ({ param: { description } })
const day = z.union([s.instant, s.localDate])
const from = (what: string) =>
  day.optional().openapi(query(`${what} at or after: an instant, or a day of the person's (its start)`))
const until = (what: string) =>
  day.optional().openapi(query(`${what} before: an instant, or a day of the person's (its start)`))
// One pattern, not a union: the linter looks for the type of an id.
const idOrNone = (prefix: string) =>
  z
    .string()
    .max(40)
    .regex(new RegExp(`^(none|${prefix}_[0-9a-hjkmnp-tv-z]{26})$`))

// Sorts by their usual order; what has no value comes last in either.
export const SORTS = {
  due: 'asc',
  priority: 'desc',
  created: 'desc',
  updated: 'desc',
  position: 'asc',
  title: 'asc',
  completed: 'desc',
} as const
export const TaskSort = z.enum(['due', 'priority', 'created', 'updated', 'position', 'title', 'completed'])
export type TaskSort = z.infer<typeof TaskSort>

const filters = z.strictObject({
  text: s.text(200).optional().openapi(query('Words that all occur in the title or the notes, in any letter case')),
  projectId: idOrNone('prj').optional().openapi(query('A project, or `none`')),
  parentId: idOrNone('task').optional().openapi(query('Subtasks of a task, or `none` for those of no task')),
  label: s.line(50).optional(),
  priority: TaskPriority.optional(),
  dueAfter: from('Due'),
  dueBefore: until('Due'),
  completedAfter: from('Completed'),
  completedBefore: until('Completed'),
})

const statuses = s.list(TaskStatus, 4, 1)

/** The filters of a list as JSON: what an assistant's tool takes. */
export const TaskFilter = filters.extend({
  status: statuses.optional(),
  open: z.boolean().optional().openapi({ description: 'Pending or in progress' }),
  overdue: z.boolean().optional().openapi({ description: 'Open and due before now' }),
  sort: z.enum(['due', 'priority', 'created', 'updated']).optional(),
  limit: s.int(1, 100).default(20),
  cursor: s.cursor,
})

/** The same as query parameters, and the bin. */
export const TaskQuery = filters.extend({
  status: z
    .union([statuses, TaskStatus.transform((one) => [one])])
    .optional()
    .openapi({
      type: 'array',
      items: { type: 'string', enum: TaskStatus.options },
      maxItems: 4,
      ...query('Repeat it for several'),
    }),
  open: s.flag.optional().openapi(query('Pending or in progress; `false`: neither')),
  overdue: s.flag.optional().openapi(query('Open and due before now; `false`: not so')),
  deleted: s.flag.optional().openapi(query('What lies in the bin, instead of what does not')),
  sort: TaskSort.default('created'),
  order: z
    .enum(['asc', 'desc'])
    .optional()
    .openapi(query('Descending for priority, created, updated and completed unless given')),
  limit: s.limit,
  cursor: s.cursor,
})

/** What a list is asked for: a query, or less. */
export type TaskListInput = Partial<z.output<typeof TaskQuery>> & { limit: number }

const projectName = s.line(100)
const colour = z
  .string()
  .max(7)
  .regex(/^#[0-9A-Fa-f]{6}$/)
  .openapi({ example: '#3366cc' })
const icon = s.line(40)

export const Project = s.later(() =>
  z
    .strictObject({
      id: s.id('prj'),
      name: z.string().max(100),
      colour: z.string().max(7).nullable(),
      icon: z.string().max(40).nullable(),
      position: z.number(),
      archivedAt: s.instant.nullable(),
      tainted: s.tainted,
      version,
      createdAt: s.instant,
      updatedAt: s.instant,
    })
    .openapi('Project'),
)
export type Project = z.infer<ReturnType<typeof Project>>

const givenProject = z.strictObject({
  colour: colour.nullable().optional(),
  icon: icon.nullable().optional(),
  position: position.optional(),
})
export const NewProject = givenProject.extend({ name: projectName }).openapi('NewProject')
export type NewProject = z.infer<typeof NewProject>

export const ProjectPatch = givenProject
  .extend({ name: projectName.optional(), archived: z.boolean().optional() })
  .openapi('ProjectPatch')
export type ProjectPatch = z.infer<typeof ProjectPatch>
export const ProjectPage = s.later(() => s.pageOf(Project()).openapi('ProjectPage'))
export const ProjectQuery = z.strictObject({ limit: s.limit, cursor: s.cursor, archived: s.flag.optional() })
export type ProjectQuery = z.infer<typeof ProjectQuery>
