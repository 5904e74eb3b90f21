import { z } from '@hono/zod-openapi'
import { Part } from '#assistant'
import { s } from '#core'
import { NotificationAction, NotificationKind, NotificationLink } from '#notifications'
import {
  at,
  count,
  date,
  kept,
  line,
  MAX_ITEMS,
  oldId,
  position,
  RoomFile,
  rule,
  time,
  userId,
  zone,
} from './import-schema.ts'

export const Deletion = s.later(() =>
  z
    .strictObject({
      deletionAt: s.instant.openapi({ description: 'Until then it can be taken back' }),
      receiptId: s.id('era').openapi({ description: 'Under which the receipt is found afterwards' }),
    })
    .openapi('Deletion'),
)
export type Deletion = z.infer<ReturnType<typeof Deletion>>

export const Receipt = s.later(() =>
  z
    .strictObject({
      id: s.id('era'),
      receipt: z.string().max(4000).openapi({
        description:
          'A JWS by a key of /.well-known/jwks.json, type `erasure-receipt+jwt`: `subject_hash` (SHA-256 of the id of the person, base64url) and what each store held',
      }),
      erasedAt: s.instant,
    })
    .openapi('ErasureReceipt'),
)
export type Receipt = z.infer<ReturnType<typeof Receipt>>

export const DataExport = s.later(() =>
  z
    .strictObject({
      id: s.id('exp'),
      state: z.enum(['running', 'ready', 'failed']),
      sizeBytes: s.int(0, Number.MAX_SAFE_INTEGER).nullable(),
      createdAt: s.instant,
      readyAt: s.instant.nullable(),
      expiresAt: s.instant.nullable().openapi({ description: 'When the archive is deleted' }),
    })
    .openapi('DataExport'),
)
export type DataExport = z.infer<ReturnType<typeof DataExport>>
export const DataExportPage = s.later(() => s.pageOf(DataExport()).openapi('DataExportPage'))

const Project = z.strictObject({
  id: oldId('prj'),
  ...kept,
  name: s.line(100),
  colour: z
    .string()
    .max(7)
    .regex(/^#[0-9A-Fa-f]{6}$/)
    .nullable(),
  icon: line(40),
  position,
  archivedAt: at,
})
const Task = z
  .strictObject({
    id: oldId('task'),
    ...kept,
    title: s.line(300),
    notes: s.text(20_000),
    status: z.enum(['pending', 'in_progress', 'completed', 'cancelled']),
    priority: z.enum(['low', 'medium', 'high', 'urgent']),
    labels: s.list(s.line(50), 20),
    projectId: oldId('prj').nullable(),
    parentId: oldId('task').nullable(),
    startDate: date,
    startTime: time,
    startZone: zone,
    startAt: at,
    dueDate: date,
    dueTime: time,
    dueZone: zone,
    dueAt: at,
    remindDate: date,
    remindTime: time,
    remindZone: zone,
    remindAt: at,
    remindedAt: at,
    estimateMinutes: count.nullable(),
    actualMinutes: count.nullable(),
    recurrence: rule,
    followsId: oldId('task').nullable(),
    position,
    externalProvider: line(50),
    externalId: line(500),
    aiReason: s.text(1000).nullable(),
    aiConfidence: z.number().min(0).max(1).nullable(),
    completedAt: at,
    deletedAt: at,
  })
  .refine(({ status, completedAt }) => (status === 'completed') === (completedAt !== null), {
    path: ['completedAt'],
    message: 'goes with the status',
  })
const different = {
  title: s.text(300).optional(),
  notes: s.text(20_000).optional(),
  location: s.text(500).optional(),
  status: z.enum(['confirmed', 'tentative', 'cancelled']).optional(),
  transparency: z.enum(['busy', 'free']).optional(),
  start: s.MomentInput.optional(),
  end: s.MomentInput.optional(),
}
const CalendarEvent = z
  .strictObject({
    id: oldId('cal'),
    ...kept,
    title: s.line(300),
    notes: s.text(20_000),
    location: s.text(500),
    status: z.enum(['confirmed', 'tentative', 'cancelled']),
    transparency: z.enum(['busy', 'free']),
    attendees: s.list(
      z.strictObject({
        name: s.text(200).nullable(),
        address: z.email().max(254),
        response: z.enum(['needs_action', 'accepted', 'tentative', 'declined']),
      }),
      100,
    ),
    startDate: s.localDate,
    startTime: time,
    startZone: s.timeZone,
    startAt: s.instant,
    endDate: s.localDate,
    endTime: time,
    endZone: s.timeZone,
    endAt: s.instant,
    recurrence: rule,
    exceptions: z
      .record(s.localDate, z.strictObject({ isCancelled: z.boolean(), ...different }))
      .refine((all) => Object.keys(all).length <= 200, 'must not hold more than 200 days'),
    reminders: s.list(s.int(0, 40_320), 5),
    externalProvider: line(50),
    externalId: line(500),
    deletedAt: at,
  })
  .refine(({ startTime, endTime }) => (startTime === null) === (endTime === null), {
    path: ['endTime'],
    message: 'goes with that of the start',
  })
  .refine(({ startAt, endAt }) => startAt <= endAt, { path: ['endAt'], message: 'must not come before the start' })
const Conversation = z.strictObject({ id: oldId('cnv'), ...kept, title: s.text(300) })
const Message = z.strictObject({
  id: oldId('msg'),
  userId,
  conversationId: oldId('cnv'),
  turnId: oldId('turn'),
  role: z.enum(['user', 'assistant']),
  // One that was still being said has ended by now.
  status: z
    .enum(['streaming', 'done', 'failed', 'cancelled', 'interrupted'])
    .overwrite((status) => (status === 'streaming' ? 'interrupted' : status)),
  parts: s.list(Part(), 500),
  undoneCalls: s.list(s.text(100), 500),
  callId: oldId('aic').nullable(),
  provider: line(50),
  model: line(100),
  inputTokens: count,
  outputTokens: count,
  cacheReadTokens: count,
  cacheWriteTokens: count,
  costMicros: s.int(0, Number.MAX_SAFE_INTEGER),
  firstTokenMs: count.nullable(),
  totalMs: count.nullable(),
  errorCode: line(50),
  createdAt: s.instant,
  updatedAt: s.instant,
})
const Memory = z.strictObject({
  id: oldId('mem'),
  ...kept,
  kind: z.enum(['fact', 'preference', 'person']),
  text: s.text(1000, 1),
  sourceMessageId: oldId('msg').nullable(),
  deletedAt: at,
})
const Notification = z.strictObject({
  id: oldId('ntf'),
  ...kept,
  kind: NotificationKind,
  title: s.text(300),
  body: s.text(500),
  priority: z.enum(['low', 'medium', 'high', 'urgent']),
  link: NotificationLink.nullable(),
  dedupeKey: s.text(200, 1),
  // What they led to is not here.
  actions: s
    .list(NotificationAction, 4)
    .default([])
    .overwrite(() => []),
  actionTaken: s
    .text(40)
    .nullable()
    .default(null)
    .overwrite(() => null),
  collapseKey: s.text(200, 1).nullable().default(null),
  seenAt: at.default(null),
  scheduledAt: at,
  readAt: at,
  expiresAt: at,
})

const items = <T extends z.ZodType>(item: T) => s.list(item, MAX_ITEMS, 1)
const part = <N extends string, T extends z.ZodType>(file: N, item: T) =>
  z.strictObject({ file: z.literal(file), items: items(item) })

const MAX_ITEM_CHARS = 500_000
const MAX_ITEM_DEPTH = 40
const roomItem = s.payload(MAX_ITEM_CHARS, MAX_ITEM_DEPTH)

/** Items of one file of an archive, as they are in it. */
export const Import = z
  .discriminatedUnion('file', [
    part('projects', Project),
    part('tasks', Task),
    part('calendar_events', CalendarEvent),
    part('conversations', Conversation),
    part('messages', Message),
    part('memories', Memory),
    part('notifications', Notification),
    z.strictObject({
      file: RoomFile,
      items: items(roomItem).openapi({
        description: 'Looked at one by one: what is wrong with one is told in `refused`',
      }),
    }),
  ])
  .openapi('Import')
export type Import = z.infer<typeof Import>

const MAX_REFUSED = 1000
const ids = () => s.list(z.string().max(50), MAX_ITEMS)
export const Imported = s.later(() =>
  z
    .strictObject({
      imported: s.int(0, MAX_ITEMS),
      known: s.int(0, MAX_ITEMS).openapi({ description: 'Were imported before' }),
      left: ids().openapi({
        description:
          'The ids of those that belong to what is not there yet (a project, a parent, a conversation, a workflow, a suggestion), or are more than a person may have',
      }),
      refused: s
        .list(z.strictObject({ pointer: z.string().max(300), detail: z.string().max(500) }), MAX_REFUSED)
        .openapi({ description: 'What is wrong with those that cannot be taken' }),
      switchedOff: ids().openapi({
        description:
          'The ids here of schedules and workflows that were on, and are off until somebody switches them on',
      }),
    })
    .openapi('Imported'),
)
export type Imported = z.infer<ReturnType<typeof Imported>>
