import { eq, inArray } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { bounded, holdsOthersWords } from '#core'
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

type Item = { id: string; says?: string; tainted: boolean; reversible?: boolean; isUndone?: boolean; why?: string }
async function itemsOf(person: Person, name: string, input: object) {
  const { output } = await tool(name).run(person, input)
  return output as { items: Item[]; more?: boolean | number }
}
const titlesOf = async (person: Person, window: object) =>
  (await itemsOf(person, 'list_effects', window)).items.map(({ says }) => says)
const isGone = async (person: Person, id: string) => (await getTask(person, id).catch(() => null)) === null
const set = async (person: Person, id: string, to: Partial<typeof effects.$inferInsert>) =>
  await person.db.update(effects).set(to).where(eq(effects.id, id))
const quoted = (title: string) => `Create \u201c${title}\u201d`

test('a stretch is listed with what can be taken back first, and what came before it or after it is not', async () => {
  const person = await makePerson()
  for (const [title, hour] of [
    ['early', 8],
    ['nine', 9],
    ['ten', 10],
    ['late', 12],
  ] as const)
    await made(person, title, hour)
  const stuck = await made(person, 'stuck', 11, 'run_b')
  await set(person, stuck.effectId, { undo: null })
  const window = { ...since(9), until: since(12).since }
  expect(await titlesOf(person, window)).toEqual(['ten', 'nine', 'stuck'].map(quoted))
  expect(await titlesOf(person, { runId: 'run_b' })).toEqual([quoted('stuck')])
  expect(await titlesOf(await makePerson(), window)).toEqual([])
})

test('those that were named are taken back, and no other', async () => {
  const person = await makePerson()
  const [nine, ten, other] = [
    await made(person, 'nine', 9),
    await made(person, 'ten', 10),
    await made(person, 'other', 11),
  ]
  const { items } = await itemsOf(person, 'undo_effects', { ids: [nine.effectId, ten.effectId] })
  expect(items).toEqual([
    { id: nine.effectId, says: quoted('nine'), tainted: false, isUndone: true },
    { id: ten.effectId, says: quoted('ten'), tainted: false, isUndone: true },
  ])
  expect(await Promise.all([nine, ten, other].map(({ id }) => isGone(person, id)))).toEqual([true, true, false])
  const again = await itemsOf(person, 'undo_effects', { ids: [nine.effectId] })
  expect(again.items).toMatchObject([{ isUndone: true }])
  const theirs = await itemsOf(await makePerson(), 'undo_effects', { ids: [other.effectId] })
  expect(theirs.items).toEqual([])
  expect(await isGone(person, other.id)).toBe(false)
  await expect(tool('undo_effects').run(person, since(9))).rejects.toMatchObject({ code: 'invalid_request' })
})

test('what was shown as not to be taken back is not asked about, nor taken though somebody who was at it is lost', async () => {
  const person = await makePerson()
  const ids: string[] = []
  for (const status of ['intended', 'undoing', 'unknown', 'failed'] as const) {
    const { effectId } = await made(person, status, 9)
    const leaseUntil = new Date(0)
    await set(person, effectId, status === 'failed' ? { status, endedAt: leaseUntil } : { status, leaseUntil })
    await expect(tool('undo_effects').about?.(person, { ids: [effectId] })).rejects.toMatchObject({
      code: 'invalid_request',
      message: expect.stringContaining(effectId),
    })
    ids.push(effectId)
  }
  const { items } = await itemsOf(person, 'undo_effects', { ids })
  expect(items.map(({ isUndone }) => isUndone)).toEqual([false, false, false, true])
  const rows = await person.db.select({ status: effects.status }).from(effects).where(inArray(effects.id, ids))
  expect(rows.map(({ status }) => status).sort()).toEqual(['failed', 'intended', 'undoing', 'unknown'])
})

test('at most twenty-five are shown and named at once, each whole, and it says that there are more', async () => {
  const person = await makePerson()
  const { effectId } = await made(person, 'one', 9)
  const [row] = await person.db.select().from(effects).where(eq(effects.id, effectId))
  if (!row) throw new Error('There is no such effect')
  const long = Array.from({ length: 29 }, (_, i) => {
    return { ...row, id: person.newId('eff'), key: `copy ${i}`, says: 'x'.repeat(500) }
  })
  await person.db.insert(effects).values(long)
  const { items, more } = await itemsOf(person, 'list_effects', since(9))
  expect([items.length, more]).toEqual([25, true])
  const shown = bounded({ items, more }) as { items: Item[] }
  expect(shown.items.length).toBeGreaterThan(15)
  const ids = long.slice(0, 26).map(({ id }) => id)
  await expect(tool('undo_effects').run(person, { ids })).rejects.toMatchObject({ code: 'invalid_request' })
})

test('what others led to stays marked when it is taken back, and when it is asked about', async () => {
  const person = await makePerson()
  const { effectId } = await made(person, 'theirs', 9)
  await set(person, effectId, { tainted: true })
  const ids = [effectId]
  expect(holdsOthersWords(await tool('undo_effects').about?.(person, { ids }))).toBe(true)
  expect(holdsOthersWords(await itemsOf(person, 'undo_effects', { ids }))).toBe(true)
})

test('a key that may not read what was done is told no name of it', async () => {
  const person = await makePerson()
  const { effectId, id } = await made(person, 'Secret', 9)
  const key = { id: 'key_1', scopes: ['effects:write', 'tasks:write'], ratePerMinute: null }
  const ctx = { ...person, actor: { ...person.actor, key } }
  expect(await tool('undo_effects').about?.(ctx, { ids: [effectId] })).toEqual([{ id: effectId, tainted: false }])
  const { output } = await tool('undo_effects').run(ctx, { ids: [effectId] })
  expect(output).toEqual({ items: [{ id: effectId, tainted: false, isUndone: true }] })
  expect(await isGone(person, id)).toBe(true)
})
