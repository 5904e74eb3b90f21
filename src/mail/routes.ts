import { z } from '@hono/zod-openapi'
import { answer, createApp, etag, personRoute, s, versioned } from '#core'
import * as drafts from './drafts.ts'
import { MailDraft, MailDraftPage } from './schema.ts'

const tags = ['Mail']
const draftId = z.strictObject({ id: s.id('mdr') })

const listRoute = personRoute({
  method: 'get',
  path: '/mail/drafts',
  operationId: 'listMailDrafts',
  summary: 'Mail that was written, newest first; `sentAt` where it was sent',
  tags,
  request: { query: z.strictObject({ limit: s.limit, cursor: s.cursor }) },
  responses: { 200: answer(MailDraftPage, 'A page') },
})
const getRoute = personRoute({
  method: 'get',
  path: '/mail/drafts/{id}',
  operationId: 'getMailDraft',
  summary: 'One draft',
  tags,
  request: { params: draftId },
  responses: { 200: versioned(MailDraft, 'The draft') },
})

/** Drafts to read; writing, discarding and sending them are effects. */
export const app = createApp()
  .openapi(listRoute, async (c) => c.json(await drafts.listDrafts(c.var.ctx, c.req.valid('query')), 200))
  .openapi(getRoute, async (c) => {
    const draft = await drafts.getDraft(c.var.ctx, c.req.valid('param').id)
    return c.json(draft, 200, etag(draft.version))
  })
