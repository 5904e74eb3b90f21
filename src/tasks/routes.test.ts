import { expect, test } from 'vitest'
import { createApp, findAppError, toProblem } from '#core'
import { makePerson } from '#test/database'
import { app as tasks } from './routes.ts'
import type { Completion, Project, Task } from './schema.ts'

/** The routes behind a guard that knows one person. */
async function makeClient() {
  const person = await makePerson()
  const app = createApp()
  app.use(async (c, next) => {
    c.set('ctx', person)
    c.set('guard', async (_c, _meta, go) => await go())
    await next()
  })
  app.route('/v1', tasks)
  app.onError((error, c) => c.json(toProblem(findAppError(error) ?? error, 'req'), 400))
  return async <T>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const init = {
      method,
      headers: { 'content-type': 'application/json', ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    }
    const response = await app.request(`/v1${path}`, init)
    const text = await response.text()
    const [etag, location] = [response.headers.get('etag'), response.headers.get('location')]
    return { status: response.status, etag, location, body: JSON.parse(text || 'null') as T }
  }
}

test('a task goes through its life over HTTP', async () => {
  const call = await makeClient()
  const made = await call<Task>('POST', '/tasks', {
    title: 'a',
    due: { date: '2026-01-01' },
    recurrence: 'rrule:freq=daily',
  })
  expect(made).toMatchObject({ status: 201, etag: '"1"', body: { recurrence: 'FREQ=DAILY' } })
  const path = `/tasks/${made.body.id}`
  expect(await call('PATCH', path, { title: 'b' })).toMatchObject({ body: { code: 'version_required' } })
  expect(await call('PATCH', path, { title: 'b' }, { 'if-match': '"1"' })).toMatchObject({ status: 200, etag: '"2"' })
  expect(await call('PATCH', path, { title: 'c' }, { 'if-match': '"1"' })).toMatchObject({
    body: { code: 'version_stale' },
  })
  const done = await call<Completion>('POST', `${path}/complete`)
  expect(done).toMatchObject({
    status: 200,
    body: { task: { status: 'completed', version: 3 }, next: { status: 'pending' } },
  })
  expect(await call('POST', `${path}/reopen`)).toMatchObject({ status: 200, etag: '"4"' })
  expect(await call('DELETE', path)).toMatchObject({ status: 204, body: null })
  expect(await call('GET', path)).toMatchObject({ body: { code: 'not_found' } })
  expect(await call('POST', `${path}/restore`)).toMatchObject({ status: 200, etag: '"6"' })
  expect(await call('GET', path)).toMatchObject({ status: 200, etag: '"6"', body: { title: 'b' } })
})

test('what was made says where it is', async () => {
  const call = await makeClient()
  const task = await call<Task>('POST', '/tasks', { title: 'a' })
  expect(task).toMatchObject({ status: 201, location: `/v1/tasks/${task.body.id}` })
  const project = await call<Project>('POST', '/projects', { name: 'a' })
  expect(project).toMatchObject({ status: 201, location: `/v1/projects/${project.body.id}` })
})

test('If-Match takes any of several versions; a weak one matches nothing, another text is none of ours', async () => {
  const call = await makeClient()
  const { body } = await call<Task>('POST', '/tasks', { title: 'a' })
  const patch = (ifMatch: string) => call('PATCH', `/tasks/${body.id}`, { title: ifMatch }, { 'if-match': ifMatch })
  expect(await patch('"7", "1","9"')).toMatchObject({ status: 200, etag: '"2"' })
  for (const stale of ['W/"2"', '"1", "3"', 'W/"2", "1"']) {
    expect(await patch(stale), stale).toMatchObject({ body: { code: 'version_stale' } })
  }
  for (const strange of ['"abc"', '2', '"2" "2"', '"2",', 'w/"2"', '"2", *']) {
    expect(await patch(strange), strange).toMatchObject({ body: { code: 'invalid_request' } })
  }
  expect(await patch('W/"1", "2"')).toMatchObject({ status: 200, etag: '"3"' })
  expect(await call('PATCH', `/tasks/${body.id}`, {}, { 'if-match': '"3"' })).toMatchObject({
    status: 200,
    etag: '"3"',
  })
})

test('an instant a database could not read is refused, and any other is read in UTC', async () => {
  const call = await makeClient()
  for (const offset of ['%2B23:59', '-16:00', '%2B14:01']) {
    const answer = await call('GET', `/tasks?dueAfter=2026-01-01T00:00:00${offset}`)
    expect(answer, offset).toMatchObject({ body: { code: 'invalid_request', errors: [{ pointer: 'query/dueAfter' }] } })
  }
  expect(await call('GET', '/tasks?dueAfter=2026-01-01T00:00:00%2B14:00')).toMatchObject({ status: 200 })
})

test('insights and bulk are places of their own, not ids', async () => {
  const call = await makeClient()
  expect(await call('GET', '/tasks/insights')).toMatchObject({ status: 200, body: { streakDays: 0 } })
  const bulk = await call('POST', '/tasks/bulk', { action: 'create', items: [{ title: 'a' }, { title: 'b' }] })
  expect(bulk).toMatchObject({
    status: 200,
    body: { items: [{ task: { title: 'a' }, next: null }, { task: { title: 'b' } }] },
  })
})

test('a list takes a parameter once or, where it may, again, and none it does not know', async () => {
  const call = await makeClient()
  await call('POST', '/tasks/bulk', {
    action: 'create',
    items: [{ title: 'a', status: 'in_progress' }, { title: 'b' }],
  })
  const titles = async (query: string) =>
    (await call<{ items: Task[] }>('GET', `/tasks?sort=title&${query}`)).body.items?.map(({ title }) => title)
  expect(await titles('status=pending')).toEqual(['b'])
  expect(await titles('status=pending&status=in_progress&order=desc')).toEqual(['b', 'a'])
  expect(await titles('open=true&overdue=false&limit=1')).toEqual(['a'])
  expect(await titles('projectId=none&dueBefore=2026-01-01T00:00:00Z')).toEqual([])
  for (const query of [
    'colour=red',
    'limit=0',
    'limit=1&limit=2',
    'open=yes',
    'status=done',
    'dueBefore=tomorrow',
    'sort=notes',
    'text=a%00',
  ]) {
    expect(await call('GET', `/tasks?${query}`), query).toMatchObject({ body: { code: 'invalid_request' } })
  }
})

test('a body that does not fit is refused by its field', async () => {
  const call = await makeClient()
  const cases = [
    [{}, '/title'],
    [{ title: ' ' }, '/title'],
    [{ title: 'a', userId: 'usr_1' }, '/'],
    [{ title: 'a', status: 'completed' }, '/status'],
    [{ title: 'a', due: { date: '2026-02-30' } }, '/due/date'],
    [{ title: 'a', due: { date: '2026-02-01', timeZone: 'Mars/Base' } }, '/due/timeZone'],
    [{ title: 'a', remindAt: { date: '2026-02-01' } }, '/remindAt/time'],
    [{ title: 'a', recurrence: 'FREQ=SECONDLY' }, '/recurrence'],
    [{ title: 'a', labels: ['x', 'x'] }, '/labels'],
    [{ title: 'a', estimateMinutes: 1.5 }, '/estimateMinutes'],
  ] as const
  for (const [body, pointer] of cases) {
    expect(await call('POST', '/tasks', body), pointer).toMatchObject({
      body: { code: 'invalid_request', errors: [{ pointer }] },
    })
  }
})

test('a project goes through its life over HTTP', async () => {
  const call = await makeClient()
  const made = await call<Project>('POST', '/projects', { name: 'Boat', colour: '#aabbcc' })
  expect(made).toMatchObject({ status: 201, etag: '"1"' })
  const path = `/projects/${made.body.id}`
  expect(await call('PATCH', path, { archived: true }, { 'if-match': '*' })).toMatchObject({ status: 200, etag: '"2"' })
  expect(await call('GET', '/projects?archived=true')).toMatchObject({
    body: { items: [{ name: 'Boat' }], nextCursor: null },
  })
  expect(await call('GET', path)).toMatchObject({ status: 200, etag: '"2"' })
  expect(await call('DELETE', path)).toMatchObject({ status: 204 })
  expect(await call('POST', '/projects', { name: 'x', colour: 'red' })).toMatchObject({
    body: { errors: [{ pointer: '/colour' }] },
  })
})

test('the routes describe themselves, and what may be null as such', async () => {
  const document = tasks.getOpenAPI31Document({ openapi: '3.1.0', info: { title: 't', version: '1' } })
  const ids = Object.values(document.paths ?? {}).flatMap((path) =>
    Object.values(path).map((route) => route.operationId),
  )
  expect(new Set(ids).size).toBe(15)
  const schemas = document.components?.schemas ?? {}
  expect(schemas).toMatchObject({
    Task: {
      type: 'object',
      properties: { due: { anyOf: [{ $ref: '#/components/schemas/Moment' }, { type: 'null' }] } },
    },
    Moment: { type: 'object' },
    MomentInput: { type: 'object' },
    TaskPatch: { type: 'object', additionalProperties: false },
    Completion: { properties: { next: { anyOf: [{ $ref: '#/components/schemas/Task' }, { type: 'null' }] } } },
  })
  expect(schemas).not.toHaveProperty('TaskPatch.required')
})
