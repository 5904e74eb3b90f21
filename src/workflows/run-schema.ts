import { z } from 'zod'
import { s } from '#core'

const RUN_STATUSES = [
  'requested',
  'proposed',
  'waiting',
  'running',
  'done',
  'failed',
  'compensated',
  'cancelled',
  'expired',
] as const
export const RunStatus = z.enum(RUN_STATUSES).openapi('WorkflowRunStatus')
export type RunStatus = z.infer<typeof RunStatus>
export const RunOutcome = z.enum([
  'acted',
  'suggested',
  'nothing',
  'dismissed',
  'expired',
  'failed',
  'undone',
  'cancelled',
])
export const StepStatus = z.enum(['running', 'waiting', 'done', 'skipped', 'failed', 'compensated', 'irreversible'])

const MAX_VERSION = 2_147_483_647
export const MAX_STEPS_SHOWN = 1000
const code = z.string().max(60)
const step = z.string().max(100)
const says = z.string().max(500)
const ref = z.string().max(300)

const RunError = s.later(() =>
  z.strictObject({ code, detail: says, step: step.nullable() }).openapi('WorkflowRunError'),
)
/** Why a run failed, and at which step. */
export type RunError = { code: string; detail: string; step: string | null }

/** What shows that a step was done: the effect, and under which id whoever did it knows it. */
export const RunEvidence = s.later(() =>
  z
    .strictObject({
      step,
      kind: code,
      says,
      effectId: z.string().max(40).nullable(),
      id: ref.nullable(),
      provider: z.string().max(100).nullable(),
    })
    .openapi('RunEvidence'),
)
export type Evidence = z.infer<ReturnType<typeof RunEvidence>>

const Parked = s.later(() =>
  z
    .strictObject({ step, effectId: z.string().max(40).nullable(), says, reason: z.string().max(300) })
    .openapi('ParkedStep'),
)
/** What could not be taken back: it waits for the person, who was told. */
export type Parked = z.infer<ReturnType<typeof Parked>>

export type RunEnd = {
  status: 'done' | 'failed' | 'compensated' | 'cancelled' | 'expired'
  outcome: z.infer<typeof RunOutcome>
  reason: string | null
  evidence: Evidence[]
  error: RunError | null
  parked: Parked[]
  /** Whether the person said yes; null: they were not asked. */
  isAccepted: boolean | null
}

/** How a step goes, as it is shown. */
export type Doing = {
  step: string
  kind: string
  status: z.infer<typeof StepStatus>
  says?: string | undefined
  effectId?: string | null | undefined
  evidence?: { id: string | null; provider: string | null } | undefined
  error?: RunError | undefined
}

const FactLink = s.later(() =>
  z
    .strictObject({
      kind: z.enum(['task', 'event', 'memory', 'mail', 'message', 'run']),
      id: z.string().max(100),
      says,
    })
    .openapi('FactLink'),
)
export type FactLink = z.infer<ReturnType<typeof FactLink>>
export const Finding = s.later(() =>
  z
    .strictObject({
      title: says,
      facts: s.list(FactLink(), 50),
      confidence: z.number().min(0).max(1),
      impact: says.nullable(),
      alternatives: s.list(z.string().max(300), 5),
    })
    .openapi('WorkflowFinding'),
)
export type Finding = z.infer<ReturnType<typeof Finding>>

export const Run = s.later(() =>
  z
    .strictObject({
      id: s.id('run'),
      workflowId: s.id('wfl'),
      definitionVersion: s.int(1, MAX_VERSION),
      status: RunStatus,
      trigger: z.strictObject({ kind: code }),
      priority: z.enum(['urgent', 'important', 'routine']),
      tainted: z.boolean().openapi({ description: 'Set off by text of others: what goes out is asked about' }),
      retryOf: s.id('run').nullable(),
      outcome: z.union([RunOutcome, z.null()]).openapi({ description: 'What came of it, once it has ended' }),
      reason: z.string().max(300).nullable().openapi({ description: 'Why nothing was done, or why it failed' }),
      evidence: s.list(RunEvidence(), 500).openapi({ description: 'What was done, and under which id it is known' }),
      findings: s.list(Finding(), 10),
      error: z.union([RunError(), z.null()]),
      parked: s.list(Parked(), 500).openapi({ description: 'What failed and could not be taken back' }),
      suggestionId: s.id('sug').nullable(),
      accepted: z.boolean().nullable(),
      savedMinutes: s.int(0, MAX_VERSION),
      costMicros: s.int(0, Number.MAX_SAFE_INTEGER),
      startedAt: s.instant.nullable(),
      endedAt: s.instant.nullable(),
      version: s.int(1, MAX_VERSION),
      createdAt: s.instant,
      updatedAt: s.instant,
    })
    .openapi('WorkflowRun'),
)
export type Run = z.infer<ReturnType<typeof Run>>

const RunStep = s.later(() =>
  z
    .strictObject({
      step: step.openapi({ description: 'The id of the step; in a for-each with the number of the item: `each.2`' }),
      kind: code.openapi({
        description: 'A kind of effect, or a part of every run: gather, analyse, suggestion, wait',
      }),
      status: StepStatus,
      attempts: s.int(0, MAX_VERSION),
      says: says.nullable(),
      effectId: z.string().max(40).nullable(),
      evidence: z.union([z.strictObject({ id: ref.nullable(), provider: z.string().max(100).nullable() }), z.null()]),
      error: z.union([RunError(), z.null()]),
      startedAt: s.instant,
      endedAt: s.instant.nullable(),
    })
    .openapi('WorkflowRunStep'),
)
export type RunStep = z.infer<ReturnType<typeof RunStep>>

const OpenQuestion = s.later(() =>
  z
    .strictObject({
      step,
      question: z.string().max(1000),
      choices: s.list(z.string().max(100), 6),
      expiresAt: s.instant,
    })
    .openapi('RunQuestion'),
)
export const RunDetail = s.later(() =>
  z
    .strictObject({
      run: Run(),
      steps: s.list(RunStep(), MAX_STEPS_SHOWN),
      question: z.union([OpenQuestion(), z.null()]).openapi({ description: 'What it waits to be told' }),
    })
    .openapi('WorkflowRunDetail'),
)
export type RunDetail = z.infer<ReturnType<typeof RunDetail>>
export const RunPage = s.later(() => s.pageOf(Run()).openapi('WorkflowRunPage'))
export const RunQuery = z.strictObject({
  limit: s.limit,
  cursor: s.cursor,
  workflowId: s.id('wfl').optional(),
  status: RunStatus.optional(),
})
export type RunQuery = z.infer<typeof RunQuery>

export const Answer = z
  .strictObject({
    step: s.line(100).openapi({ description: 'The step that asks', example: 'ask' }),
    answer: s.text(1000, 1),
  })
  .openapi('RunAnswer')
export type Answer = z.infer<typeof Answer>
