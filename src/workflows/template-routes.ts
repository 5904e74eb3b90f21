import { answer, body, createApp, created, etag, personRoute } from '#core'
import { listTemplates, useTemplate } from './templates.ts'
import { NewFromTemplate, TemplatePage, TemplateQuery, Workflow } from './workflow-schema.ts'

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
  responses: { 201: created(Workflow, 'Made') },
})

export const templatesApp = createApp()
  .openapi(listRoute, async (c) => c.json(await listTemplates(c.var.ctx, c.req.valid('query')), 200))
  .openapi(useRoute, async (c) => {
    const made = await useTemplate(c.var.ctx, c.req.valid('json'))
    return c.json(made, 201, { ...etag(made.version), Location: `/v1/workflows/${made.id}` })
  })
