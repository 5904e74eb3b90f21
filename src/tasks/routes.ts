import { z } from '@hono/zod-openapi'
import { answer, body, createApp, created, etag, ifMatch, personRoute, s, versioned } from '#core'
import { deleteTask, restoreTask } from './bin.ts'
import { bulk } from './bulk.ts'
import { completeTask } from './complete.ts'
import { createTask } from './create.ts'
import { getInsights } from './insights.ts'
import { listTasks } from './list.ts'
import { createProject, deleteProject, getProject, listProjects, updateProject } from './projects.ts'
import { reopenTask } from './reopen.ts'
import {
  Bulk,
  BulkResult,
  Completion,
  NewProject,
  NewTask,
  Project,
  ProjectPage,
  ProjectPatch,
  ProjectQuery,
  Task,
  TaskInsights,
  TaskPage,
  TaskPatch,
  TaskQuery,
} from './schema.ts'
import { getTask } from './task.ts'
import { updateTask } from './update.ts'

const ofTask = { tags: ['Tasks'] }
const ofProject = { tags: ['Projects'] }
const taskId = z.strictObject({ id: s.id('task') })
const projectId = z.strictObject({ id: s.id('prj') })

const listTasksRoute = personRoute({
  method: 'get',
  path: '/tasks',
  operationId: 'listTasks',
  summary: 'Tasks that fit every filter',
  ...ofTask,
  request: { query: TaskQuery },
  responses: { 200: answer(TaskPage, 'A page of tasks') },
})
const createTaskRoute = personRoute({
  method: 'post',
  path: '/tasks',
  operationId: 'createTask',
  summary: 'Make a task',
  ...ofTask,
  request: { body: body(NewTask) },
  responses: { 201: created(Task, 'The task') },
})
const insightsRoute = personRoute({
  method: 'get',
  path: '/tasks/insights',
  operationId: 'getTaskInsights',
  summary: 'Overdue, due today, completed by week and hour, streak',
  ...ofTask,
  responses: { 200: answer(TaskInsights, 'Counted in the days and hours of the person') },
})
const bulkRoute = personRoute(
  {
    method: 'post',
    path: '/tasks/bulk',
    operationId: 'bulkTasks',
    summary: 'Create, update or complete up to 100 tasks',
    description: 'All or none: when one item cannot be done nothing is, and `errors` points at every such item.',
    ...ofTask,
    request: { body: body(Bulk) },
    responses: { 200: answer(BulkResult, 'A result for each item, in order') },
  },
  { problems: [404, 412] },
)
const getTaskRoute = personRoute({
  method: 'get',
  path: '/tasks/{id}',
  operationId: 'getTask',
  summary: 'One task',
  ...ofTask,
  request: { params: taskId },
  responses: { 200: versioned(Task, 'The task') },
})
const updateTaskRoute = personRoute(
  {
    method: 'patch',
    path: '/tasks/{id}',
    operationId: 'updateTask',
    summary: 'Change what is given; null empties a field',
    ...ofTask,
    request: { params: taskId, body: body(TaskPatch) },
    responses: { 200: versioned(Task, 'The task, changed') },
  },
  { ifMatch: true, problems: [409] },
)
const deleteTaskRoute = personRoute({
  method: 'delete',
  path: '/tasks/{id}',
  operationId: 'deleteTask',
  summary: 'Put a task and its subtasks into the bin',
  ...ofTask,
  request: { params: taskId },
  responses: { 204: { description: 'In the bin' } },
})
const completeTaskRoute = personRoute({
  method: 'post',
  path: '/tasks/{id}/complete',
  operationId: 'completeTask',
  summary: 'Complete a task; a recurring one gets its next occurrence',
  ...ofTask,
  request: { params: taskId },
  responses: { 200: answer(Completion, 'The task, and the next occurrence if there is one') },
})
const reopenTaskRoute = personRoute({
  method: 'post',
  path: '/tasks/{id}/reopen',
  operationId: 'reopenTask',
  summary: 'Open a completed or cancelled task again',
  description: 'Its next occurrence goes to the bin if nobody has touched it.',
  ...ofTask,
  request: { params: taskId },
  responses: { 200: versioned(Task, 'The task, pending') },
})
const restoreTaskRoute = personRoute({
  method: 'post',
  path: '/tasks/{id}/restore',
  operationId: 'restoreTask',
  summary: 'Take a task out of the bin',
  ...ofTask,
  request: { params: taskId },
  responses: { 200: versioned(Task, 'The task') },
})
const listProjectsRoute = personRoute({
  method: 'get',
  path: '/projects',
  operationId: 'listProjects',
  summary: 'Projects in their order',
  ...ofProject,
  request: { query: ProjectQuery },
  responses: { 200: answer(ProjectPage, 'A page of projects') },
})
const createProjectRoute = personRoute({
  method: 'post',
  path: '/projects',
  operationId: 'createProject',
  summary: 'Make a project',
  ...ofProject,
  request: { body: body(NewProject) },
  responses: { 201: created(Project, 'The project') },
})
const getProjectRoute = personRoute({
  method: 'get',
  path: '/projects/{id}',
  operationId: 'getProject',
  summary: 'One project',
  ...ofProject,
  request: { params: projectId },
  responses: { 200: versioned(Project, 'The project') },
})
const updateProjectRoute = personRoute(
  {
    method: 'patch',
    path: '/projects/{id}',
    operationId: 'updateProject',
    summary: 'Change or archive a project',
    ...ofProject,
    request: { params: projectId, body: body(ProjectPatch) },
    responses: { 200: versioned(Project, 'The project, changed') },
  },
  { ifMatch: true },
)
const deleteProjectRoute = personRoute({
  method: 'delete',
  path: '/projects/{id}',
  operationId: 'deleteProject',
  summary: 'Delete a project; its tasks stay, in none',
  ...ofProject,
  request: { params: projectId },
  responses: { 204: { description: 'Gone' } },
})

export const app = createApp()
  .openapi(listTasksRoute, async (c) => c.json(await listTasks(c.var.ctx, c.req.valid('query')), 200))
  .openapi(createTaskRoute, async (c) => {
    const task = await createTask(c.var.ctx, c.req.valid('json'))
    return c.json(task, 201, { ...etag(task.version), Location: `${c.req.path}/${task.id}` })
  })
  .openapi(insightsRoute, async (c) => c.json(await getInsights(c.var.ctx), 200))
  .openapi(bulkRoute, async (c) => c.json(await bulk(c.var.ctx, c.req.valid('json')), 200))
  .openapi(getTaskRoute, async (c) => {
    const task = await getTask(c.var.ctx, c.req.valid('param').id)
    return c.json(task, 200, etag(task.version))
  })
  .openapi(updateTaskRoute, async (c) => {
    const task = await ifMatch(c, (version) =>
      updateTask(c.var.ctx, c.req.valid('param').id, c.req.valid('json'), version),
    )
    return c.json(task, 200, etag(task.version))
  })
  .openapi(deleteTaskRoute, async (c) => {
    await deleteTask(c.var.ctx, c.req.valid('param').id)
    return c.body(null, 204)
  })
  .openapi(completeTaskRoute, async (c) => {
    const { task, next } = await completeTask(c.var.ctx, c.req.valid('param').id)
    return c.json({ task, next }, 200)
  })
  .openapi(reopenTaskRoute, async (c) => {
    const { task } = await reopenTask(c.var.ctx, c.req.valid('param').id)
    return c.json(task, 200, etag(task.version))
  })
  .openapi(restoreTaskRoute, async (c) => {
    const task = await restoreTask(c.var.ctx, c.req.valid('param').id)
    return c.json(task, 200, etag(task.version))
  })
  .openapi(listProjectsRoute, async (c) => c.json(await listProjects(c.var.ctx, c.req.valid('query')), 200))
  .openapi(createProjectRoute, async (c) => {
    const project = await createProject(c.var.ctx, c.req.valid('json'))
    return c.json(project, 201, { ...etag(project.version), Location: `${c.req.path}/${project.id}` })
  })
  .openapi(getProjectRoute, async (c) => {
    const project = await getProject(c.var.ctx, c.req.valid('param').id)
    return c.json(project, 200, etag(project.version))
  })
  .openapi(updateProjectRoute, async (c) => {
    const project = await ifMatch(c, (version) =>
      updateProject(c.var.ctx, c.req.valid('param').id, c.req.valid('json'), version),
    )
    return c.json(project, 200, etag(project.version))
  })
  .openapi(deleteProjectRoute, async (c) => {
    await deleteProject(c.var.ctx, c.req.valid('param').id)
    return c.body(null, 204)
  })
