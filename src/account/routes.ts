import { z } from '@hono/zod-openapi'
import { answer, createApp, etag, personRoute, publicRoute, s, versioned } from '#core'
import { Me } from '#users'
import { cancelDeletion, getReceipt, scheduleDeletion } from './erase.ts'
import { Deletion, Receipt } from './schema.ts'

const tags = ['Me']

const deleteRoute = personRoute({
  method: 'delete',
  path: '/me',
  operationId: 'deleteMe',
  summary: 'Have this person and everything of theirs erased after the grace',
  description:
    'Needs a sign-in of the last five minutes. Nothing ends before the day; asked again, the first day stands.',
  tags,
  responses: { 202: answer(Deletion, 'Scheduled; a mail says so') },
})
const restoreRoute = personRoute({
  method: 'post',
  path: '/me/restore',
  operationId: 'restoreMe',
  summary: 'Stay: take back what DELETE /v1/me asked for',
  tags,
  responses: { 200: versioned(Me, 'The person, who stays') },
})
const receiptRoute = publicRoute(
  {
    method: 'get',
    path: '/erasure-receipts/{id}',
    operationId: 'getErasureReceipt',
    summary: 'That somebody was erased, signed',
    tags,
    request: { params: z.strictObject({ id: s.id('era') }) },
    responses: { 200: answer(Receipt, 'Who has the id of the person can tell that it is theirs; nobody else can') },
  },
  { problems: [503, 504] },
)

export const accountApp = createApp()
  .openapi(deleteRoute, async (c) => c.json(await scheduleDeletion(c.var.ctx), 202))
  .openapi(restoreRoute, async (c) => {
    const me = await cancelDeletion(c.var.ctx)
    return c.json(me, 200, etag(me.version))
  })
  .openapi(receiptRoute, async (c) => c.json(await getReceipt(c.var.ctx, c.req.valid('param').id), 200))
