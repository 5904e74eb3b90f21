import { z } from '@hono/zod-openapi'
import { s } from '#core'

const value = s.later(() => z.unknown().openapi({ type: 'object', additionalProperties: true }))
const outcome = z.enum(['done', 'denied'])
const kinds = ['session', 'key', 'support', 'admin', 'service', 'system', 'anonymous', 'database'] as const

export const AuditRecord = s.later(() =>
  z
    .strictObject({
      userId: z.string().max(40),
      seq: s.int(1, Number.MAX_SAFE_INTEGER),
      at: s.instant,
      actor: z.strictObject({ kind: z.enum(kinds), id: z.string().max(64) }),
      action: z.string().max(200).openapi({ description: 'The operation of this document, the tool or the job' }),
      target: z.string().max(200).openapi({ description: 'The first of what was changed, or what was asked for' }),
      outcome,
      reason: z.string().max(100).openapi({ description: 'Why it was denied: the code of the problem' }),
      requestId: z.string().max(64),
      callId: z.string().max(100),
      address: z.string().max(100),
      agent: z.string().max(300),
      changes: value().openapi({ description: 'By column before and after; what is a secret or words is hidden' }),
      hash: z.string().max(64).openapi({ description: 'SHA-256 of this line and the hash before it' }),
    })
    .openapi('AuditRecord'),
)
export type AuditRecord = z.infer<ReturnType<typeof AuditRecord>>
export const AuditPage = s.later(() => s.pageOf(AuditRecord()).openapi('AuditPage'))

export const AuditQuery = z.strictObject({
  limit: s.limit,
  cursor: s.cursor,
  action: s.line(200).optional(),
  outcome: outcome.optional(),
  from: s.instant.optional(),
  to: s.instant.optional(),
})
export type AuditQuery = z.infer<typeof AuditQuery>

export const AdminAuditQuery = z.strictObject({
  ...AuditQuery.shape,
  person: z.union([s.id('usr'), z.literal('service')]).optional(),
  requestId: s.id('req').optional(),
})
export type AdminAuditQuery = z.infer<typeof AdminAuditQuery>

export const VerifyQuery = z.strictObject({
  head: z
    .string()
    .max(1000)
    .regex(/^[\w-]+\.[\w-]+\.[\w-]+$/)
    .optional()
    .openapi({ description: 'A head that was given before: the chain must go on from it' }),
})

export const Verdict = s.later(() =>
  z
    .strictObject({
      ok: z.boolean(),
      length: s.int(0, Number.MAX_SAFE_INTEGER),
      brokenAt: s
        .int(0, Number.MAX_SAFE_INTEGER)
        .nullable()
        .openapi({ description: 'The first line that is not as written' }),
      head: z
        .string()
        .max(1000)
        .nullable()
        .openapi({ description: 'A JWS over person, length and last hash; keep it, and give it to a later check' }),
    })
    .openapi('AuditVerdict'),
)
export type Verdict = z.infer<ReturnType<typeof Verdict>>
