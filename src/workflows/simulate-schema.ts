import { z } from 'zod'
import { s } from '#core'
import { Finding, RunEvidence, RunOutcome, RunStatus } from './run-schema.ts'

const says = z.string().max(500)
const State = s.later(() => z.unknown().openapi({ type: ['object', 'null'], additionalProperties: true }))
const Payload = s.later(() =>
  z
    .record(z.string().max(100), z.unknown())
    .openapi({ type: 'object', additionalProperties: true, maxProperties: 100 }),
)

export const Simulation = z
  .strictObject({
    trigger: Payload().optional().openapi({ description: 'What expressions see as `trigger`' }),
    answers: z
      .record(z.string().max(100), s.text(1000, 1))
      .refine((all) => Object.keys(all).length <= 20, 'at most 20')
      .optional()
      .openapi({ maxProperties: 20, description: 'What you would answer, by step; else the first choice' }),
    askModel: z.boolean().optional().openapi({ description: 'Really ask the model, at the expense of your budget' }),
    days: s.int(1, 7).optional().openapi({ description: 'How far back its triggers are replayed; 7 unless given' }),
  })
  .openapi('Simulation')
export type Simulation = z.infer<typeof Simulation>

const Would = s.later(() =>
  z
    .strictObject({
      step: z.string().max(100),
      kind: z.string().max(60),
      says,
      outward: z.boolean(),
      reversible: z.boolean(),
      autonomy: z.enum(['never', 'ask', 'act_and_tell', 'act_silently']),
      changes: s.list(z.strictObject({ target: z.string().max(200).nullable(), before: State(), after: State() }), 100),
      mostMicros: s
        .int(0, Number.MAX_SAFE_INTEGER)
        .openapi({ description: 'What the model of a workflow it runs may cost at most' }),
    })
    .openapi('WouldDo'),
)
export type Would = z.infer<ReturnType<typeof Would>>

const Replay = s.later(() =>
  z
    .strictObject({
      since: s.instant,
      times: s.int(0, 1000).openapi({
        description: 'How often it was called for; oncePer, throttle, debounce and concurrency may let fewer run',
      }),
      firings: s.list(z.strictObject({ at: s.instant, kind: z.string().max(60), says }), 100),
      untold: s
        .list(z.string().max(60), 10)
        .openapi({ description: 'Kinds of its triggers of which the past does not tell' }),
    })
    .openapi('TriggerReplay'),
)
export type Replay = z.infer<ReturnType<typeof Replay>>

export const Simulated = s.later(() =>
  z
    .strictObject({
      status: RunStatus,
      outcome: RunOutcome,
      reason: z.string().max(300).nullable(),
      findings: s.list(Finding(), 10),
      suggestion: z
        .strictObject({ kind: z.string().max(60), title: z.string().max(300), body: z.string().max(4000) })
        .nullable(),
      questions: s.list(z.strictObject({ step: z.string().max(100), question: z.string().max(1000) }), 100),
      waits: s.list(z.strictObject({ step: z.string().max(100), until: s.instant }), 100),
      effects: s.list(Would(), 500).openapi({ description: 'What it would do, and what that would change' }),
      alternatives: s.list(Would(), 10).openapi({
        description: 'What may be chosen instead of those it asks about, each as though it were done alone now',
      }),
      evidence: s.list(RunEvidence(), 500),
      cost: z.strictObject({
        model: z.string().max(100).nullable(),
        mostMicros: s.int(0, Number.MAX_SAFE_INTEGER).openapi({ description: 'What the model may cost at most' }),
        spentMicros: s.int(0, Number.MAX_SAFE_INTEGER),
      }),
      replay: Replay(),
    })
    .openapi('SimulatedRun'),
)
export type Simulated = z.infer<ReturnType<typeof Simulated>>
