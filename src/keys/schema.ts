import { z } from '@hono/zod-openapi'
import { SCOPES } from '#auth'
import { s } from '#core'
import { isNetwork } from '#security'

const MAX_NETWORKS = 32
const MAX_GRACE_S = 86_400

const scope = z.enum(SCOPES)
const scopes = s
  .list(scope, SCOPES.length, 1)
  .refine((given) => new Set(given).size === given.length, 'must not say a scope twice')
const network = z
  .string()
  .max(50)
  .refine(isNetwork, 'must be an IP address or a network in CIDR notation')
  .openapi({ example: '192.0.2.0/24' })
const ipAllow = s.list(network, MAX_NETWORKS).openapi({ description: 'Where it may be used from; empty: anywhere' })
const ratePerMinute = s.int(1, 10_000).nullable().openapi({ description: 'Beside the limits of its person' })
const MAX_BUDGET_MICROS = 1_000_000_000_000
const budget = s.int(0, MAX_BUDGET_MICROS).nullable().openapi({
  description: 'What it may spend on AI, in micro-dollars, beside the budget of its person; null: as they may',
})
const expiresAt = s.instant.nullable()

export const ApiKey = s.later(() =>
  z
    .strictObject({
      id: s.id('key'),
      name: z.string().max(100),
      prefix: z.string().max(30).openapi({ description: 'How the key begins; no secret' }),
      scopes: s.list(scope, SCOPES.length),
      ipAllow,
      ratePerMinute,
      budgetMicrosPerDay: budget,
      budgetMicrosPerMonth: budget,
      expiresAt,
      lastUsedAt: s.instant.nullable().openapi({ description: 'To the minute' }),
      rotatedAt: s.instant.nullable(),
      graceUntil: s.instant.nullable().openapi({ description: 'Until when the secret before the last rotation works' }),
      version: s.int(1, 2_147_483_647),
      createdAt: s.instant,
      updatedAt: s.instant,
    })
    .openapi('ApiKey'),
)
export type ApiKey = z.infer<ReturnType<typeof ApiKey>>
const micros = s.int(0, Number.MAX_SAFE_INTEGER)
export const ApiKeyWithSpending = s.later(() =>
  z
    .strictObject({
      ...ApiKey().shape,
      spent: z
        .strictObject({ dayMicros: micros, monthMicros: micros })
        .openapi({ description: 'On AI, in this UTC day and month, in micro-dollars' }),
    })
    .openapi('ApiKeyWithSpending'),
)
export type ApiKeyWithSpending = z.infer<ReturnType<typeof ApiKeyWithSpending>>
export const ApiKeyPage = s.later(() => s.pageOf(ApiKey()).openapi('ApiKeyPage'))

export const ApiKeyWithSecret = s.later(() =>
  z
    .strictObject({
      ...ApiKey().shape,
      secret: z.string().max(100).openapi({ description: 'The key itself: shown now and never again' }),
    })
    .openapi('ApiKeyWithSecret'),
)
export type ApiKeyWithSecret = z.infer<ReturnType<typeof ApiKeyWithSecret>>

export const NewApiKey = z
  .strictObject({
    name: s.line(100),
    scopes,
    ipAllow: ipAllow.default([]),
    ratePerMinute: ratePerMinute.default(null),
    budgetMicrosPerDay: budget.default(null),
    budgetMicrosPerMonth: budget.default(null),
    expiresAt: expiresAt.default(null),
  })
  .openapi('NewApiKey')
export type NewApiKey = z.infer<typeof NewApiKey>

export const ApiKeyPatch = z
  .strictObject({
    name: s.line(100).optional(),
    scopes: scopes.optional(),
    ipAllow: ipAllow.optional(),
    ratePerMinute: ratePerMinute.optional(),
    budgetMicrosPerDay: budget.optional(),
    budgetMicrosPerMonth: budget.optional(),
    expiresAt: expiresAt.optional(),
  })
  .openapi('ApiKeyPatch')
export type ApiKeyPatch = z.infer<typeof ApiKeyPatch>

export const Rotation = z
  .strictObject({
    graceSeconds: s
      .int(0, MAX_GRACE_S)
      .default(0)
      .openapi({ description: 'How long the secret before it still works; a day at most' }),
  })
  .openapi('ApiKeyRotation')
export type Rotation = z.infer<typeof Rotation>
