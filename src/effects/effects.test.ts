import { eq } from 'drizzle-orm'
import { expect, test } from 'vitest'
import type { UserCtx } from '#core'
import { readOnly } from '#database'
import { listMemories } from '#memories'
import { getTask, listTasks, updateTask } from '#tasks'
import { makePerson, type Person, revoke } from '#test/database'
import { getEffect, listEffects } from './effects.ts'
import {
  type EffectKind,
  type Effects,
  effectKind,
  effectKinds,
  endLostEffects,
  type NewEffect,
  type Origin,
  type Outcome,
  type Recorded,
  realEffects,
  recordingEffects,
  undoEffect,
  undoRun,
  undoSince,
} from './index.ts'
import { effects } from './tables.ts'

let keys = 0
const effectOf = (kind: string, input: unknown, over: Partial<NewEffect> = {}): NewEffect => ({
  kind,
  input,
  key: `k${keys++}`,
  origin: { kind: 'run', runId: 'run_1', step: 'a' },
  tainted: false,
  isAgreed: false,
  ...over,
})
const perform = (ctx: UserCtx, kind: string, input: unknown, over: Partial<NewEffect> = {}) =>
  realEffects(ctx).perform(effectOf(kind, input, over))
async function done(ctx: UserCtx, kind: string, input: unknown, over: Partial<NewEffect> = {}) {
  const outcome = await perform(ctx, kind, input, over)
  if (outcome.status !== 'done') throw new Error(`${kind}: ${JSON.stringify(outcome)}`)
  return outcome
}
const idIn = ({ output }: { output: unknown }) => (output as { id: string }).id

test('an act is done in three trips: claimed with what was there, done, written down with its evidence', async () => {
  const person = await makePerson()
  const task = idIn(await done(person, 'create_task', { title: 'Call Ada' }))
  person.meter.trips = 0
  const outcome = await done(person, 'update_task', { id: task, title: 'Call Bob' })
  expect(person.meter.trips).toBe(3)
  expect(outcome).toMatchObject({ says: 'Change “Call Ada”', evidence: { id: task, provider: 'aurelius' } })
  expect(await getEffect(person, outcome.effectId)).toMatchObject({
    kind: 'update_task',
    status: 'done',
    reversible: true,
    changes: [{ target: task, before: { title: 'Call Ada' }, after: { title: 'Call Bob' } }],
    origin: { kind: 'run', runId: 'run_1', step: 'a', messageId: null },
    error: null,
  })
  expect(person.sent.map((body) => JSON.stringify(body)).join()).toContain(`${outcome.effectId}.2.effect.updated`)
})

test('the same key is the same act, and another act under it is refused', async () => {
  const person = await makePerson()
  const effect = effectOf('create_task', { title: 'Once' })
  const first = await realEffects(person).perform(effect)
  expect(await realEffects(person).perform(effect)).toEqual(first)
  const all = await Promise.all([1, 2, 3].map(() => perform(person, 'create_task', { title: 'One' }, { key: 'one' })))
  expect(new Set(all.map(({ effectId }) => effectId)).size).toBe(1)
  expect((await listTasks(person, { limit: 10 })).items.map(({ title }) => title).sort()).toEqual(['Once', 'One'])
  const other = await realEffects(person).perform({ ...effect, input: { title: 'Twice' } })
  expect(other).toMatchObject({ status: 'refused', code: 'idempotency_mismatch' })
  expect(await realEffects(await makePerson()).perform(effect)).toMatchObject({ status: 'done' })
})

/** As a machine leaves it that died while it was at it, a lease ago. */
async function die(person: Person, effect: NewEffect, isDone: boolean) {
  const { db } = person
  const outcome = isDone ? await realEffects(person).perform(effect) : undefined
  const dead = {
    status: 'intended' as const,
    undo: null,
    leaseUntil: new Date(0),
    lefts: null,
    doneAt: null,
    output: null,
  }
  if (outcome?.effectId) await db.update(effects).set(dead).where(eq(effects.id, outcome.effectId))
  return outcome
}

test('what a machine that died had done is found again, and taken back as if nothing had been', async () => {
  const person = await makePerson()
  const task = idIn(await done(person, 'create_task', { title: 'Pay', notes: 'a' }))
  const effect = effectOf('create_task', { title: 'Made once' })
  const first = await die(person, effect, true)
  const again = await realEffects(person).perform(effect)
  expect(again).toMatchObject({ status: 'done', effectId: first?.effectId })
  expect((await listTasks(person, { limit: 10 })).items).toHaveLength(2)
  const complete = effectOf('complete_task', { id: task })
  await die(person, complete, true)
  // What was there is what the first attempt found.
  await person.db
    .update(effects)
    .set({ before: { ...(await getTask(person, task)), status: 'in_progress' } })
    .where(eq(effects.key, complete.key))
  const second = await realEffects(person).perform(complete)
  expect(await undoEffect(person, second.effectId ?? '')).toMatchObject({ status: 'undone' })
  expect(await getTask(person, task)).toMatchObject({ status: 'in_progress' })
})

test('while another is at it nobody else is', async () => {
  const person = await makePerson()
  const effect = effectOf('create_task', { title: 'Busy' })
  await die(person, effect, true)
  await person.db
    .update(effects)
    .set({ leaseUntil: new Date('2999-01-01') })
    .where(eq(effects.key, effect.key))
  const outcome = await realEffects(person).perform(effect)
  expect(outcome).toMatchObject({ status: 'failed', code: 'idempotency_in_progress', isRetryable: true })
  expect(await undoEffect(person, outcome.effectId ?? '')).toMatchObject({ status: 'failed' })
})

test('of what was begun and never heard of again nobody knows; by force it is taken back all the same', async () => {
  const person = await makePerson()
  const effect = effectOf('create_task', { title: 'Lost' })
  const made = await die(person, effect, true)
  await endLostEffects(person)
  const id = made?.effectId ?? ''
  expect(await getEffect(person, id)).toMatchObject({ status: 'unknown', error: { code: 'timeout' } })
  expect(await realEffects(person).perform(effect)).toMatchObject({ status: 'unknown', isRetryable: false })
  expect((await undoEffect(person, id)).status).toBe('failed')
  expect(await undoEffect(person, id, { force: true })).toMatchObject({ status: 'undone' })
  expect((await listTasks(person, { limit: 10 })).items).toEqual([])
})

test('what cannot be done says why, and what may yet work is tried again', async () => {
  const person = await makePerson()
  const gone = await perform(person, 'complete_task', { id: person.newId('task') })
  expect(gone).toMatchObject({ status: 'failed', code: 'not_found', isRetryable: false })
  expect(await perform(person, 'complete_task', { id: 7 })).toMatchObject({
    status: 'refused',
    code: 'invalid_request',
  })
  expect(await perform(person, 'launch_rocket', {})).toMatchObject({
    status: 'refused',
    code: 'not_found',
    effectId: null,
  })
  const effect = effectOf('create_task', { title: 'Later' })
  await die(person, effect, true)
  await person.db
    .update(effects)
    .set({ status: 'failed', isRetryable: true, errorCode: 'unavailable' })
    .where(eq(effects.key, effect.key))
  expect(await realEffects(person).perform(effect)).toMatchObject({ status: 'done' })
  expect((await listTasks(person, { limit: 10 })).items).toHaveLength(1)
})

test('a key may do no more through the port than it may', async () => {
  const person = await makePerson()
  const key = { id: 'key_1', scopes: ['tasks:read', 'effects:write'], ratePerMinute: null }
  const byKey = { ...person, actor: { ...person.actor, key } }
  expect(await perform(byKey, 'create_task', { title: 'No' })).toMatchObject({ status: 'refused', code: 'forbidden' })
  const { effectId } = await done(person, 'create_task', { title: 'Mine' })
  expect(await undoEffect(byKey, effectId)).toMatchObject({ status: 'failed', says: 'This key may not delete_task' })
})

test('whoever is signed out does nothing', async () => {
  const person = await makePerson()
  const { effectId } = await done(person, 'create_task', { title: 'a' })
  await revoke(person)
  await expect(perform(person, 'create_task', { title: 'b' })).rejects.toThrow()
  await expect(undoEffect(person, effectId)).rejects.toThrow()
})

test("another person's effect is not there", async () => {
  const [owner, stranger] = [await makePerson(), await makePerson()]
  const { effectId } = await done(owner, 'create_task', { title: 'a' })
  await expect(getEffect(stranger, effectId)).rejects.toMatchObject({ code: 'not_found' })
  await expect(undoEffect(stranger, effectId)).rejects.toMatchObject({ code: 'not_found' })
  expect((await listEffects(stranger, { limit: 10 })).items).toEqual([])
})

test('what was changed since is left as it is, unless it is to be taken back all the same', async () => {
  const person = await makePerson()
  const task = idIn(await done(person, 'create_task', { title: 'a' }))
  const { effectId } = await done(person, 'update_task', { id: task, title: 'b' })
  await updateTask(person, task, { title: 'c' }, '*')
  expect(await undoEffect(person, effectId)).toMatchObject({ status: 'changed_since' })
  expect(await getTask(person, task)).toMatchObject({ title: 'c' })
  expect(await undoEffect(person, effectId, { force: true })).toEqual({
    id: effectId,
    status: 'undone',
    says: 'Changed “a” back',
  })
  expect(await getTask(person, task)).toMatchObject({ title: 'a' })
  expect(await undoEffect(person, effectId)).toMatchObject({ status: 'already' })
})

test('several acts on one thing are taken back one by one, the last first', async () => {
  const person = await makePerson()
  const task = idIn(await done(person, 'create_task', { title: 'a' }))
  const second = await done(person, 'update_task', { id: task, title: 'b' })
  const third = await done(person, 'update_task', { id: task, priority: 'high' })
  expect((await undoEffect(person, second.effectId)).status).toBe('changed_since')
  expect((await undoEffect(person, third.effectId)).status).toBe('undone')
  expect((await undoEffect(person, second.effectId)).status).toBe('undone')
  expect(await getTask(person, task)).toMatchObject({ title: 'a', priority: 'medium' })
})

test('a run is taken back in reverse, and what is irreversible says so', async () => {
  const person = await makePerson()
  const origin: Origin = { kind: 'run', runId: 'run_2', step: 'a' }
  const project = idIn(await done(person, 'create_project', { name: 'Old' }))
  const task = idIn(await done(person, 'create_task', { title: 'a' }, { origin }))
  await done(person, 'update_task', { id: task, title: 'b' }, { origin })
  await done(person, 'complete_task', { id: task }, { origin })
  await done(person, 'remember', { text: 'Likes tea' }, { origin })
  const deleted = await done(person, 'delete_project', { id: project }, { origin })
  expect(await getEffect(person, deleted.effectId)).toMatchObject({ reversible: false, undoUntil: null })
  const { items: undone, nextCursor } = await undoRun(person, 'run_2')
  expect(nextCursor).toBe(null)
  expect(undone.map(({ status }) => status)).toEqual(['irreversible', 'undone', 'undone', 'undone', 'undone'])
  expect((await listTasks(person, { limit: 10 })).items).toEqual([])
  expect((await listMemories(person, { limit: 10 })).items).toEqual([])
  expect((await undoRun(person, 'run_2')).items.map(({ status }) => status)).toEqual(['irreversible'])
})

test('everything since an instant is taken back, and nothing before', async () => {
  const times = { now: new Date('2031-01-01T08:59:00Z') }
  const person = await makePerson({ now: () => times.now })
  await done(person, 'create_task', { title: 'early' })
  times.now = new Date('2031-01-01T09:01:00Z')
  await done(person, 'create_task', { title: 'late' })
  const { items } = await undoSince(person, new Date('2031-01-01T09:00:00Z'))
  expect(items.map(({ status }) => status)).toEqual(['undone'])
  expect((await listTasks(person, { limit: 10 })).items.map(({ title }) => title)).toEqual(['early'])
})

test('the window of an undo ends', async () => {
  const times = { now: new Date('2031-01-01T08:59:00Z') }
  const person = await makePerson({ now: () => times.now })
  const { effectId } = await done(person, 'create_task', { title: 'old' })
  times.now = new Date('2031-01-30T08:59:01Z')
  expect(await undoEffect(person, effectId)).toMatchObject({ status: 'too_late' })
})

test('the recorder says what would be done, and writes nothing', async () => {
  const person = await makePerson()
  const task = idIn(await done(person, 'create_task', { title: 'a' }))
  const port: Effects & { recorded: Recorded[] } = recordingEffects(person)
  const made: Outcome = await port.perform(effectOf('create_task', { title: 'b' }))
  expect(made).toMatchObject({ status: 'done', output: { title: 'b', id: expect.stringMatching(/^task_/) } })
  await port.perform(effectOf('complete_task', { id: task }))
  expect(await port.perform(effectOf('complete_task', { id: 7 }))).toMatchObject({ status: 'refused' })
  expect(port.recorded).toMatchObject([
    { kind: 'create_task', says: 'Create “b”', outward: false, reversible: true },
    { kind: 'complete_task', says: 'Complete “a”', changes: [{ target: task, before: { status: 'pending' } }] },
  ])
  expect((await listTasks(person, { limit: 10 })).items).toHaveLength(1)
  expect((await listEffects(person, { limit: 10 })).items).toHaveLength(1)
})

test('several things changed at once are seen, done and taken back at once', async () => {
  const person = await makePerson()
  const ids = await Promise.all(['a', 'b'].map(async (title) => idIn(await done(person, 'create_task', { title }))))
  const input = { items: ids.map((id) => ({ id, title: 'same' })) }
  const port = recordingEffects(person)
  await port.perform(effectOf('bulk_update', input))
  expect(port.recorded[0]?.changes.map(({ before }) => before)).toEqual([{ title: 'a' }, { title: 'b' }])
  const { effectId } = await done(person, 'bulk_update', input)
  await undoEffect(person, effectId)
  const titles = await Promise.all(ids.map(async (id) => (await getTask(person, id)).title))
  expect(titles).toEqual(['a', 'b'])
})

test('what a recorder looks with cannot write, whoever tries', async () => {
  const person = await makePerson()
  const task = idIn(await done(person, 'create_task', { title: 'a' }))
  await expect(updateTask(readOnly(person), task, { title: 'b' }, '*')).rejects.toMatchObject({ code: '25006' })
  await expect(realEffects(readOnly(person)).perform(effectOf('forget', { id: task }))).resolves.toMatchObject({
    status: 'refused',
  })
  await expect(perform(readOnly(person), 'create_task', { title: 'b' })).rejects.toMatchObject({
    cause: { code: '25006' },
  })
  expect(await getTask(readOnly(person), task)).toMatchObject({ title: 'a' })
})

test('every kind has a plan, and says before it is done whether it can be taken back', () => {
  expect(effectKinds().length).toBeGreaterThan(14)
  const lacking = ({ tool, ...kind }: EffectKind) =>
    tool.plan && (tool.state || kind.undoWindowMs === null) ? [] : tool.name
  expect(effectKinds().flatMap(lacking)).toEqual([])
  expect([effectKind('delete_project')?.undoWindowMs, effectKind('find_tasks')]).toEqual([null, undefined])
})
