import { z } from '@hono/zod-openapi'
import { Part } from '#assistant'
import { recurrenceProblem, s } from '#core'
import { NotificationAction, NotificationKind, NotificationLink } from '#notifications'

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

const MAX_VERSION = 2_147_483_647
const MAX_ITEMS = 100

const version = s.int(1, MAX_VERSION)
const count = s.int(0, MAX_VERSION)
const at = s.instant.nullable()
const position = z.number().min(-1e15).max(1e15)
// The id of what was exported: it names nothing that is here.
const oldId = (prefix: string) =>
  z
    .string()
    .max(40)
    .regex(new RegExp(`^(?:${prefix})_[0-9a-hjkmnp-tv-z]{26}$`))
    .openapi({ example: `${prefix}_01jd6w3k9q0123456789abcdef` })
const userId = oldId('usr')
const time = z
  .string()
  .max(8)
  .regex(/^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?$/)
  .nullable()
const date = s.localDate.nullable()
const zone = s.timeZone.nullable()
const kept = { userId, version, createdAt: s.instant, updatedAt: s.instant }
const line = (max: number) => s.line(max).nullable()
const rule = z
  .string()
  .max(500)
  .refine((rule) => recurrenceProblem(rule) === undefined, 'must be a rule')
  .nullable()

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
  ])
  .openapi('Import')
export type Import = z.infer<typeof Import>

export const Imported = s.later(() =>
  z
    .strictObject({
      imported: s.int(0, MAX_ITEMS),
      known: s.int(0, MAX_ITEMS).openapi({ description: 'Were imported before' }),
      left: s.list(z.string().max(40), MAX_ITEMS).openapi({
        description:
          'The ids of those whose project, parent or conversation is not there yet, and of series beyond 200',
      }),
    })
    .openapi('Imported'),
)
export type Imported = z.infer<ReturnType<typeof Imported>>
