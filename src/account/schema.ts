import { z } from '@hono/zod-openapi'
import { s } from '#core'

export const Deletion = s.later(() =>
  z
    .strictObject({
      deletionAt: s.instant.openapi({ description: 'Until then it can be taken back' }),
      receiptId: s.id('era').openapi({ description: 'Under which the receipt is found afterwards' }),
    })
    .openapi('Deletion'),
)
export type Deletion = z.infer<ReturnType<typeof Deletion>>

export const Receipt = s.later(() =>
  z
    .strictObject({
      id: s.id('era'),
      receipt: z.string().max(4000).openapi({
        description:
          'A JWS by a key of /.well-known/jwks.json, type `erasure-receipt+jwt`: `subject_hash` (SHA-256 of the id of the person, base64url) and what each store held',
      }),
      erasedAt: s.instant,
    })
    .openapi('ErasureReceipt'),
)
export type Receipt = z.infer<ReturnType<typeof Receipt>>

export const DataExport = s.later(() =>
  z
    .strictObject({
      id: s.id('exp'),
      state: z.enum(['running', 'ready', 'failed']),
      sizeBytes: s.int(0, Number.MAX_SAFE_INTEGER).nullable(),
      createdAt: s.instant,
      readyAt: s.instant.nullable(),
      expiresAt: s.instant.nullable().openapi({ description: 'When the archive is deleted' }),
    })
    .openapi('DataExport'),
)
export type DataExport = z.infer<ReturnType<typeof DataExport>>
export const DataExportPage = s.later(() => s.pageOf(DataExport()).openapi('DataExportPage'))
