import { z } from '@hono/zod-openapi'
import { s } from '#core'

const MAX_TO = 10
const address = z.email().max(254)

export const MailDraft = s.later(() =>
  z
    .strictObject({
      id: s.id('mdr'),
      to: s.list(z.string().max(254), MAX_TO),
      subject: z.string().max(200),
      text: z.string().max(20_000),
      sentAt: s.instant.nullable(),
      version: s.int(1, 2_147_483_647),
      createdAt: s.instant,
      updatedAt: s.instant,
    })
    .openapi('MailDraft'),
)
export type MailDraft = z.infer<ReturnType<typeof MailDraft>>
export const MailDraftPage = s.later(() => s.pageOf(MailDraft()).openapi('MailDraftPage'))

export const NewMail = z.strictObject({
  to: s.list(address, MAX_TO, 1),
  subject: s.line(200),
  text: s.text(20_000, 1).regex(/\S/, 'must say something'),
})
export type NewMail = z.infer<typeof NewMail>
