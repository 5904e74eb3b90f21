import { z } from 'zod'
import { s } from '#core'
import { Definition, Parameter } from './definition.ts'

const MAX_INT = 2_147_483_647

/** Values of parameters, by name. */
const Params = z
  .record(z.string().max(32), z.union([s.text(500), z.number().min(-1_000_000).max(1_000_000), z.boolean()]))
  .refine((given) => Object.keys(given).length <= 20, 'must be at most 20')
  .openapi({ maxProperties: 20 })
const status = z.enum(['enabled', 'disabled', 'paused'])

const fields = {
  name: s.line(120),
  description: s.text(1000),
  savesMinutes: s.int(0, 1440).openapi({ description: 'What a run spares its person' }),
}
const note = s.text(300).openapi({ description: 'Why it was changed, kept with the version' })

export const NewWorkflow = s.later(() =>
  z
    .strictObject({
      name: fields.name,
      description: fields.description.default(''),
      savesMinutes: fields.savesMinutes.default(0),
      definition: Definition(),
      params: Params.default({}),
      enabled: z.boolean().default(true),
      note: note.default(''),
    })
    .openapi('NewWorkflow'),
)
export type NewWorkflow = z.infer<ReturnType<typeof NewWorkflow>>

export const WorkflowPatch = s.later(() =>
  z
    .strictObject({ ...fields, definition: Definition(), params: Params, note })
    .partial()
    .openapi('WorkflowPatch'),
)
export type WorkflowPatch = z.infer<ReturnType<typeof WorkflowPatch>>

export const Pause = z.strictObject({ until: s.instant.optional() }).openapi('WorkflowPause')
export type Pause = z.infer<typeof Pause>

export const Workflow = s.later(() =>
  z
    .strictObject({
      id: s.id('wfl'),
      name: z.string().max(120),
      description: z.string().max(1000),
      status,
      pausedReason: z
        .enum(['person', 'failing'])
        .nullable()
        .openapi({ description: '`failing`: it failed too often in a row' }),
      pausedUntil: s.instant.nullable(),
      definitionVersion: s.int(1, MAX_INT).openapi({ description: 'The version of its definition that new runs take' }),
      latestVersion: s.int(1, MAX_INT),
      params: Params,
      template: z.string().max(60).nullable(),
      savesMinutes: s.int(0, MAX_INT),
      failuresInRow: s.int(0, MAX_INT),
      version: s.int(1, MAX_INT),
      createdAt: s.instant,
      updatedAt: s.instant,
    })
    .openapi('Workflow'),
)
export type Workflow = z.infer<ReturnType<typeof Workflow>>
export const WorkflowPage = s.later(() => s.pageOf(Workflow()).openapi('WorkflowPage'))

const ShownTrigger = s.later(() =>
  z
    .strictObject({
      id: s.id('trg').openapi({ description: 'A webhook is called at /v1/hooks/{id}' }),
      kind: z.string().max(20),
      active: z.boolean(),
      next: s.list(s.instant, 5).openapi({ description: 'The next times it is due' }),
      lastFiredAt: s.instant.nullable(),
    })
    .openapi('WorkflowTrigger'),
)
export type ShownTrigger = z.infer<ReturnType<typeof ShownTrigger>>

export const WorkflowWhole = s.later(() =>
  z
    .strictObject({ ...Workflow().shape, definition: Definition(), triggers: s.list(ShownTrigger(), 10) })
    .openapi('WorkflowWhole', { description: 'With its definition, and when it is due next' }),
)
export type WorkflowWhole = z.infer<ReturnType<typeof WorkflowWhole>>

export const WorkflowQuery = z.strictObject({
  limit: s.limit,
  cursor: s.cursor,
  text: s.text(200, 1).optional(),
  status: status.optional(),
})
export type WorkflowQuery = z.infer<typeof WorkflowQuery>

export const WorkflowVersion = s.later(() =>
  z
    .strictObject({
      version: s.int(1, MAX_INT),
      note: z.string().max(300),
      isInUse: z.boolean(),
      createdAt: s.instant,
      definition: Definition(),
    })
    .openapi('WorkflowVersion'),
)
export type WorkflowVersion = z.infer<ReturnType<typeof WorkflowVersion>>
export const WorkflowVersionPage = s.later(() => s.pageOf(WorkflowVersion(), 20).openapi('WorkflowVersionPage'))
export const VersionQuery = z.strictObject({ limit: s.queryInt(1, 20).default(20), cursor: s.cursor })
export type VersionQuery = z.infer<typeof VersionQuery>
export const VersionUse = z.strictObject({ version: s.int(1, MAX_INT) }).openapi('WorkflowVersionUse')

export const MetricsQuery = z.strictObject({ days: s.queryInt(1, 365).default(30) })
const rows = () => s.int(0, MAX_INT)
const ms = () => s.int(0, Number.MAX_SAFE_INTEGER).nullable()
export const WorkflowMetrics = s.later(() =>
  z
    .strictObject({
      days: s.int(1, 365),
      runs: rows(),
      ended: rows(),
      succeeded: rows().openapi({ description: 'Ended well and did something, with evidence' }),
      nothing: rows().openapi({ description: 'Ended well, with nothing to do' }),
      failed: rows(),
      suggested: rows().openapi({ description: 'Somebody was asked, and answered' }),
      accepted: rows(),
      savedMinutes: rows(),
      costMicros: s.int(0, Number.MAX_SAFE_INTEGER),
      p50Ms: ms(),
      p95Ms: ms().openapi({ description: 'From the first step to the end, waits for an answer included' }),
      lastRunAt: s.instant.nullable(),
    })
    .openapi('WorkflowMetrics'),
)
export type WorkflowMetrics = z.infer<ReturnType<typeof WorkflowMetrics>>

export const Validation = s.later(() =>
  z.strictObject({ definition: Definition(), params: Params.default({}) }).openapi('WorkflowValidation'),
)
export const Validated = s.later(() =>
  z
    .strictObject({
      valid: z.boolean(),
      faults: s.list(z.strictObject({ pointer: z.string().max(400), detail: z.string().max(500) }), 50),
      next: s.list(s.instant, 5).openapi({ description: 'When it would run next of its own accord' }),
    })
    .openapi('WorkflowValidated'),
)
export type Validated = z.infer<ReturnType<typeof Validated>>

export const RunAsk = z
  .strictObject({ data: z.record(z.string().max(100), s.text(4000)).default({}).openapi({ maxProperties: 50 }) })
  .openapi('WorkflowRunAsk')
export const RunAsked = s.later(() => z.strictObject({ runId: s.id('run') }).openapi('WorkflowRunAsked'))
export type RunAsked = z.infer<ReturnType<typeof RunAsked>>
export const HookSecret = s.later(() =>
  z
    .strictObject({
      path: z.string().max(60).openapi({ description: 'Where it is called, under the address of the API' }),
      secret: z.string().max(100).openapi({ description: 'Shown this once; `whsec_` and the key in base64' }),
    })
    .openapi('WorkflowHookSecret'),
)
export type HookSecret = z.infer<ReturnType<typeof HookSecret>>
export const HookBody = z.record(z.string().max(100), z.unknown()).openapi('HookBody', { maxProperties: 100 })
export const HookTaken = s.later(() => z.strictObject({ accepted: z.literal(true) }).openapi('HookTaken'))

const category = z.enum(['day', 'tasks', 'focus', 'home', 'meetings', 'mail'])
export const TemplateQuery = z.strictObject({
  text: s.text(200, 1).optional(),
  category: category.optional(),
  recommended: s.flag.optional(),
})
export type TemplateQuery = z.infer<typeof TemplateQuery>
const ShownTemplate = s.later(() =>
  z
    .strictObject({
      key: z.string().max(60),
      name: z.string().max(120),
      description: z.string().max(1000),
      category,
      savesMinutes: s.int(0, 1440),
      parameters: s.list(Parameter, 20),
      isUsed: z.boolean(),
      reason: z.string().max(300).nullable().openapi({ description: 'Why it is recommended; null: it is not' }),
    })
    .openapi('WorkflowTemplate'),
)
export type ShownTemplate = z.infer<ReturnType<typeof ShownTemplate>>
export const TemplatePage = s.later(() => s.pageOf(ShownTemplate()).openapi('WorkflowTemplatePage'))
export const NewFromTemplate = z
  .strictObject({
    template: z
      .string()
      .max(60)
      .regex(/^[a-z_]+$/)
      .openapi({ example: 'morning_brief' }),
    name: fields.name.optional(),
    params: Params.default({}),
    enabled: z.boolean().default(true),
  })
  .openapi('NewWorkflowFromTemplate')
export type NewFromTemplate = z.infer<typeof NewFromTemplate>
