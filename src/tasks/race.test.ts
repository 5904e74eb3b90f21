import { eq, sql } from 'drizzle-orm'
import { expect, test, vi } from 'vitest'
import { personOnServer } from '#test/server'
import { deleteTask, emptyBin, restoreTask } from './bin.ts'
import { bulk } from './bulk.ts'
import { completeTask } from './complete.ts'
import { createTask, createTasks } from './create.ts'
import { createProject, deleteProject } from './projects.ts'
import { reopenTask } from './reopen.ts'
import { tasks } from './tables.ts'
import { getTask } from './task.ts'
import { updateTask } from './update.ts'

const ROUNDS = 30
const COUNT = 4

test('bulk changes of the same tasks in opposite order wait for each other, and each is done whole or not at all', async () => {
  const server = await personOnServer()
  if (!server) return
  try {
    const { person } = server
    const inputs = Array.from({ length: COUNT }, (_, i) => ({ title: `t${i}` }))
    const made = await createTasks(person, inputs, (_n, field) => field)
    const ids = made.map(({ id }) => id)
    const rename = (order: string[], title: string) =>
      bulk(person, { action: 'update', items: order.map((id) => ({ id, patch: { title } })) })
    for (let round = 0; round < ROUNDS; round++) {
      await Promise.all([rename(ids, `up ${round}`), rename(ids.toReversed(), `down ${round}`)])
      const titles = await Promise.all([ids[0], ids[COUNT / 2], ids[COUNT - 1]].map((id) => getTask(person, id ?? '')))
      expect(new Set(titles.map(({ title, version }) => `${title} ${version}`))).toHaveLength(1)
    }
    const versioned = (order: string[], title: string) =>
      bulk(person, {
        action: 'update',
        items: order.map((id) => ({ id, version: 2 * ROUNDS + 1, patch: { title } })),
      }).catch((error: unknown) => error)
    const answers = await Promise.all([versioned(ids, 'a'), versioned(ids.toReversed(), 'b')])
    expect(answers.filter((answer) => answer instanceof Error)).toMatchObject([{ code: 'version_stale' }])
    const complete = (order: string[]) => bulk(person, { action: 'complete', ids: order })
    const done = await Promise.all([complete(ids), complete(ids.toReversed())])
    for (const { items } of done) expect(items.every(({ task }) => task.status === 'completed')).toBe(true)
  } finally {
    await server.close()
  }
})

test('a recurring task that two complete at once has one next occurrence, and both are told of it', async () => {
  const server = await personOnServer()
  if (!server) return
  try {
    const { person } = server
    for (let round = 0; round < ROUNDS; round++) {
      const given = { title: 'r', due: { date: '2026-01-01' }, recurrence: 'FREQ=DAILY' }
      const [task] = await createTasks(person, [given], (_n, field) => field)
      const done = await Promise.all([1, 2].map(() => completeTask(person, task?.id ?? '')))
      expect(done[0]?.next?.id).toBeDefined()
      expect(done[1]?.next?.id).toBe(done[0]?.next?.id)
    }
  } finally {
    await server.close()
  }
})

type Server = NonNullable<Awaited<ReturnType<typeof personOnServer>>>

async function onServer(work: (server: Server) => Promise<void>): Promise<void> {
  const server = await personOnServer()
  if (!server) return
  await work(server).finally(() => server.close())
}

const aTask = (person: Server['person'], over = {}) => createTask(person, { title: 't', ...over }).then(({ id }) => id)

/** A task with subtasks whose rows lie, and are due, in the order opposite to that of their ids: scans follow those. */
async function family({ person, other }: Server, over = {}): Promise<[string, string, ...string[]]> {
  const parentId = await aTask(person, over)
  const below = (date: string) => aTask(person, { parentId, due: { date } })
  const first = await below('2026-01-09')
  const rest = [await below('2026-01-08'), await below('2026-01-07')]
  await upend(await other(), [first, ...rest])
  return [parentId, first, ...rest]
}

async function upend(client: Awaited<ReturnType<Server['other']>>, ids: string[]): Promise<void> {
  for (const id of ids.toReversed()) {
    await client.query('with t as (delete from tasks where id = $1 returning *) insert into tasks select * from t', [
      id,
    ])
  }
}

/** The rows of these that `work` holds when it waits for the row `held`. */
async function heldWhileWaiting(
  { other }: Server,
  held: string,
  rows: string[],
  work: () => Promise<unknown>,
): Promise<string[]> {
  const [holder, onlooker] = [await other(), await other()]
  await holder.query('begin')
  await holder.query('select 1 from tasks where id = $1 for update', [held])
  const working = work()
  await someoneWaits(onlooker)
  await onlooker.query('begin')
  const free: { id: string }[] = []
  for (const table of ['tasks', 'projects']) {
    const found = await onlooker.query(`select id from ${table} where id = any($1) for update skip locked`, [rows])
    free.push(...found.rows)
  }
  await onlooker.query('commit')
  await holder.query('commit')
  await working
  return rows.filter((row) => !free.some(({ id }) => id === row))
}

const someoneWaits = (onlooker: Awaited<ReturnType<Server['other']>>) =>
  vi.waitFor(
    async () => {
      const { rows } = await onlooker.query('select 1 from pg_locks where not granted')
      expect(rows).not.toEqual([])
    },
    { timeout: 5000, interval: 5 },
  )

test('whoever changes several tasks locks them in the order of their ids, and their project last', () =>
  onServer(async (server) => {
    const { person } = server
    const [top, first, ...rest] = await family(server)
    expect(await heldWhileWaiting(server, first, rest, () => deleteTask(person, top))).toEqual([])
    await upend(await server.other(), [first, ...rest])
    expect(await heldWhileWaiting(server, first, rest, () => restoreTask(person, top))).toEqual([])

    const project = await createProject(person, { name: 'p' })
    const inProject = { projectId: project.id }
    const [one, two, three] = [
      await aTask(person, inProject),
      await aTask(person, inProject),
      await aTask(person, inProject),
    ]
    const task = await aTask(person)
    const change = () => updateTask(person, task, inProject, '*')
    expect(await heldWhileWaiting(server, task, [project.id], change)).toEqual([])
    const make = () => createTask(person, { title: 'x', parentId: task, ...inProject })
    expect(await heldWhileWaiting(server, task, [project.id], make)).toEqual([])
    await upend(await server.other(), [one, two, three])
    const remove = () => deleteProject(person, project.id)
    expect(await heldWhileWaiting(server, one, [two, three, project.id], remove)).toEqual([])
  }))

test('a next occurrence that is taken back is locked in the order of its ids', () =>
  onServer(async (server) => {
    const { person } = server
    const recurring = { due: { date: '2026-01-01' }, recurrence: 'FREQ=DAILY' }
    const [daily] = await family(server, recurring)
    const { next } = await completeTask(person, daily)
    const { rows } = await (await server.other()).query('select id from tasks where parent_id = $1 order by id', [
      next?.id,
    ])
    const again = rows.map(({ id }) => String(id))
    await upend(await server.other(), again)
    expect(await heldWhileWaiting(server, again[0] ?? '', again.slice(1), () => reopenTask(person, daily))).toEqual([])
    await expect(getTask(person, again[1] ?? '')).rejects.toMatchObject({ code: 'not_found' })
  }))

test('a task that is given a subtask at the same moment does not become one', () =>
  onServer(async (server) => {
    const { person } = server
    const [holder, onlooker] = [await server.other(), await server.other()]
    const [task, parent, other] = [await aTask(person), await aTask(person), await aTask(person)]
    await holder.query('begin')
    await holder.query('select 1 from tasks where id = $1 for share', [task])
    await holder.query('update tasks set parent_id = $1 where id = $2', [task, other])
    const moving = expect(updateTask(person, task, { parentId: parent }, '*')).rejects.toMatchObject({
      code: 'invalid_request',
      errors: [{ pointer: '/parentId' }],
    })
    await someoneWaits(onlooker)
    await holder.query('commit')
    await moving
    expect(await getTask(person, task)).toMatchObject({ parentId: null })
  }))

test('a subtask that comes back while its parent becomes one stands alone', () =>
  onServer(async (server) => {
    const { person } = server
    const [holder, onlooker] = [await server.other(), await server.other()]
    const [above, parent] = [await aTask(person), await aTask(person)]
    const task = await aTask(person, { parentId: parent })
    await deleteTask(person, task)
    await holder.query('begin')
    await holder.query('update tasks set parent_id = $1 where id = $2', [above, parent])
    const restoring = restoreTask(person, task)
    await Promise.race([someoneWaits(onlooker), restoring])
    await holder.query('commit')
    expect(await restoring).toMatchObject({ parentId: null, deletedAt: null })
  }))

test('a subtask that is made while its parent goes into the bin goes with it, or is not made', () =>
  onServer(async (server) => {
    const { person } = server
    for (let round = 0; round < ROUNDS; round++) {
      const parentId = await aTask(person)
      const [made] = await Promise.allSettled([aTask(person, { parentId }), deleteTask(person, parentId)])
      if (made.status === 'rejected') expect(made.reason).toMatchObject({ code: 'invalid_request' })
      else await expect(getTask(person, made.value)).rejects.toMatchObject({ code: 'not_found' })
    }
  }))

test('what is taken out of the bin while the bin is emptied is kept', async () => {
  const server = await personOnServer()
  if (!server) return
  try {
    const { person } = server
    const { id } = await createTask(person, { title: 'old' })
    await deleteTask({ ...person, now: () => new Date('2001-01-01T00:00:00Z') }, id)
    const restoring = person.db.batch([
      person.db.update(tasks).set({ deletedAt: null }).where(eq(tasks.id, id)),
      person.db.execute(sql`select pg_sleep(0.5)`),
    ])
    await person.db.execute(sql`select pg_sleep(0.2)`)
    await emptyBin({ ...person, now: () => new Date('2001-03-01T00:00:00Z') })
    await restoring
    expect(await getTask(person, id)).toMatchObject({ title: 'old' })
  } finally {
    await server.close()
  }
})
