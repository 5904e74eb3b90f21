import { answer, body, createApp, created, etag, personRoute } from '#core'
import { draftWorkflow } from './draft.ts'
import { Draft, DraftAsk } from './draft-schema.ts'
import { listTemplates, useTemplate } from './templates.ts'
import { NewFromTemplate, TemplatePage, TemplateQuery, WorkflowWhole } from './workflow-schema.ts'

const tags = ['Workflows']

const listRoute = personRoute({
  method: 'get',
  path: '/workflows/templates',
  operationId: 'listWorkflowTemplates',
  summary: 'Workflows to begin from, what would suit you first',
  description: 'What needs a mailbox or a synchronised calendar is there once they are.',
  tags,
  request: { query: TemplateQuery },
  responses: { 200: answer(TemplatePage, 'All that fit') },
})
const useRoute = personRoute({
  method: 'post',
  path: '/workflows/templates',
  operationId: 'createWorkflowFromTemplate',
  summary: 'Make a workflow of a template',
  tags,
  request: { body: body(NewFromTemplate) },
  responses: { 201: created(WorkflowWhole, 'Made') },
})

const draftRoute = personRoute(
  {
    method: 'post',
    path: '/workflows/draft',
    operationId: 'draftWorkflow',
    summary: 'Draft a workflow from plain words; nothing is kept',
    description:
      'By a model where one is configured, which may correct itself twice: `Aurelius-*` headers name it, the cost of all its tries, and the decision of the last. Else, and where it fails, by rules: the headers then tell what was spent on it.',
    tags,
    request: { body: body(DraftAsk) },
    responses: { 200: answer(Draft, 'The draft, or what was not understood') },
  },
  { idempotent: false },
)

export const templatesApp = createApp()
  .openapi(draftRoute, async (c) => {
    const headers: Record<string, string> = {}
    const draft = await draftWorkflow(c.var.ctx, c.req.valid('json'), (told) => Object.assign(headers, told))
    return c.json(draft, 200, headers)
  })
  .openapi(listRoute, async (c) => c.json(await listTemplates(c.var.ctx, c.req.valid('query')), 200))
  .openapi(useRoute, async (c) => {
    const made = await useTemplate(c.var.ctx, c.req.valid('json'))
    return c.json(made, 201, { ...etag(made.version), Location: `/v1/workflows/${made.id}` })
  })
