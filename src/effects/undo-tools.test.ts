import { eq } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { getTask } from '#tasks'
import { makePerson, type Person } from '#test/database'
import { realEffects } from './perform.ts'
import { effects } from './tables.ts'
import { undoTools } from './undo-tools.ts'

const tool = (name: string) => {
  const found = undoTools.find((one) => one.name === name)
  if (!found) throw new Error(`There is no ${name}`)
  return found
}
const since = (hour: number) => ({ since: `2031-01-01T${String(hour).padStart(2, '0')}:00:00Z` })

/** A task made by a run at this hour. */
async function made(person: Person, title: string, hour: number, runId = 'run_a') {
  const origin = { kind: 'run' as const, runId, step: title }
  const asked = {
    kind: 'create_task',
    input: { title },
    key: `${runId} ${title}`,
    origin,
    tainted: false,
    isAgreed: true,
  }
  const outcome = await realEffects(person).perform(asked)
  if (outcome.status !== 'done') throw new Error(JSON.stringify(outcome))
  const { effectId, output } = outcome
  const at = new Date(Date.UTC(2031, 0, 1, hour, 30))
  await person.db.update(effects).set({ doneAt: at, createdAt: at }).where(eq(effects.id, effectId))
  return { effectId, id: (output as { id: string }).id }
}

const titlesOf = async (person: Person, window: object) => {
  const { output } = await tool('list_effects').run(person, window)
  const { effects: found } = output as { effects: { says: string }[] }
  return found.map(({ says }) => says)
}
const isGone = async (person: Person, id: string) => (await getTask(person, id).catch(() => null)) === null

test('all of a stretch is taken back, the last first, and what came before it or after it stays', async () => {
  const person = await makePerson()
  const [early, nine, ten, late] = [
    await made(person, 'early', 8),
    await made(person, 'nine', 9),
    await made(person, 'ten', 10),
    await made(person, 'late', 12),
  ]
  const stuck = await made(person, 'stuck', 11)
  await person.db.update(effects).set({ undo: null }).where(eq(effects.id, stuck.effectId))
  const window = { ...since(9), until: since(12).since }
  const named = ['stuck', 'ten', 'nine'].map((title) => `Create \u201c${title}\u201d`)
  expect(await titlesOf(person, window)).toEqual(named)
  expect(await titlesOf(await makePerson(), window)).toEqual([])
  const { output } = await tool('undo_effects').run(person, window)
  expect(output).toEqual({
    undone: named.slice(1),
    stays: [`${named[0]}: This cannot be taken back`],
    nextCursor: null,
  })
  const gone = await Promise.all([early, nine, ten, late].map(({ id }) => isGone(person, id)))
  expect(gone).toEqual([false, true, true, false])
  expect(await titlesOf(person, window)).toEqual(named.slice(0, 1))
})

test('a run is taken back alone, and one effect alone', async () => {
  const person = await makePerson()
  const [a, b, c] = [
    await made(person, 'a', 9),
    await made(person, 'b', 9, 'run_b'),
    await made(person, 'c', 9, 'run_b'),
  ]
  await tool('undo_effects').run(person, { runId: 'run_b' })
  expect(await Promise.all([a, b, c].map(({ id }) => isGone(person, id)))).toEqual([false, true, true])
  await tool('undo_effects').run(person, { id: a.effectId })
  expect(await isGone(person, a.id)).toBe(true)
  await expect(tool('undo_effects').run(await makePerson(), { id: b.effectId })).rejects.toMatchObject({
    code: 'not_found',
  })
  await expect(tool('undo_effects').run(person, { id: a.effectId, runId: 'run_b' })).rejects.toMatchObject({
    code: 'invalid_request',
  })
})
