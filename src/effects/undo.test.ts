import { and, eq } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { getTask, updateTask } from '#tasks'
import { makePerson, type Person, testCtx } from '#test/database'
import { getMe, setPreferences } from '#users'
import { getEffect, performFor } from './effects.ts'
import { cancelEffects, realEffects, sweepEffects, undoEffect, undoRun, undoSince } from './index.ts'
import { effects } from './tables.ts'

let keys = 0
async function done(person: Person, kind: string, input: unknown) {
  const asked = { kind, input, key: `u${keys++}`, origin: { kind: 'api' as const }, tainted: false, isAgreed: false }
  const outcome = await realEffects(person).perform(asked)
  if (outcome.status !== 'done') throw new Error(`${kind}: ${JSON.stringify(outcome)}`)
  return { effectId: outcome.effectId, id: (outcome.output as { id: string }).id }
}
const leave = ({ db }: Person, id: string, set: Partial<typeof effects.$inferInsert>) =>
  db.update(effects).set(set).where(eq(effects.id, id))
/** As a machine leaves it that died while it took one back. */
const cutShort = { status: 'undoing', undoFrom: 'done', leaseUntil: new Date(0), endedAt: null } as const

async function renamed(person: Person) {
  const { id } = await done(person, 'create_task', { title: 'a' })
  return { id, effectId: (await done(person, 'update_task', { id, title: 'b' })).effectId }
}

test('an undo that was cut short does not overwrite what was edited since, unless it was asked to', async () => {
  const person = await makePerson()
  const { id, effectId } = await renamed(person)
  await leave(person, effectId, cutShort)
  await updateTask(person, id, { title: 'c' }, '*')
  expect(await undoEffect(person, effectId)).toMatchObject({ status: 'changed_since' })
  expect(await getTask(person, id)).toMatchObject({ title: 'c' })
  expect(await getEffect(person, effectId)).toMatchObject({ status: 'done', reversible: true })
  await leave(person, effectId, { ...cutShort, undoForced: true })
  expect(await undoEffect(person, effectId)).toMatchObject({ status: 'undone' })
  expect(await getTask(person, id)).toMatchObject({ title: 'a' })
})

test('one that had come to its end but for the record is undone, and nobody has to ask again', async () => {
  const person = await makePerson()
  const { id, effectId } = await renamed(person)
  expect(await undoEffect(person, effectId)).toMatchObject({ status: 'undone' })
  await leave(person, effectId, cutShort)
  await sweepEffects(testCtx())
  expect(await getEffect(person, effectId)).toMatchObject({ status: 'undone' })
  expect(await getTask(person, id)).toMatchObject({ title: 'a' })
})

test('what was unknown stays so when taking it back fails, also at the second try', async () => {
  const person = await makePerson()
  const { effectId } = await renamed(person)
  const undo = { tool: 'update_task', input: { id: 7 }, says: 'x' }
  await leave(person, effectId, { ...cutShort, undoFrom: 'unknown', undoForced: true, undo })
  expect(await undoEffect(person, effectId)).toMatchObject({ status: 'failed' })
  expect(await getEffect(person, effectId)).toMatchObject({ status: 'unknown' })
})

test('preferences that were set since stay as they were set', async () => {
  const person = await makePerson()
  const quiet = (from: string) => ({ quietHours: { from, to: '07:00' } })
  const { effectId } = await done(person, 'set_preferences', quiet('22:00'))
  await setPreferences(person, quiet('23:30'))
  expect(await undoEffect(person, effectId)).toMatchObject({ status: 'changed_since' })
  expect((await getMe(person)).preferences).toMatchObject(quiet('23:30'))
  const other = await done(person, 'set_preferences', quiet('21:00'))
  expect(await undoEffect(person, other.effectId)).toMatchObject({ status: 'undone' })
  expect((await getMe(person)).preferences).toMatchObject(quiet('23:30'))
})

test('a task is not thrown away with the subtasks that were put under it since', async () => {
  const person = await makePerson()
  const parent = await done(person, 'create_task', { title: 'Move' })
  const child = await done(person, 'create_task', { title: 'Boxes', parentId: parent.id })
  expect(await undoEffect(person, parent.effectId)).toMatchObject({ status: 'changed_since' })
  expect(await getTask(person, child.id)).toMatchObject({ title: 'Boxes' })
  expect(await undoEffect(person, child.effectId)).toMatchObject({ status: 'undone' })
  expect(await undoEffect(person, parent.effectId)).toMatchObject({ status: 'undone' })
})

test('everything since goes on past the first hundred, and counts from when it was done', async () => {
  const times = { now: new Date('2031-01-01T08:00:00Z') }
  const person = await makePerson({ now: () => times.now })
  const held = await done(person, 'create_task', { title: 'asked for early, done late' })
  const early = await done(person, 'create_task', { title: 'early' })
  await leave(person, held.effectId, { doneAt: new Date('2031-01-01T09:30:00Z') })
  const [row] = await person.db.select().from(effects).where(eq(effects.id, early.effectId))
  if (!row) throw new Error('it is gone')
  const stuck = Array.from({ length: 110 }, (_, n) => {
    const at = new Date(Date.parse('2031-01-01T10:00:00Z') + n * 1000)
    return { ...row, id: person.newId('eff'), key: `stuck${n}`, undo: null, createdAt: at, doneAt: at }
  })
  await person.db.insert(effects).values(stuck)
  const since = new Date('2031-01-01T09:00:00Z')
  const first = await undoSince(person, since)
  expect([first.items.length, new Set(first.items.map(({ status }) => status))]).toEqual([
    100,
    new Set(['irreversible']),
  ])
  const rest = await undoSince(person, since, { cursor: first.nextCursor ?? '' })
  expect(rest.items.at(-1)).toMatchObject({ id: held.effectId, status: 'undone' })
  expect([rest.items.length, rest.nextCursor]).toEqual([11, null])
  expect(await getTask(person, early.id)).toMatchObject({ title: 'early' })
  await expect(undoRun(person, 'run_1', { cursor: 'nonsense' })).rejects.toMatchObject({ code: 'invalid_cursor' })
})

test('what a program asks for was tapped by nobody', async () => {
  const person = await makePerson()
  const key = { id: 'key_1', scopes: ['tasks:read', 'tasks:write', 'effects:write'], ratePerMinute: null }
  const asked = { kind: 'create_task', input: { title: 'a' } }
  expect(await performFor({ ...person, actor: { ...person.actor, key } }, asked)).toMatchObject({ agreed: false })
  expect(await performFor(person, asked)).toMatchObject({ agreed: true })
})

test('a run that a program begins is tainted at this door too, as what it gives it may be', async () => {
  const person = await makePerson()
  const key = { id: 'key_1', scopes: ['workflows:write', 'effects:write'], ratePerMinute: null }
  const asked = { kind: 'run_workflow', input: { workflowId: person.newId('wfl') } }
  expect(await performFor({ ...person, actor: { ...person.actor, key } }, asked)).toMatchObject({
    status: 'done',
    tainted: true,
  })
  expect(await performFor(person, asked)).toMatchObject({ tainted: false })
})

test('all that is held since before then is cancelled, past the first hundred too; what came later stays held', async () => {
  const person = await makePerson()
  const until = new Date()
  const made = await done(person, 'create_task', { title: 'a' })
  const [row] = await person.db.select().from(effects).where(eq(effects.id, made.effectId))
  if (!row) throw new Error('it is gone')
  const held = Array.from({ length: 104 }, (_, n) => {
    const createdAt = new Date(until.getTime() + (n < 103 ? -1000 : 1000))
    return { ...row, id: person.newId('eff'), key: `held${n}`, status: 'held' as const, undo: null, createdAt }
  })
  await person.db.insert(effects).values(held)
  await cancelEffects(person, until)
  const left = await person.db
    .select({ id: effects.id })
    .from(effects)
    .where(and(eq(effects.userId, person.actor.userId), eq(effects.status, 'held')))
  expect(left).toEqual([{ id: held.at(-1)?.id }])
})
