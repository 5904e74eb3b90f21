import { z } from '@hono/zod-openapi'
import { answer, createApp, operatorRoute, s } from '#core'
import { listDeadLetters, redrive } from './dead-letters.ts'
import { DeadLetterPage } from './schema.ts'

const tags = ['Operations']
const letterId = z.strictObject({ id: z.string().min(1).max(120) })

const listRoute = operatorRoute({
  method: 'get',
  path: '/admin/dead-letters',
  operationId: 'listDeadLetters',
  summary: 'Messages that failed every attempt and were not sent again',
  tags,
  request: { query: z.strictObject({ limit: s.limit, cursor: s.cursor }) },
  responses: { 200: answer(DeadLetterPage, 'A page, oldest first') },
})
const redriveRoute = operatorRoute(
  {
    method: 'post',
    path: '/admin/dead-letters/{id}/redrive',
    operationId: 'redriveDeadLetter',
    summary: 'Send a dead letter again',
    tags,
    request: { params: letterId },
    responses: { 202: { description: 'On its way' } },
  },
  { problems: [410] },
)

export const app = createApp()
  .openapi(listRoute, async (c) => c.json(await listDeadLetters(c.var.ctx, c.req.valid('query')), 200))
  .openapi(redriveRoute, async (c) => {
    await redrive(c.var.ctx, c.req.valid('param').id)
    return c.body(null, 202)
  })
