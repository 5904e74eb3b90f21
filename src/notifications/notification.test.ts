import { and, eq, like } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { AppError, type UserCtx } from '#core'
import { databaseFailure } from '#database'
import { outbox } from '#queue/tables'
import { makePerson, type Person, revoke } from '#test/database'
import {
  deleteNotification,
  listNotifications,
  markAllRead,
  markRead,
  markSeen,
  pruneNotifications,
  takeAction,
  unreadCount,
} from './notification.ts'
import { insertNotification, notify as tellOnce } from './notify.ts'
import type { NewNotification } from './schema.ts'
import { notifications } from './tables.ts'

const STRANGER = 'ntf_00000000000000000000000000'

function said(dedupeKey: string, over: Partial<NewNotification> = {}): NewNotification {
  return { kind: 'reminder', title: `Said ${dedupeKey}`, dedupeKey, ...over }
}

/** The id of what they are told; undefined: they were told before. */
async function notify({ db, actor, newId }: Person, input: NewNotification): Promise<string | undefined> {
  const [made] = await insertNotification(db, actor, newId('ntf'), input)
  return made?.id
}

async function tell(person: Person, ...keys: string[]): Promise<string[]> {
  const ids: string[] = []
  for (const key of keys) ids.push((await notify(person, said(key))) ?? '')
  person.meter.trips = 0
  return ids
}

const all = (person: Person) => listNotifications(person, { limit: 100 })

async function eventsOf(person: Person, type: string) {
  return person.db
    .select({ key: outbox.key, room: outbox.room, data: outbox.data })
    .from(outbox)
    .where(and(eq(outbox.userId, person.actor.userId), like(outbox.type, type)))
}

async function codeOf(work: Promise<unknown>): Promise<string | undefined> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  return (databaseFailure(error) ?? (error instanceof AppError ? error : undefined))?.code
}

test('a person is told something once, with one event on their sockets', async () => {
  const person = await makePerson()
  const first = await notify(person, said('a', { link: { kind: 'task', id: 'task_00000000000000000000000000' } }))
  expect(person.meter.trips).toBe(1)
  const second = await notify(person, said('a', { title: 'Other words' }))
  expect(second).toBeUndefined()
  const { items } = await all(person)
  expect(items).toMatchObject([{ id: first, title: 'Said a', priority: 'medium', readAt: null, version: 1 }])
  const events = await eventsOf(person, 'notification.created')
  expect(events).toEqual([{ key: first, room: 'notifications', data: items[0] }])
})

test('told by many at once, it is told once', async () => {
  const person = await makePerson()
  const told = await Promise.all(Array.from({ length: 8 }, () => notify(person, said('same'))))
  expect(told.filter(Boolean)).toHaveLength(1)
})

test('the list is paged newest first, and filtered by what is unread', async () => {
  const person = await makePerson()
  const ids = (await tell(person, 'a', 'b', 'c')).reverse()
  const first = await listNotifications(person, { limit: 2 })
  expect(person.meter.trips).toBe(1)
  const rest = await listNotifications(person, { limit: 2, cursor: first.nextCursor ?? '' })
  expect([...first.items, ...rest.items].map(({ id }) => id)).toEqual(ids)
  expect(rest.nextCursor).toBeNull()
  await markRead(person, ids[1] ?? '')
  const unread = await listNotifications(person, { limit: 10, unread: true, kind: 'reminder' })
  expect(unread.items.map(({ id }) => id)).toEqual([ids[0], ids[2]])
  const read = await listNotifications(person, { limit: 10, unread: false })
  expect(read.items.map(({ id }) => id)).toEqual([ids[1]])
})

test('a cursor of another list is refused', async () => {
  const person = await makePerson()
  expect(await codeOf(listNotifications(person, { limit: 2, cursor: 'eyJsIjoieCIsImsiOltdfQ' }))).toBe('invalid_cursor')
})

test('reading one twice changes it once', async () => {
  const person = await makePerson()
  const [id = ''] = await tell(person, 'a')
  const first = await markRead(person, id)
  expect(person.meter.trips).toBe(1)
  expect(first).toMatchObject({ id, version: 2, readAt: expect.any(String) })
  expect(await markRead(person, id)).toEqual(first)
  expect(await eventsOf(person, 'notification.updated')).toEqual([{ key: id, room: 'notifications', data: first }])
  expect(await unreadCount(person)).toBe(0)
})

test('reading all is one statement with one event, and nothing when nothing is unread', async () => {
  const person = await makePerson()
  await tell(person, 'a', 'b', 'c')
  expect(await unreadCount(person)).toBe(3)
  person.meter.trips = 0
  const result = await markAllRead(person)
  expect(person.meter.trips).toBe(1)
  expect(result).toEqual({ marked: 3, readAt: expect.stringMatching(/^\d{4}-.*Z$/) })
  expect(await markAllRead(person)).toEqual({ marked: 0, readAt: null })
  expect(await unreadCount(person)).toBe(0)
  expect(await eventsOf(person, 'notification.all_read')).toEqual([
    { key: person.actor.userId, room: 'notifications', data: result },
  ])
})

test('what was deleted is gone with its words, and does not come again when it is said again', async () => {
  const person = await makePerson()
  const [id = ''] = await tell(person, 'a')
  await deleteNotification(person, id)
  expect(person.meter.trips).toBe(1)
  expect((await all(person)).items).toEqual([])
  expect(await unreadCount(person)).toBe(0)
  expect(await notify(person, said('a'))).toBeUndefined()
  expect((await all(person)).items).toEqual([])
  const [kept] = await person.db
    .select({ title: notifications.title })
    .from(notifications)
    .where(eq(notifications.id, id))
  expect(kept).toEqual({ title: '' })
  expect(await codeOf(deleteNotification(person, id))).toBe('not_found')
  expect(await eventsOf(person, 'notification.deleted')).toEqual([{ key: id, room: 'notifications', data: { id } }])
})

test('what expired is not shown, not counted and in a month forgotten', async () => {
  const person = await makePerson()
  await notify(person, said('old', { expiresAt: new Date('2020-01-01') }))
  await notify(person, said('new', { expiresAt: new Date('2999-01-01') }))
  expect((await all(person)).items).toMatchObject([{ title: 'Said new' }])
  expect(await unreadCount(person)).toBe(1)
  await pruneNotifications(person)
  const left = await person.db
    .select({ key: notifications.dedupeKey })
    .from(notifications)
    .where(eq(notifications.userId, person.actor.userId))
  expect(left).toEqual([{ key: 'new' }])
})

test('a long text is cut without breaking a character', async () => {
  const person = await makePerson()
  await notify(person, said('long', { title: `${'x'.repeat(298)}😀😀` }))
  const [item] = (await all(person)).items
  expect(item?.title).toBe(`${'x'.repeat(298)}…`)
})

const APPROVE = { id: 'yes', label: 'Do it', method: 'approve', target: '/v1/suggestions/sug_1/approve' } as const
const DISMISS = { id: 'no', label: 'Leave it', method: 'dismiss', target: '/v1/suggestions/sug_1/dismiss' } as const
const OPEN = { id: 'show', label: 'Show', method: 'open', target: '/tasks' } as const

test('told twice, the second time answers the first one', async () => {
  const person = await makePerson()
  const input = { kind: 'suggestion', title: 'Move it?', dedupeKey: 'a', actions: [APPROVE, DISMISS] } as const
  const first = await tellOnce(person, { ...input, actions: [...input.actions] })
  expect(first.isNew).toBe(true)
  expect(person.sent).toEqual([{ v: 1, kind: 'event', outboxId: `${first.id}.1.notification.created` }])
  expect(await tellOnce(person, { ...input, actions: [] })).toEqual({ id: first.id, isNew: false })
  expect((await all(person)).items).toMatchObject([{ id: first.id, actions: [APPROVE, DISMISS], actionTaken: null }])
})

test('a newer one replaces what was not yet seen, and nothing else', async () => {
  const person = await makePerson()
  const stranger = await makePerson()
  const collapsing = (key: string, collapseKey: string | null = 'build') => said(key, { collapseKey })
  await tellOnce(stranger, collapsing('theirs'))
  const { id: other } = await tellOnce(person, collapsing('other', 'weather'))
  const { id: none } = await tellOnce(person, collapsing('none', null))
  const { id: seen } = await tellOnce(person, collapsing('a'))
  await markSeen(person, seen)
  const { id: unseen } = await tellOnce(person, collapsing('b'))
  const { id: newest } = await tellOnce(person, collapsing('c'))
  expect((await all(person)).items.map(({ id }) => id)).toEqual([newest, seen, none, other])
  expect((await all(stranger)).items).toHaveLength(1)
  expect(await eventsOf(person, 'notification.deleted')).toMatchObject([{ key: unseen, data: { id: unseen } }])
  await tellOnce(person, collapsing('c'))
  expect((await all(person)).items).toHaveLength(4)
})

test('seen is not read; read is seen', async () => {
  const person = await makePerson()
  const [a = '', b = ''] = await tell(person, 'a', 'b')
  const seen = await markSeen(person, a)
  expect(seen).toMatchObject({ seenAt: expect.any(String), readAt: null, version: 2 })
  expect(await markSeen(person, a)).toEqual(seen)
  expect(await eventsOf(person, 'notification.updated')).toEqual([{ key: a, room: 'notifications', data: seen }])
  expect(await markRead(person, b)).toMatchObject({ seenAt: expect.any(String), readAt: expect.any(String) })
  expect(await unreadCount(person)).toBe(1)
})

test('an action is taken once, and told with what it was about', async () => {
  const person = await makePerson()
  const link = { kind: 'suggestion', id: 'sug_00000000000000000000000000' } as const
  const { id } = await tellOnce(person, said('a', { kind: 'suggestion', link, actions: [APPROVE, DISMISS, OPEN] }))
  expect(await takeAction(person, id, 'show')).toMatchObject({ actionTaken: null, readAt: expect.any(String) })
  const taken = await takeAction(person, id, 'yes')
  expect(taken).toMatchObject({ actionTaken: 'yes' })
  expect(await takeAction(person, id, 'yes')).toEqual(taken)
  expect(await codeOf(takeAction(person, id, 'no'))).toBe('conflict')
  expect(await codeOf(takeAction(person, id, 'other'))).toBe('not_found')
  const data = { id, kind: 'suggestion', action: APPROVE, link }
  expect(await eventsOf(person, 'notification.action')).toEqual([{ key: id, room: null, data }])
})

test('approved and dismissed at once, one of them holds', async () => {
  const person = await makePerson()
  const { id } = await tellOnce(person, said('a', { actions: [APPROVE, DISMISS] }))
  const codes = await Promise.all(['yes', 'no', 'yes', 'no'].map((action) => codeOf(takeAction(person, id, action))))
  expect(codes.filter((code) => code === 'conflict')).toHaveLength(2)
  expect(await eventsOf(person, 'notification.action')).toHaveLength(1)
})

test("another person's notification does not exist", async () => {
  const [owner, stranger] = [await makePerson(), await makePerson()]
  const [id = ''] = await tell(owner, 'a')
  expect((await all(stranger)).items).toEqual([])
  expect(await unreadCount(stranger)).toBe(0)
  expect(await codeOf(markRead(stranger, id))).toBe('not_found')
  expect(await codeOf(markSeen(stranger, id))).toBe('not_found')
  expect(await codeOf(takeAction(stranger, id, 'yes'))).toBe('not_found')
  expect(await codeOf(deleteNotification(stranger, id))).toBe('not_found')
  expect(await markAllRead(stranger)).toMatchObject({ marked: 0 })
  expect(await unreadCount(owner)).toBe(1)
  expect(await notify(stranger, said('a'))).toBeDefined()
})

test.each<[string, (ctx: UserCtx & Person) => Promise<unknown>]>([
  ['listing', (ctx) => listNotifications(ctx, { limit: 1 })],
  ['counting', unreadCount],
  ['reading', (ctx) => markRead(ctx, STRANGER)],
  ['seeing', (ctx) => markSeen(ctx, STRANGER)],
  ['acting', (ctx) => takeAction(ctx, STRANGER, 'yes')],
  ['telling once', (ctx) => tellOnce(ctx, said('x'))],
  ['reading all', markAllRead],
  ['deleting', (ctx) => deleteNotification(ctx, STRANGER)],
  ['telling', (ctx) => notify(ctx, said('x'))],
])('an ended session cannot go on %s, even where nothing is there', async (_name, verb) => {
  const person = await makePerson()
  await revoke(person)
  expect(await codeOf(verb(person))).toBe('session_ended')
})
