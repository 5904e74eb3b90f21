import { z } from '@hono/zod-openapi'
import { answer, body, createApp, created, etag, ifMatch, personRoute, publicRoute, s, versioned } from '#core'
import { makeHookSecret, runWorkflow, takeHook } from './ask.ts'
import { validateWorkflow } from './compile.ts'
import { definitionSchema } from './definition.ts'
import { getWorkflow, listWorkflows } from './read.ts'
import { templatesApp } from './template-routes.ts'
import { listVersions, workflowMetrics } from './versions.ts'
import {
  HookBody,
  HookSecret,
  HookTaken,
  MetricsQuery,
  NewWorkflow,
  Pause,
  RunAsk,
  RunAsked,
  Validated,
  Validation,
  VersionQuery,
  VersionUse,
  WorkflowMetrics,
  WorkflowPage,
  WorkflowPatch,
  WorkflowQuery,
  WorkflowVersionPage,
  WorkflowWhole,
} from './workflow-schema.ts'
import { createWorkflow, deleteWorkflow, setStatus, updateWorkflow, useVersion } from './workflows.ts'

const tags = ['Workflows']
const workflowId = z.strictObject({ id: s.id('wfl') })
const FAULTS = 'Every fault is told at once, each with its JSON Pointer.'

const schemaRoute = publicRoute({
  method: 'get',
  path: '/workflows/schema',
  operationId: 'getWorkflowSchema',
  summary: 'The JSON Schema of a definition',
  tags,
  responses: {
    200: answer(
      s.later(() => z.record(z.string(), z.unknown()).openapi('JsonSchema', { maxProperties: 100 })),
      'JSON Schema 2020-12',
    ),
  },
})
const listRoute = personRoute({
  method: 'get',
  path: '/workflows',
  operationId: 'listWorkflows',
  summary: 'Workflows, newest first',
  tags,
  request: { query: WorkflowQuery },
  responses: { 200: answer(WorkflowPage, 'A page') },
})
const createRoute = personRoute({
  method: 'post',
  path: '/workflows',
  operationId: 'createWorkflow',
  summary: 'Make a workflow',
  description: FAULTS,
  tags,
  request: { body: body(NewWorkflow()) },
  responses: { 201: created(WorkflowWhole, 'Made') },
})
const validateRoute = personRoute(
  {
    method: 'post',
    path: '/workflows/validate',
    operationId: 'validateWorkflow',
    summary: 'What would be wrong with a definition, and when it would run; nothing is kept',
    tags,
    request: { body: body(Validation()) },
    responses: { 200: answer(Validated, 'What was found') },
  },
  { idempotent: false },
)
const showRoute = personRoute({
  method: 'get',
  path: '/workflows/{id}',
  operationId: 'getWorkflow',
  summary: 'One workflow, its definition and when it is due next',
  tags,
  request: { params: workflowId },
  responses: { 200: versioned(WorkflowWhole, 'The workflow') },
})
const changeRoute = personRoute(
  {
    method: 'patch',
    path: '/workflows/{id}',
    operationId: 'updateWorkflow',
    summary: 'Change it; a definition becomes its next version',
    description: `${FAULTS} Runs that have begun keep the version they began with.`,
    tags,
    request: { params: workflowId, body: body(WorkflowPatch()) },
    responses: { 200: versioned(WorkflowWhole, 'Changed') },
  },
  { ifMatch: true },
)
const deleteRoute = personRoute({
  method: 'delete',
  path: '/workflows/{id}',
  operationId: 'deleteWorkflow',
  summary: 'Delete it; its runs stay for thirty days',
  tags,
  request: { params: workflowId },
  responses: { 204: { description: 'Gone' } },
})
const enableRoute = personRoute({
  method: 'post',
  path: '/workflows/{id}/enable',
  operationId: 'enableWorkflow',
  summary: 'Switch it on, also after a pause',
  tags,
  request: { params: workflowId },
  responses: { 200: versioned(WorkflowWhole, 'On') },
})
const disableRoute = personRoute({
  method: 'post',
  path: '/workflows/{id}/disable',
  operationId: 'disableWorkflow',
  summary: 'Switch it off',
  tags,
  request: { params: workflowId },
  responses: { 200: versioned(WorkflowWhole, 'Off') },
})
const pauseRoute = personRoute({
  method: 'post',
  path: '/workflows/{id}/pause',
  operationId: 'pauseWorkflow',
  summary: 'Pause it, until it is resumed or until then',
  tags,
  request: { params: workflowId, body: body(Pause) },
  responses: { 200: versioned(WorkflowWhole, 'Paused') },
})
const resumeRoute = personRoute({
  method: 'post',
  path: '/workflows/{id}/resume',
  operationId: 'resumeWorkflow',
  summary: 'End a pause; what was due meanwhile is not made up for',
  tags,
  request: { params: workflowId },
  responses: { 200: versioned(WorkflowWhole, 'On') },
})
const versionsRoute = personRoute({
  method: 'get',
  path: '/workflows/{id}/versions',
  operationId: 'listWorkflowVersions',
  summary: 'Every definition it ever had, newest first',
  tags,
  request: { params: workflowId, query: VersionQuery },
  responses: { 200: answer(WorkflowVersionPage, 'A page') },
})
const useRoute = personRoute({
  method: 'post',
  path: '/workflows/{id}/versions/use',
  operationId: 'useWorkflowVersion',
  summary: 'Let new runs take an earlier version again',
  tags,
  request: { params: workflowId, body: body(VersionUse) },
  responses: { 200: versioned(WorkflowWhole, 'In use') },
})
const metricsRoute = personRoute({
  method: 'get',
  path: '/workflows/{id}/metrics',
  operationId: 'getWorkflowMetrics',
  summary: 'What its runs came to: how many, how well, what they saved and cost',
  tags,
  request: { params: workflowId, query: MetricsQuery },
  responses: { 200: answer(WorkflowMetrics, 'Of the last days') },
})
const runRoute = personRoute({
  method: 'post',
  path: '/workflows/{id}/run',
  operationId: 'runWorkflow',
  summary: 'Run it now, also where it is off',
  tags,
  request: { params: workflowId, body: body(RunAsk) },
  responses: { 202: answer(RunAsked, 'It is asked for') },
})
const secretRoute = personRoute(
  {
    method: 'post',
    path: '/workflows/{id}/hook-secret',
    operationId: 'makeWorkflowHookSecret',
    summary: 'A new secret for the address of its webhook, shown once',
    description: 'The secret before it no longer opens the address.',
    tags,
    request: { params: workflowId },
    responses: { 200: answer(HookSecret, 'The address and its secret') },
  },
  // A stored answer would hand the secret out again.
  { idempotent: false },
)
const hookRoute = publicRoute(
  {
    method: 'post',
    path: '/hooks/{id}',
    operationId: 'callHook',
    summary: 'Say that something happened: sets the workflow of this address off',
    description: 'Signed by Standard Webhooks 1.0 within five minutes; the same `webhook-id` again is the same call.',
    tags,
    request: { params: z.strictObject({ id: s.id('trg') }), body: body(HookBody) },
    responses: { 202: answer(HookTaken, 'Taken') },
  },
  { problems: [401, 503] },
)

// Paths that are words stand before those that are ids.
export const app = createApp()
  .route('/', templatesApp)
  .openapi(schemaRoute, (c) => c.json(definitionSchema(), 200))
  .openapi(listRoute, async (c) => c.json(await listWorkflows(c.var.ctx, c.req.valid('query')), 200))
  .openapi(createRoute, async (c) => {
    const made = await createWorkflow(c.var.ctx, c.req.valid('json'))
    return c.json(made, 201, { ...etag(made.version), Location: `/v1/workflows/${made.id}` })
  })
  .openapi(validateRoute, async (c) => c.json(await validateWorkflow(c.var.ctx, c.req.valid('json')), 200))
  .openapi(showRoute, async (c) => {
    const found = await getWorkflow(c.var.ctx, c.req.valid('param').id)
    return c.json(found, 200, etag(found.version))
  })
  .openapi(changeRoute, async (c) => {
    const { id } = c.req.valid('param')
    const changed = await ifMatch(c, (version) => updateWorkflow(c.var.ctx, id, c.req.valid('json'), version))
    return c.json(changed, 200, etag(changed.version))
  })
  .openapi(deleteRoute, async (c) => {
    await deleteWorkflow(c.var.ctx, c.req.valid('param').id)
    return c.body(null, 204)
  })
  .openapi(enableRoute, async (c) => {
    const changed = await setStatus(c.var.ctx, c.req.valid('param').id, { status: 'enabled' })
    return c.json(changed, 200, etag(changed.version))
  })
  .openapi(disableRoute, async (c) => {
    const changed = await setStatus(c.var.ctx, c.req.valid('param').id, { status: 'disabled' })
    return c.json(changed, 200, etag(changed.version))
  })
  .openapi(pauseRoute, async (c) => {
    const { until } = c.req.valid('json')
    const changed = await setStatus(c.var.ctx, c.req.valid('param').id, { status: 'paused', until })
    return c.json(changed, 200, etag(changed.version))
  })
  .openapi(resumeRoute, async (c) => {
    const changed = await setStatus(c.var.ctx, c.req.valid('param').id, { status: 'enabled' })
    return c.json(changed, 200, etag(changed.version))
  })
  .openapi(versionsRoute, async (c) =>
    c.json(await listVersions(c.var.ctx, c.req.valid('param').id, c.req.valid('query')), 200),
  )
  .openapi(useRoute, async (c) => {
    const { ctx } = c.var
    const changed = await useVersion(ctx, c.req.valid('param').id, c.req.valid('json').version)
    return c.json(changed, 200, etag(changed.version))
  })
  .openapi(metricsRoute, async (c) =>
    c.json(await workflowMetrics(c.var.ctx, c.req.valid('param').id, c.req.valid('query').days), 200),
  )
  .openapi(runRoute, async (c) => {
    const asked = await runWorkflow(c.var.ctx, c.req.valid('param').id, c.req.valid('json').data)
    return c.json(asked, 202)
  })
  .openapi(secretRoute, async (c) => c.json(await makeHookSecret(c.var.ctx, c.req.valid('param').id), 200))
  .openapi(hookRoute, async (c) => {
    const { id } = c.req.valid('param')
    const hook = { id, headers: c.req.header(), text: await c.req.text(), data: c.req.valid('json') }
    return c.json(await takeHook(c.var.ctx, hook), 202)
  })

export { runsApp } from './routes-runs.ts'
