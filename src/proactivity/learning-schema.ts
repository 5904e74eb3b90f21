import { z } from 'zod'
import { s } from '#core'
import { kindName } from './schema.ts'

const part = z.enum(['night', 'morning', 'afternoon', 'evening']).nullable()
const week = z.enum(['weekday', 'weekend']).nullable()
const decisions = z.number().min(0).max(1_000_000)

const Belief = s.later(() =>
  z
    .strictObject({
      kind: kindName,
      part: part.openapi({ description: 'Of the day; null: all of it' }),
      week: week.openapi({ description: 'null: the whole week' }),
      says: z.string().max(300).openapi({ example: 'you dismiss finance ideas on weekends' }),
      yes: decisions.openapi({ description: 'Decisions for it, the older the less they count' }),
      no: decisions,
      expected: z.number().min(0).max(1).openapi({ description: 'The share that is expected to be taken' }),
      state: z.enum(['learned', 'muted', 'pinned']),
    })
    .openapi('Belief'),
)
export const Learning = s.later(() => z.strictObject({ items: s.list(Belief(), 2000) }).openapi('Learning'))
export type Learning = z.infer<ReturnType<typeof Learning>>

const LearningEdit = z
  .strictObject({
    kind: kindName,
    part: part.optional(),
    week: week.optional(),
    set: z.enum(['pin', 'mute', 'forget']).openapi({
      description: '`pin`: always offered; `mute`: never; `forget`: what was said and learned of it is forgotten',
    }),
  })
  .openapi('LearningEdit')
export const LearningPatch = z.strictObject({ edits: s.list(LearningEdit, 100, 1) }).openapi('LearningPatch')
export type LearningPatch = z.infer<typeof LearningPatch>
