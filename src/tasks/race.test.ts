import { expect, test } from 'vitest'
import { personOnServer } from '#test/server'
import { bulk } from './bulk.ts'
import { completeTask } from './complete.ts'
import { createTasks } from './create.ts'
import { getTask } from './task.ts'

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
