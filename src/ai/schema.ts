import { z } from '@hono/zod-openapi'
import { s } from '#core'

const MOST = Number.MAX_SAFE_INTEGER
const MAX_CAP_MICROS = 1_000_000_000_000
const MAX_GROUPS = 50

export const PlanName = z.enum(['free', 'pro', 'max', 'teams'])
export type PlanName = z.infer<typeof PlanName>

// Kinds and features grow; what an old client does not know is still text.
const name = z.string().max(50)
const count = s.int(0, MOST)
const micros = s.int(0, MOST)

export const UsageQuery = z.strictObject({
  period: z
    .string()
    .max(7)
    .regex(/^(today|month|20\d\d-(0[1-9]|1[0-2]))$/)
    .default('today')
    .openapi({ description: 'today, month, or a month of UTC', example: '2026-11' }),
})

const Totals = s.later(() =>
  z
    .strictObject({
      calls: count,
      costMicros: micros,
      estimatedMicros: micros.openapi({ description: 'Of the cost, what the provider did not confirm' }),
      inputTokens: count,
      outputTokens: count,
      cacheReadTokens: count,
      cacheWriteTokens: count,
    })
    .openapi('UsageTotals'),
)
export type Totals = z.infer<ReturnType<typeof Totals>>

const groups = <T extends z.ZodRawShape>(shape: T) => s.list(z.strictObject({ ...shape, total: Totals() }), MAX_GROUPS)

/** Micro-dollars and tokens of a period, in all and by what they were spent on, the dearest first. */
export const Usage = s.later(() =>
  z
    .strictObject({
      from: s.instant,
      to: s.instant,
      total: Totals(),
      kinds: groups({ kind: name }),
      models: groups({ model: z.string().max(200) }),
      features: groups({ feature: name }),
      conversations: groups({ conversationId: s.id('cnv') }),
      keys: groups({ keyId: s.id('key') }),
    })
    .openapi('AiUsage'),
)
export type Usage = z.infer<ReturnType<typeof Usage>>

/** What may be spent on models: by the person, and by work nobody asked for; neither takes from the other. */
export const Budget = s.later(() => {
  const Window = z
    .strictObject({
      limitMicros: micros.openapi({ description: 'What the plan allows' }),
      capMicros: micros.nullable().openapi({ description: 'The lower limit you set' }),
      spentMicros: micros,
      reservedMicros: micros.openapi({ description: 'Held for calls that are running' }),
      leftMicros: micros,
      resetsAt: s.instant,
    })
    .openapi('BudgetWindow')
  const Account = z.strictObject({ day: Window, month: Window }).openapi('BudgetAccount')
  return z
    .strictObject({ plan: PlanName, isPaused: z.boolean(), own: Account, background: Account })
    .openapi('AiBudget')
})
export type Budget = z.infer<ReturnType<typeof Budget>>

const cap = s.int(0, MAX_CAP_MICROS).nullable()
const Caps = z.strictObject({ dayMicros: cap, monthMicros: cap }).openapi('BudgetCaps')

/** Paused, nothing is spent. A cap is a lower limit than the plan's; null takes it away. */
export const BudgetInput = z
  .strictObject({ isPaused: z.boolean(), caps: z.strictObject({ own: Caps, background: Caps }) })
  .openapi('AiBudgetInput')

export const PlanInput = z.strictObject({ plan: PlanName }).openapi('AiPlanInput')

const share = z.number().min(0).max(1).nullable()
const latency = z.strictObject({ p50: count, p95: count }).nullable()
const ExperimentSide = z
  .strictObject({
    calls: count,
    people: count,
    costMicros: micros,
    meanCostMicros: count.nullable(),
    firstTokenMs: latency.openapi({ description: 'Of calls that were done' }),
    totalMs: latency.openapi({ description: 'Of calls that were done' }),
    doneShare: share,
    failedShare: share,
    abortedShare: share,
    acceptedShare: share.openapi({
      description: "Of the calls for the assistant's answers, those neither cancelled nor failed",
    }),
  })
  .openapi('AiExperimentSide')
export type ExperimentSide = z.infer<typeof ExperimentSide>
const Experiment = z
  .strictObject({
    id: z.string().max(100),
    kind: name,
    model: z.string().max(200),
    share: z.number().min(0).max(1),
    variant: ExperimentSide,
    control: ExperimentSide,
  })
  .openapi('AiExperiment')

export const ExperimentsQuery = z.strictObject({
  since: s.instant.optional().openapi({ description: 'At most 90 days ago; 30 days unless given' }),
})
/** Each experiment this deployment declares, with what came of it on either side. */
export const Experiments = z.strictObject({ since: s.instant, items: s.list(Experiment, 20) }).openapi('AiExperiments')
export type Experiments = z.infer<typeof Experiments>

export const Decision = s.later(() =>
  z
    .strictObject({
      id: s.id('aic'),
      provider: z.string().max(50),
      model: z.string().max(200),
      kind: name,
      difficulty: z.number().min(0).max(1),
      parts: z.record(z.string().max(100), z.number()),
      reasons: s.list(z.string().max(500), 50),
      cache: z.enum(['off', 'miss', 'exact', 'semantic', 'shared']),
      cacheReason: z.string().max(500),
      experiment: z.strictObject({ id: z.string().max(100), variant: z.string().max(100) }).nullable(),
      outcome: z.enum(['done', 'failed', 'aborted', 'lost', 'reversed']),
      costMicros: micros,
      isEstimated: z.boolean(),
      at: s.instant,
    })
    .openapi('AiDecision'),
)
