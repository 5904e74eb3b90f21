import { z } from '@hono/zod-openapi'
import { s } from '#core'

const MemoryKind = z.enum(['fact', 'preference', 'person'])
export const Memory = s.later(() =>
  z
    .strictObject({
      id: s.id('mem'),
      kind: MemoryKind,
      text: z.string().max(1000),
      sourceMessageId: s.id('msg').nullable(),
      tainted: s.tainted,
      version: s.int(1, 2_147_483_647),
      createdAt: s.instant,
      updatedAt: s.instant,
    })
    .openapi('Memory'),
)
export type Memory = z.infer<ReturnType<typeof Memory>>
export const MemoryPage = s.later(() => s.pageOf(Memory()).openapi('MemoryPage'))
export const NewMemory = z
  .strictObject({ text: s.text(1000, 1), kind: MemoryKind.default('fact') })
  .openapi('NewMemory')
export type NewMemory = z.infer<typeof NewMemory>
export const MemoryPatch = z
  .strictObject({ text: s.text(1000, 1).optional(), kind: MemoryKind.optional() })
  .openapi('MemoryPatch')
export type MemoryPatch = z.infer<typeof MemoryPatch>
