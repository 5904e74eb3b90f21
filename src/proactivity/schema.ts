import { z } from '@hono/zod-openapi'
import { s } from '#core'
import type { ActionOffer } from './tables.ts'

const MAX_ACTIONS = 10
const MAX_TITLE = 300
const MAX_BODY = 4000
const MAX_KIND = 60

const count = s.int(0, 2_147_483_647)
const score = z.number().min(0).max(1)

/** Of a suggestion, an effect or a rule: `overdue_triage`, `create_task`. */
export const kindName = z
  .string()
  .max(MAX_KIND)
  .regex(/^[a-z][a-z0-9_.-]*$/)
  .openapi({ example: 'overdue_triage' })

/** What an effect is given: any JSON object, as the kind's own schema says. */
const Payload = s.later(() =>
  z.record(z.string().max(100), z.unknown()).openapi({ type: 'object', additionalProperties: true }),
)

export const Status = z
  .enum([
    'withheld',
    'proposed',
    'seen',
    'approved',
    'dismissed',
    'snoozed',
    'expired',
    'running',
    'done',
    'failed',
    'undone',
  ])
  .openapi('SuggestionStatus')
export type Status = z.infer<typeof Status>

/** Why nothing was said. */
export const WithheldReason = z
  .enum([
    'muted',
    'nothing_new',
    'autonomy',
    'duplicate',
    'quiet_hours',
    'too_many_open',
    'too_many_today',
    'cooldown',
    'budget',
    'learned',
    'better_time',
    'look_alike',
  ])
  .openapi('WithheldReason')
export type WithheldReason = z.infer<typeof WithheldReason>

export const Priority = z.enum(['urgent', 'important', 'routine']).openapi('SuggestionPriority')
export type Priority = z.infer<typeof Priority>

const actionId = z
  .string()
  .max(64)
  .regex(/^[A-Za-z0-9_.-]+$/)

const Offer = s.later(() =>
  z
    .strictObject({
      id: actionId,
      kind: kindName,
      input: Payload(),
      says: z.string().max(500),
      outward: z.boolean().openapi({ description: "Leaves the person's own data" }),
      reversible: z.boolean(),
    })
    .openapi('ActionOffer'),
)

export type { ActionOffer } from './tables.ts'

const Fact = s.later(() =>
  z.strictObject({
    kind: z.enum(['task', 'event', 'memory', 'mail', 'message', 'run']),
    id: z.string().max(100),
    says: z.string().max(500),
  }),
)
export const Why = s.later(() =>
  z
    .strictObject({
      trigger: z.string().max(500),
      facts: s.list(Fact(), 50),
      score: z
        .record(z.string().max(60), z.number())
        .openapi({ additionalProperties: { type: 'number' }, description: 'Multiplied they are the rank' }),
      rule: z.string().max(500).nullable(),
      model: z.string().max(100).nullable(),
      costMicros: s.int(0, Number.MAX_SAFE_INTEGER),
      decisionId: z.string().max(40).nullable().openapi({ description: 'Why that model: GET /v1/ai/decisions/{id}' }),
    })
    .openapi('Why'),
)
export type Why = z.infer<ReturnType<typeof Why>>

export const Source = s.later(() =>
  z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('run'), runId: z.string().max(40) }),
    z
      .strictObject({ kind: z.literal('analysis'), runId: z.string().max(40) })
      .openapi({ description: 'Of a run that has yet to ask a model: there are no words of it until then' }),
    z.strictObject({ kind: z.literal('turn'), messageId: z.string().max(40) }),
    z.strictObject({ kind: z.literal('schedule'), scheduleRunId: z.string().max(40) }),
    z.strictObject({ kind: z.literal('system') }),
  ]),
)

export const Suggestion = s.later(() =>
  z
    .strictObject({
      id: s.id('sug'),
      kind: kindName,
      title: z.string().max(MAX_TITLE),
      body: z.string().max(MAX_BODY),
      status: Status,
      priority: Priority,
      confidence: score,
      rank: z.number().min(0).max(3).openapi({ description: 'Priority, confidence and learned acceptance together' }),
      actions: s.list(Offer(), MAX_ACTIONS),
      alternatives: s.list(Offer(), MAX_ACTIONS),
      agreed: s.list(Offer(), MAX_ACTIONS).nullable().openapi({ description: 'The actions as approved' }),
      reversible: z.boolean().openapi({ description: 'All that is offered can be taken back' }),
      tainted: z.boolean().openapi({ description: 'Made from text of others' }),
      source: Source(),
      reason: z.union([WithheldReason, z.null()]).openapi({ description: 'Why it was withheld' }),
      wakeAt: s.instant.nullable().openapi({ description: 'When it is offered again by itself' }),
      expiresAt: s.instant,
      proposedAt: s.instant.nullable(),
      seenAt: s.instant.nullable(),
      decidedAt: s.instant.nullable(),
      effectIds: s.list(z.string().max(40), 500),
      detail: z.string().max(2000).nullable().openapi({ description: 'How it went' }),
      version: s.int(1, 2_147_483_647),
      createdAt: s.instant,
      updatedAt: s.instant,
    })
    .openapi('Suggestion'),
)
/** As Postgres answers it; `workflowId` and the like are in `source` and `why`. */
export type Suggestion = Omit<z.infer<ReturnType<typeof Suggestion>>, 'actions' | 'alternatives' | 'agreed'> & {
  actions: ActionOffer[]
  alternatives: ActionOffer[]
  agreed: ActionOffer[] | null
}
export const SuggestionPage = s.later(() => s.pageOf(Suggestion()).openapi('SuggestionPage'))
export const SuggestionQuery = z.strictObject({
  limit: s.limit,
  cursor: s.cursor,
  status: Status.optional(),
  kind: kindName.optional(),
  open: s.flag.optional().openapi({ description: 'Those to be decided, the best first' }),
})
export type SuggestionQuery = z.infer<typeof SuggestionQuery>

/** What a room below or beside offers; see `propose`. */
export type NewSuggestion = {
  key: string
  kind: string
  title: string
  body: string
  actions: ActionOffer[]
  alternatives: ActionOffer[]
  why: Why
  confidence: number
  priority: Priority
  expiresAt: string
  source: z.infer<ReturnType<typeof Source>>
  tainted: boolean
  workflowId?: string | null
}
export const NewSuggestion = s.later(() =>
  z.strictObject({
    key: z.string().min(1).max(200),
    kind: kindName,
    title: s.line(MAX_TITLE),
    body: s.text(MAX_BODY),
    actions: s.list(Offer(), MAX_ACTIONS),
    alternatives: s.list(Offer(), MAX_ACTIONS),
    why: Why(),
    confidence: score,
    priority: Priority,
    expiresAt: s.instant,
    source: Source(),
    tainted: z.boolean(),
    workflowId: z.string().max(40).nullish(),
  }),
)

const minutes = s.int(1, 525_600)
export const Approval = z
  .strictObject({
    actions: s
      .list(
        z.strictObject({
          id: actionId,
          input: z.record(z.string().max(100), z.unknown()).optional().openapi({ additionalProperties: true }),
        }),
        MAX_ACTIONS,
        1,
      )
      .optional()
      .openapi({
        description: 'Which of the actions and alternatives, and changed how; without it all actions as they are',
      }),
  })
  .openapi('SuggestionApproval')
export type Approval = z.infer<typeof Approval>
export const Dismissal = z.strictObject({ reason: s.text(500, 1).optional() }).openapi('SuggestionDismissal')
export type Dismissal = z.infer<typeof Dismissal>
export const Snooze = z
  .strictObject({ minutes: minutes.optional(), until: s.instant.optional() })
  .refine((given) => (given.minutes === undefined) !== (given.until === undefined), 'must say `minutes` or `until`')
  .openapi('SuggestionSnooze')
export type Snooze = z.infer<typeof Snooze>

const UndoneEffect = s.later(() =>
  z.strictObject({
    effectId: z.string().max(40),
    status: z.enum(['undone', 'cancelled', 'already', 'irreversible', 'too_late', 'changed_since', 'failed']),
    says: z.string().max(2000),
  }),
)
export const UndoneSuggestion = s.later(() =>
  z.strictObject({ suggestion: Suggestion(), effects: s.list(UndoneEffect(), 500) }).openapi('UndoneSuggestion'),
)
export type UndoneSuggestion = {
  suggestion: Suggestion
  effects: z.infer<ReturnType<typeof UndoneEffect>>[]
}

const Cooldown = z
  .record(kindName, s.int(0, 525_600))
  .openapi({ additionalProperties: { type: 'integer', format: 'int32', minimum: 0, maximum: 525_600 } })
const settings = {
  maxOpen: s.int(0, 20).openapi({ description: 'How many wait for a decision at once' }),
  maxADay: s.int(0, 100),
  cooldownMinutes: s.int(0, 525_600).openapi({ description: 'Between two of a kind' }),
  cooldowns: Cooldown.refine((all) => Object.keys(all).length <= 100, 'at most 100').openapi({
    description: 'The same, for single kinds',
  }),
  muted: s.list(kindName, 100).openapi({ description: 'Kinds that are never offered' }),
  urgentInQuietHours: z.boolean(),
  inferCommitments: z.boolean().openapi({ description: 'Whether promises are looked for in what the person says' }),
  privacy: z.enum(['secrets', 'contacts', 'strict']).openapi({
    description:
      'What a model that looks at facts is not told: links, accounts, passwords and keys; addresses and telephone numbers too; names of people the person knows and sums of money too',
  }),
}
export const Settings = s.later(() =>
  z.strictObject({ ...settings, version: s.int(0, 2_147_483_647) }).openapi('SuggestionSettings'),
)
export type Settings = z.infer<ReturnType<typeof Settings>>
export const SettingsPatch = z.strictObject(settings).partial().openapi('SuggestionSettingsPatch')
export type SettingsPatch = z.infer<typeof SettingsPatch>

const Silence = s.later(() =>
  z
    .strictObject({
      kind: kindName,
      workflowId: z.string().max(40).nullable(),
      reason: WithheldReason,
      times: count.openapi({ description: 'Since something was last looked into' }),
      at: s.instant,
    })
    .openapi('Silence'),
)
export type Silence = z.infer<ReturnType<typeof Silence>>
export const Silences = s.later(() => z.strictObject({ items: s.list(Silence(), 500) }).openapi('Silences'))
