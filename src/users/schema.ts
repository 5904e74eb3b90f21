import { z } from '@hono/zod-openapi'
import { s } from '#core'

const clock = z
  .string()
  .max(5)
  .regex(/^([01]\d|2[0-3]):[0-5]\d$/)
  .openapi({ example: '22:00' })

const QuietHours = z.strictObject({ from: clock, to: clock }).openapi('QuietHours')
const WorkingHours = z
  .strictObject({
    from: clock,
    to: clock,
    days: s.list(s.int(1, 7), 7, 1).openapi({ description: 'ISO weekdays, Monday is 1' }),
  })
  .openapi('WorkingHours')
const Voice = z
  .strictObject({
    voiceId: s.line(100).optional(),
    speed: z.number().min(0.5).max(2).optional(),
    pitch: z.number().min(-12).max(12).optional(),
    language: s.line(35).optional(),
    input: z.enum(['text', 'voice']).optional(),
  })
  .openapi('Voice')

function isLocale(value: string): boolean {
  try {
    return Intl.getCanonicalLocales(value).length === 1
  } catch {
    return false
  }
}
export const locale = z
  .string()
  .min(2)
  .max(35)
  .refine(isLocale, 'must be a BCP 47 locale')
  .openapi({ example: 'en-US' })

export const Preferences = z
  .strictObject({
    timeZone: s.timeZone,
    locale,
    quietHours: z.union([QuietHours, z.null()]),
    workingHours: z.union([WorkingHours, z.null()]),
    voice: Voice,
  })
  .openapi('Preferences')
export type Preferences = z.infer<typeof Preferences>

export const PreferencesPatch = Preferences.partial().openapi('PreferencesPatch')
export type PreferencesPatch = z.infer<typeof PreferencesPatch>

export const email = z
  .email()
  .max(254)
  .refine(s.isStorable, 'must be well-formed')
  .openapi({ example: 'sam@example.com' })

export const Me = s.later(() =>
  z
    .strictObject({
      id: s.id('usr'),
      email: z.string().max(254),
      emailVerified: z.boolean(),
      displayName: z.string().max(100),
      preferences: Preferences,
      deletionAt: s.instant.nullable().openapi({ description: 'When everything of theirs will be erased' }),
      version: s.int(1, 2_147_483_647),
      createdAt: s.instant,
      updatedAt: s.instant,
    })
    .openapi('Me'),
)
export type Me = z.infer<ReturnType<typeof Me>>

export const MePatch = z
  .strictObject({ displayName: s.line(100).optional(), preferences: PreferencesPatch.optional() })
  .openapi('MePatch')
export type MePatch = z.infer<typeof MePatch>
