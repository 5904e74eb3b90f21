import { z } from 'zod'
import { answer, body, createApp, personRoute, s } from '#core'
import { Answer, Run, RunDetail, RunPage, RunQuery } from './run-schema.ts'
import { answerRun, cancelRun, getRun, listRuns, retryRun } from './runs.ts'
import { simulateWorkflow } from './simulate.ts'
import { Simulated, Simulation } from './simulate-schema.ts'

const tags = ['Runs']
const runId = z.strictObject({ id: s.id('run') })

const listRoute = personRoute({
  method: 'get',
  path: '/runs',
  operationId: 'listRuns',
  summary: 'What your workflows set out to do, newest first',
  tags,
  request: { query: RunQuery },
  responses: { 200: answer(RunPage, 'A page') },
})
const getRoute = personRoute({
  method: 'get',
  path: '/runs/{id}',
  operationId: 'getRun',
  summary: 'One run with its steps; live by the topic `run:<id>`',
  tags,
  request: { params: runId },
  responses: { 200: answer(RunDetail, 'The run') },
})
const cancelRoute = personRoute(
  {
    method: 'post',
    path: '/runs/{id}/cancel',
    operationId: 'cancelRun',
    summary: 'End a run where it stands; what it did stays until it is undone',
    tags,
    request: { params: runId },
    responses: { 200: answer(Run, 'Cancelled') },
  },
  { problems: [409] },
)
const retryRoute = personRoute(
  {
    method: 'post',
    path: '/runs/{id}/retry',
    operationId: 'retryRun',
    summary: 'Run the same again, for a run that failed, expired or was cancelled',
    tags,
    request: { params: runId },
    responses: { 200: answer(Run, 'The run that was made for it') },
  },
  { problems: [409] },
)
const answerRoute = personRoute(
  {
    method: 'post',
    path: '/runs/{id}/answer',
    operationId: 'answerRun',
    summary: 'Tell a run what it asked',
    tags,
    request: { params: runId, body: body(Answer) },
    responses: { 200: answer(RunDetail, 'The run, which goes on') },
  },
  { problems: [409] },
)

const simulateRoute = personRoute(
  {
    method: 'post',
    path: '/workflows/{id}/simulate',
    operationId: 'simulateWorkflow',
    summary: 'What it would do now, what that would cost, and how often it would have been set off; nothing is done',
    description: 'The same engine over a port that only writes down. Gates (limits, quiet hours) are not asked.',
    tags,
    request: { params: z.strictObject({ id: s.id('wfl') }), body: body(Simulation) },
    responses: { 200: answer(Simulated, 'What it would do') },
  },
  { limit: 'ai', problems: [429, 502] },
)

export const runsApp = createApp()
  .openapi(listRoute, async (c) => c.json(await listRuns(c.var.ctx, c.req.valid('query')), 200))
  .openapi(getRoute, async (c) => c.json(await getRun(c.var.ctx, c.req.valid('param').id), 200))
  .openapi(cancelRoute, async (c) => c.json(await cancelRun(c.var.ctx, c.req.valid('param').id), 200))
  .openapi(retryRoute, async (c) => c.json(await retryRun(c.var.ctx, c.req.valid('param').id), 200))
  .openapi(simulateRoute, async (c) =>
    c.json(await simulateWorkflow(c.var.ctx, c.req.valid('param').id, c.req.valid('json')), 200),
  )
  .openapi(answerRoute, async (c) =>
    c.json(await answerRun(c.var.ctx, c.req.valid('param').id, c.req.valid('json')), 200),
  )
