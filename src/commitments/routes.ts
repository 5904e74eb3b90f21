import { z } from '@hono/zod-openapi'
import { answer, createApp, personRoute, s } from '#core'
import { endCommitment, listCommitments } from './commitment.ts'
import { Commitment, CommitmentPage, CommitmentQuery } from './schema.ts'

const tags = ['Suggestions']
const params = z.strictObject({ id: s.id('cmt') })

const list = personRoute({
  method: 'get',
  path: '/commitments',
  operationId: 'listCommitments',
  summary: 'What the person said they would do, newest first',
  tags,
  request: { query: CommitmentQuery },
  responses: { 200: answer(CommitmentPage, 'A page') },
})
const done = personRoute({
  method: 'post',
  path: '/commitments/{id}/done',
  operationId: 'finishCommitment',
  summary: 'It is done; what was offered for it is taken back',
  tags,
  request: { params },
  responses: { 200: answer(Commitment, 'Done') },
})
const drop = personRoute({
  method: 'post',
  path: '/commitments/{id}/drop',
  operationId: 'dropCommitment',
  summary: 'It was none, or is none any more; what was offered for it is taken back',
  tags,
  request: { params },
  responses: { 200: answer(Commitment, 'Dropped') },
})

export const app = createApp()
  .openapi(list, async (c) => c.json(await listCommitments(c.var.ctx, c.req.valid('query')), 200))
  .openapi(done, async (c) => c.json(await endCommitment(c.var.ctx, c.req.valid('param').id, 'done'), 200))
  .openapi(drop, async (c) => c.json(await endCommitment(c.var.ctx, c.req.valid('param').id, 'dropped'), 200))
