import { z } from '@hono/zod-openapi'
import { answer, body, createApp, operatorRoute, s } from '#core'
import { recordLooks } from '#database'
import { listDeadLetters, redrive } from './dead-letters.ts'
import {
  getJob,
  listJobQueues,
  listJobs,
  pauseJobs,
  purgeJobs,
  redriveJobs,
  requireQueue,
  retryJob,
} from './job-admin.ts'
import {
  DeadLetterPage,
  Job,
  JobCount,
  JobPage,
  JobQuery,
  JobQueueList,
  JobQueuePatch,
  JobQueueState,
  JobSelection,
  JobWithHistory,
} from './schema.ts'

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

const job = z.strictObject({ id: s.id('job') })
const queue = z.strictObject({ queue: z.string().min(1).max(64) })

const queuesRoute = operatorRoute({
  method: 'get',
  path: '/admin/queues',
  operationId: 'listJobQueues',
  summary: 'How deep each queue of jobs is, how old what waits there, what failed',
  tags,
  responses: { 200: answer(JobQueueList, 'Each queue') },
})
const pauseRoute = operatorRoute({
  method: 'patch',
  path: '/admin/queues/{queue}',
  operationId: 'pauseJobQueue',
  summary: 'Pause a queue of jobs, or let it go on',
  description: 'What runs ends; from then on nothing is begun until it goes on.',
  tags,
  request: { params: queue, body: body(JobQueuePatch) },
  responses: { 200: answer(JobQueueState, 'How the queue stands') },
})
const redriveAllRoute = operatorRoute({
  method: 'post',
  path: '/admin/queues/{queue}/redrive',
  operationId: 'redriveJobs',
  summary: 'Let dead jobs be tried again, the oldest thousand, of one kind or all',
  tags,
  request: { params: queue, body: body(JobSelection) },
  responses: { 202: answer(JobCount, 'How many; call again until it is none') },
})
const purgeRoute = operatorRoute({
  method: 'post',
  path: '/admin/queues/{queue}/purge',
  operationId: 'purgeJobs',
  summary: 'Cancel jobs that wait, the oldest thousand, of one kind or all',
  tags,
  request: { params: queue, body: body(JobSelection) },
  responses: { 200: answer(JobCount, 'How many; call again until it is none') },
})
const jobsRoute = operatorRoute({
  method: 'get',
  path: '/admin/jobs',
  operationId: 'listJobs',
  summary: 'Jobs, by queue, state, kind and person',
  description:
    'What has ended is kept for a week; what died or was set aside for a month. The look is told to the person, in their audit.',
  tags,
  request: { query: JobQuery },
  responses: { 200: answer(JobPage, 'A page, newest first') },
})
const jobRoute = operatorRoute({
  method: 'get',
  path: '/admin/jobs/{id}',
  operationId: 'getJob',
  summary: 'One job, and what came of each attempt',
  description: 'The look is told to the person, in their audit.',
  tags,
  request: { params: job },
  responses: { 200: answer(JobWithHistory, 'The job') },
})
const retryRoute = operatorRoute(
  {
    method: 'post',
    path: '/admin/jobs/{id}/retry',
    operationId: 'retryJob',
    summary: 'Try a job again at once: one that waits, died, was set aside or cancelled',
    tags,
    request: { params: job },
    responses: { 202: answer(Job, 'The job, waiting') },
  },
  { problems: [409] },
)

export const app = createApp()
  .openapi(listRoute, async (c) => c.json(await listDeadLetters(c.var.ctx, c.req.valid('query')), 200))
  .openapi(redriveRoute, async (c) => {
    await redrive(c.var.ctx, c.req.valid('param').id)
    return c.body(null, 202)
  })
  .openapi(queuesRoute, async (c) => c.json({ items: await listJobQueues(c.var.ctx) }, 200))
  .openapi(pauseRoute, async (c) => {
    const target = requireQueue(c.req.valid('param').queue)
    const { paused } = c.req.valid('json')
    return c.json(await pauseJobs(c.var.ctx, target, paused), 200)
  })
  .openapi(redriveAllRoute, async (c) => {
    const target = requireQueue(c.req.valid('param').queue)
    const jobs = await redriveJobs(c.var.ctx, target, c.req.valid('json'))
    return c.json({ jobs }, 202)
  })
  .openapi(purgeRoute, async (c) => {
    const target = requireQueue(c.req.valid('param').queue)
    const jobs = await purgeJobs(c.var.ctx, target, c.req.valid('json'))
    return c.json({ jobs }, 200)
  })
  .openapi(jobsRoute, async (c) => {
    const page = await listJobs(c.var.ctx, c.req.valid('query'))
    await recordLooks(
      c.var.ctx,
      page.items.flatMap(({ userId }) => userId ?? []),
    )
    return c.json(page, 200)
  })
  .openapi(jobRoute, async (c) => {
    const found = await getJob(c.var.ctx, c.req.valid('param').id)
    if (found.userId !== null) await recordLooks(c.var.ctx, [found.userId], found.id)
    return c.json(found, 200)
  })
  .openapi(retryRoute, async (c) => c.json(await retryJob(c.var.ctx, c.req.valid('param').id), 202))
