import { answer, createApp, personRoute } from '#core'
import { listAudit, verifyAudit } from './audit.ts'
import { AuditPage, AuditQuery, Verdict, VerifyQuery } from './schema.ts'

const tags = ['Audit']

const listRoute = personRoute({
  method: 'get',
  path: '/audit',
  operationId: 'listAudit',
  summary: 'What was done to what is yours, by whom and from where',
  description:
    'Every change and every refusal, newest first; also what was done by a key, by the assistant and by support.',
  tags,
  request: { query: AuditQuery },
  responses: { 200: answer(AuditPage, 'A page, newest first') },
})
const verifyRoute = personRoute({
  method: 'get',
  path: '/audit/verify',
  operationId: 'verifyAudit',
  summary: 'Check that nothing of the audit was changed or left out',
  tags,
  request: { query: VerifyQuery },
  responses: { 200: answer(Verdict, 'What was found') },
})

export const app = createApp()
  .openapi(listRoute, async (c) => c.json(await listAudit(c.var.ctx, c.req.valid('query')), 200))
  .openapi(verifyRoute, async (c) => c.json(await verifyAudit(c.var.ctx, c.req.valid('query').head), 200))
