import { eq } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { getTask, listTasks } from '#tasks'
import { makePerson, type Person } from '#test/database'
import { realEffects, undoEffect } from './index.ts'
import { effects } from './tables.ts'

/** An effect whose machine died at it, its lease over or not. */
async function lost(person: Person, kind: string, input: unknown, leaseUntil: Date): Promise<string> {
  const origin = { kind: 'run' as const, runId: 'run_1', step: 'a' }
  const { effectId } = await realEffects(person).perform({
    ...{ kind, input, key: `${kind} lost`, origin, tainted: false, isAgreed: false },
  })
  const died = { status: 'intended' as const, undo: null, lefts: null, doneAt: null, output: null, leaseUntil }
  await person.db
    .update(effects)
    .set(died)
    .where(eq(effects.id, effectId ?? ''))
  return effectId ?? ''
}

test('what a machine died at is taken back once its lease is over', async () => {
  const person = await makePerson()
  const id = await lost(person, 'create_task', { title: 'Lost' }, new Date(0))
  expect(await undoEffect(person, id)).toMatchObject({ status: 'undone' })
  expect((await listTasks(person, { limit: 10 })).items).toEqual([])
})

test('also where it was never done', async () => {
  const person = await makePerson()
  const id = await lost(person, 'create_task', { title: 'Lost' }, new Date(0))
  const [task] = (await listTasks(person, { limit: 1 })).items
  await person.db.execute(`delete from tasks where id = '${task?.id}'`)
  expect(await undoEffect(person, id)).toMatchObject({ status: 'undone' })
})

test('that it is not known whether it was done is told where it cannot be taken back', async () => {
  const person = await makePerson()
  const id = await lost(person, 'run_workflow', { workflowId: person.newId('wfl'), input: {} }, new Date(0))
  expect(await undoEffect(person, id)).toMatchObject({ status: 'irreversible' })
  const [{ version, status } = { version: 0, status: '' }] = await person.db
    .select()
    .from(effects)
    .where(eq(effects.id, id))
  expect(status).toBe('unknown')
  expect(JSON.stringify(person.sent)).toContain(`${id}.${version}.effect.updated`)
})

test('while its lease runs, another may be at it still', async () => {
  const person = await makePerson()
  const id = await lost(person, 'create_task', { title: 'Busy' }, new Date('2999-01-01'))
  expect(await undoEffect(person, id)).toMatchObject({ status: 'failed' })
  const [task] = (await listTasks(person, { limit: 1 })).items
  expect(await getTask(person, task?.id ?? '')).toMatchObject({ title: 'Busy' })
})
