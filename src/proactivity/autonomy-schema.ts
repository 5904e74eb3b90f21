import { z } from 'zod'
import { s } from '#core'
import { kindName } from './schema.ts'

export const Autonomy = z.enum(['never', 'ask', 'act_and_tell', 'act_silently']).openapi('Autonomy')
export type Autonomy = z.infer<typeof Autonomy>

const rule = {
  kind: z.union([kindName, z.literal('*')]).openapi({ description: 'Of effect; `*`: every kind that stays inside' }),
  workflowId: z.string().max(40).nullable().openapi({ description: 'null: whatever asks' }),
  level: Autonomy,
}
const AutonomyRule = z.strictObject(rule).openapi('AutonomyRule')
export type AutonomyRule = z.infer<typeof AutonomyRule>
export const AutonomyRules = z
  .strictObject({
    rules: s
      .list(AutonomyRule, 500)
      .refine(
        (all) => new Set(all.map((one) => `${one.kind} ${one.workflowId}`)).size === all.length,
        'must not repeat',
      ),
  })
  .openapi('AutonomyRules')
export type AutonomyRules = z.infer<typeof AutonomyRules>
