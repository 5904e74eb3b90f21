import { z } from 'zod'
import { recurrenceProblem, s } from '#core'

const MAX_VERSION = 2_147_483_647
export const MAX_ITEMS = 100

/** Files of rooms that take their items one by one. */
export const RoomFile = z.enum([
  'schedules',
  'workflows',
  'workflow-versions',
  'commitments',
  'suggestions',
  'suggestion-decisions',
])
export type RoomFile = z.infer<typeof RoomFile>

const version = s.int(1, MAX_VERSION)
export const count = s.int(0, MAX_VERSION)
export const at = s.instant.nullable()
export const position = z.number().min(-1e15).max(1e15)
// The id of what was exported: it names nothing that is here.
export const oldId = (prefix: string) =>
  z
    .string()
    .max(40)
    .regex(new RegExp(`^(?:${prefix})_[0-9a-hjkmnp-tv-z]{26}$`))
    .openapi({ example: `${prefix}_01jd6w3k9q0123456789abcdef` })
/** Of one of many that belong to one: `wfl_....3`. */
export const oldIdOf = (prefix: string) =>
  z
    .string()
    .max(50)
    .regex(new RegExp(`^${prefix}_[0-9a-hjkmnp-tv-z]{26}\\.\\d{1,10}$`))
export const userId = oldId('usr')
export const time = z
  .string()
  .max(8)
  .regex(/^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?$/)
  .nullable()
export const date = s.localDate.nullable()
export const zone = s.timeZone.nullable()
export const kept = { userId, version, createdAt: s.instant, updatedAt: s.instant }
export const line = (max: number) => s.line(max).nullable()
export const rule = z
  .string()
  .max(500)
  .refine((rule) => recurrenceProblem(rule) === undefined, 'must be a rule')
  .nullable()
