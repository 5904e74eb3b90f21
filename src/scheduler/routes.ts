import { z } from '@hono/zod-openapi'
import { answer, body, createApp, created, etag, ifMatch, personRoute, s, versioned } from '#core'
import { type Carriers, requireDoable } from './carriers.ts'
import { runNow } from './due.ts'
import { listRuns, scheduleStatistics } from './runs.ts'
import {
  createSchedule,
  getSchedule,
  listSchedules,
  listTemplates,
  nextOf,
  previewTimes,
  updateSchedule,
} from './schedules.ts'
import {
  NewSchedule,
  NextQuery,
  NextTimes,
  Preview,
  RunQuery,
  Schedule,
  ScheduleBulk,
  ScheduleBulkResult,
  SchedulePage,
  SchedulePatch,
  ScheduleQuery,
  ScheduleRun,
  ScheduleRunPage,
  ScheduleStatistics,
  ScheduleTemplates,
  ScheduleWithNext,
} from './schema.ts'
import { deleteSchedule, pauseSchedule, resumeSchedule, switchSchedules } from './switch.ts'

const tags = ['Schedules']
const params = z.strictObject({ id: s.id('sch') })

const listRoute = personRoute({
  method: 'get',
  path: '/schedules',
  operationId: 'listSchedules',
  summary: 'What is to be done when, newest first',
  tags,
  request: { query: ScheduleQuery },
  responses: { 200: answer(SchedulePage, 'A page of schedules') },
})
const createScheduleRoute = personRoute({
  method: 'post',
  path: '/schedules',
  operationId: 'createSchedule',
  summary: 'Have something done at a time, or again and again',
  description:
    'By the clock on the wall of its zone, `every` by minutes. A time that a change of the clocks leaves out is taken after it, of two the first.',
  tags,
  request: { body: body(NewSchedule) },
  responses: { 201: created(ScheduleWithNext, 'The schedule with its next five times') },
})
const templatesRoute = personRoute({
  method: 'get',
  path: '/schedules/templates',
  operationId: 'listScheduleTemplates',
  summary: 'Schedules that are ready to be made',
  tags,
  responses: { 200: answer(ScheduleTemplates, 'All of them') },
})
const statisticsRoute = personRoute({
  method: 'get',
  path: '/schedules/statistics',
  operationId: 'getScheduleStatistics',
  summary: 'How schedules stand, and how their runs went',
  tags,
  responses: { 200: answer(ScheduleStatistics, 'The numbers') },
})
const previewRoute = personRoute({
  method: 'post',
  path: '/schedules/preview',
  operationId: 'previewSchedule',
  summary: 'The next times of what is not yet a schedule',
  tags,
  request: { body: body(Preview) },
  responses: { 200: answer(NextTimes, 'The times; none: it falls on none to come') },
})
const bulkRoute = personRoute(
  {
    method: 'post',
    path: '/schedules/bulk',
    operationId: 'bulkSchedules',
    summary: 'Pause, resume or delete many, all or none',
    tags,
    request: { body: body(ScheduleBulk) },
    responses: { 200: answer(ScheduleBulkResult, 'All of them') },
  },
  { problems: [404] },
)
const getRoute = personRoute({
  method: 'get',
  path: '/schedules/{id}',
  operationId: 'getSchedule',
  summary: 'One schedule',
  tags,
  request: { params },
  responses: { 200: versioned(ScheduleWithNext, 'The schedule with its next five times') },
})
const updateRoute = personRoute(
  {
    method: 'patch',
    path: '/schedules/{id}',
    operationId: 'updateSchedule',
    summary: 'Change it; another `when` begins anew from now',
    tags,
    request: { params, body: body(SchedulePatch) },
    responses: { 200: versioned(ScheduleWithNext, 'The schedule with its next five times') },
  },
  { ifMatch: true },
)
const deleteRoute = personRoute({
  method: 'delete',
  path: '/schedules/{id}',
  operationId: 'deleteSchedule',
  summary: 'Delete it with its runs',
  tags,
  request: { params },
  responses: { 204: { description: 'Gone' } },
})
const pauseRoute = personRoute({
  method: 'post',
  path: '/schedules/{id}/pause',
  operationId: 'pauseSchedule',
  summary: 'Have it not be due until it is resumed',
  tags,
  request: { params },
  responses: { 200: versioned(Schedule, 'The schedule') },
})
const resumeRoute = personRoute({
  method: 'post',
  path: '/schedules/{id}/resume',
  operationId: 'resumeSchedule',
  summary: 'Go on with its next time from now',
  tags,
  request: { params },
  responses: { 200: versioned(Schedule, 'The schedule') },
})
const runRoute = personRoute({
  method: 'post',
  path: '/schedules/{id}/run',
  operationId: 'runSchedule',
  summary: 'Run it now; its next time stays',
  tags,
  request: { params },
  responses: { 202: answer(ScheduleRun, 'It is being run') },
})
const nextRoute = personRoute({
  method: 'get',
  path: '/schedules/{id}/next',
  operationId: 'listScheduleTimes',
  summary: 'Its next times',
  tags,
  request: { params, query: NextQuery },
  responses: { 200: answer(NextTimes, 'The times; none while it is paused') },
})
const runsRoute = personRoute({
  method: 'get',
  path: '/schedules/{id}/executions',
  operationId: 'listScheduleRuns',
  summary: 'Its runs of the last three months, newest first',
  tags,
  request: { params, query: RunQuery },
  responses: { 200: answer(ScheduleRunPage, 'A page of runs') },
})

/** `carriers`: who does what a schedule may be for, in the rooms above. */
export const schedulesApp = (carriers: Carriers) =>
  createApp()
    .openapi(listRoute, async (c) => c.json(await listSchedules(c.var.ctx, c.req.valid('query')), 200))
    .openapi(createScheduleRoute, async (c) => {
      const input = c.req.valid('json')
      await requireDoable(carriers, c.var.ctx, input.action)
      const made = await createSchedule(c.var.ctx, input)
      return c.json(made, 201, { ...etag(made.version), Location: `/v1/schedules/${made.id}` })
    })
    .openapi(templatesRoute, async (c) => c.json(await listTemplates(c.var.ctx), 200))
    .openapi(statisticsRoute, async (c) => c.json(await scheduleStatistics(c.var.ctx), 200))
    .openapi(previewRoute, async (c) => c.json(await previewTimes(c.var.ctx, c.req.valid('json')), 200))
    .openapi(bulkRoute, async (c) => c.json(await switchSchedules(c.var.ctx, c.req.valid('json')), 200))
    .openapi(getRoute, async (c) => {
      const found = await getSchedule(c.var.ctx, c.req.valid('param').id)
      return c.json(found, 200, etag(found.version))
    })
    .openapi(updateRoute, async (c) => {
      const patch = c.req.valid('json')
      await requireDoable(carriers, c.var.ctx, patch.action)
      const changed = await ifMatch(c, (version) => updateSchedule(c.var.ctx, c.req.valid('param').id, patch, version))
      return c.json(changed, 200, etag(changed.version))
    })
    .openapi(deleteRoute, async (c) => {
      await deleteSchedule(c.var.ctx, c.req.valid('param').id)
      return c.body(null, 204)
    })
    .openapi(pauseRoute, async (c) => {
      const paused = await pauseSchedule(c.var.ctx, c.req.valid('param').id)
      return c.json(paused, 200, etag(paused.version))
    })
    .openapi(resumeRoute, async (c) => {
      const resumed = await resumeSchedule(c.var.ctx, c.req.valid('param').id)
      return c.json(resumed, 200, etag(resumed.version))
    })
    .openapi(runRoute, async (c) => c.json(await runNow(c.var.ctx, c.req.valid('param').id), 202))
    .openapi(nextRoute, async (c) =>
      c.json(await nextOf(c.var.ctx, c.req.valid('param').id, c.req.valid('query')), 200),
    )
    .openapi(runsRoute, async (c) =>
      c.json(await listRuns(c.var.ctx, c.req.valid('param').id, c.req.valid('query')), 200),
    )
