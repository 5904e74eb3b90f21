import { z } from '@hono/zod-openapi'
import { s } from '#core'
import { email } from '#users'

const role = z.enum(['person', 'support', 'admin'])
const count = s.int(0, 2_147_483_647)

/** What is known of somebody without what they wrote. */
export const Account = s.later(() =>
  z
    .strictObject({
      id: s.id('usr'),
      email: z.string().max(254),
      role,
      disabledAt: s.instant.nullable(),
      emailVerifiedAt: s.instant.nullable(),
      lastSeenAt: s.instant.nullable(),
      counts: z.strictObject({
        sessions: count,
        apiKeys: count,
        tasks: count,
        projects: count,
        memories: count,
        conversations: count,
      }),
      version: s.int(1, 2_147_483_647),
      createdAt: s.instant,
    })
    .openapi('Account'),
)
export type Account = z.infer<ReturnType<typeof Account>>
export const AccountPage = s.later(() => s.pageOf(Account()).openapi('AccountPage'))

export const AccountWithPlan = s.later(() =>
  z.strictObject({ ...Account().shape, plan: z.string().max(50) }).openapi('AccountWithPlan'),
)

export const AccountQuery = z.strictObject({ limit: s.limit, cursor: s.cursor, email: email.optional() })
export type AccountQuery = z.infer<typeof AccountQuery>

export const AccountPatch = z
  .strictObject({ disabled: z.boolean().optional(), role: role.optional() })
  .openapi('AccountPatch')
export type AccountPatch = z.infer<typeof AccountPatch>

export const Flag = s.later(() =>
  z
    .strictObject({
      name: z.string().max(64),
      enabled: z.boolean(),
      percent: s.int(0, 100),
      people: s.list(s.id('usr'), 1000),
      updatedAt: s.instant,
    })
    .openapi('FeatureFlag'),
)
export type Flag = z.infer<ReturnType<typeof Flag>>
export const FlagList = s.later(() => z.strictObject({ items: s.list(Flag(), 1000) }).openapi('FeatureFlagList'))

const flagName = z
  .string()
  .max(64)
  .regex(/^[a-z][a-z0-9_]*$/)
  .openapi({ example: 'new_briefing' })
export const FlagInput = z
  .strictObject({
    name: flagName,
    enabled: z.boolean(),
    percent: s.int(0, 100).default(100).openapi({ description: 'For how many of a hundred people it is on' }),
    people: s.list(s.id('usr'), 1000).default([]).openapi({ description: 'For whom it is on in any case' }),
  })
  .openapi('FeatureFlagInput')
export type FlagInput = z.infer<typeof FlagInput>

export const CronRun = s.later(() =>
  z
    .strictObject({
      job: z.string().max(64),
      startedAt: s.instant,
      durationMs: count,
      error: z.string().max(500).nullable(),
      failures: count.openapi({ description: 'In a row, to this one' }),
    })
    .openapi('CronRun'),
)
export type CronRun = z.infer<ReturnType<typeof CronRun>>
export const CronRunList = s.later(() => z.strictObject({ items: s.list(CronRun(), 100) }).openapi('CronRunList'))
