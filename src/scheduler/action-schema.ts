import { z } from 'zod'
import { s } from '#core'

const MAX_INPUT_CHARS = 20_000
const input = s.payload(MAX_INPUT_CHARS)

const Notify = z.strictObject({
  kind: z.literal('notify'),
  title: s.line(300),
  body: s.text(500).default(''),
  priority: z.enum(['low', 'medium', 'high', 'urgent']).default('medium'),
})
const RunWorkflow = z.strictObject({
  kind: z.literal('run_workflow'),
  workflowId: s.id('wfl'),
  input: input.default({}).openapi({ description: 'What its expressions read as `trigger.data`' }),
})
const AskAssistant = z.strictObject({
  kind: z.literal('ask_assistant'),
  text: s
    .text(4000, 1)
    .openapi({ description: 'Said in the name of the person; the allowance for background work pays' }),
  conversationId: s
    .id('cnv')
    .optional()
    .openapi({ description: 'Where it is said; without one in a conversation of the schedule' }),
})
const Effect = z.strictObject({
  kind: z.literal('effect'),
  do: z
    .string()
    .max(60)
    .regex(/^[a-z][a-z0-9_]*$/, 'must be a kind of effect, create_task')
    .openapi({
      description: 'One of `GET /v1/effect-kinds`; what goes out is asked about first',
      example: 'create_task',
    }),
  input,
})

/** What is done when a schedule is due. */
export const ScheduleAction = z
  .discriminatedUnion('kind', [Notify, RunWorkflow, AskAssistant, Effect])
  .openapi('ScheduleAction')
export type ScheduleAction = z.infer<typeof ScheduleAction>

const ref = (prefix: string) => s.id(prefix)
/** What came of it, by the id of what was made. */
export const ScheduleOutcome = s.later(() =>
  z
    .discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('notification'), id: ref('ntf') }),
      z.strictObject({ kind: z.literal('run'), id: ref('run') }),
      z.strictObject({
        kind: z.literal('effect'),
        id: ref('eff'),
        evidence: z.strictObject({ id: z.string().max(200).nullable(), provider: z.string().max(200).nullable() }),
      }),
      z.strictObject({ kind: z.literal('suggestion'), id: ref('sug') }),
      z.strictObject({ kind: z.literal('answer'), conversationId: ref('cnv'), messageId: ref('msg') }),
      z.strictObject({ kind: z.literal('failure'), code: z.string().max(60), detail: z.string().max(500) }),
    ])
    .openapi('ScheduleOutcome'),
)
export type ScheduleOutcome = z.infer<ReturnType<typeof ScheduleOutcome>>
