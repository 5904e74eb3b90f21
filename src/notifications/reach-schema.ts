import { z } from 'zod'
import { s } from '#core'
import { NotificationKind } from './schema.ts'

const base64url = (chars: number) =>
  z
    .string()
    .length(chars)
    .regex(/^[\w-]+$/)
const name = s.line(100).openapi({ example: 'Pixel 9' })

/** Where push goes, by kind: what a browser's subscription says, or the token an app was given. */
export const NewDevice = z
  .discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('web_push'),
      name,
      endpoint: z.url().max(1000).openapi({ example: 'https://push.example.com/send/abc' }),
      keys: z.strictObject({ p256dh: base64url(87), auth: base64url(22) }),
    }),
    z.strictObject({
      kind: z.literal('fcm'),
      name,
      token: z
        .string()
        .min(20)
        .max(4096)
        .regex(/^[\w:.-]+$/),
    }),
    z.strictObject({
      kind: z.literal('apns'),
      name,
      token: z
        .string()
        .min(32)
        .max(400)
        .regex(/^(?:[\da-f]{2})+$/i),
    }),
  ])
  .openapi('NewDevice')
export type NewDevice = z.infer<typeof NewDevice>

/** What is sealed of a device. */
export const DeviceAddress = z.union([
  z.strictObject({ endpoint: z.string(), keys: z.strictObject({ p256dh: z.string(), auth: z.string() }) }),
  z.strictObject({ token: z.string() }),
])
export type DeviceAddress = z.infer<typeof DeviceAddress>

export const Device = s.later(() =>
  z
    .strictObject({
      id: s.id('dev'),
      kind: z.enum(['web_push', 'fcm', 'apns']),
      name: z.string().max(100),
      isCurrent: z.boolean().openapi({ description: 'Whether the sign-in that asks registered it' }),
      lastSentAt: s.instant.nullable(),
      createdAt: s.instant,
      updatedAt: s.instant,
    })
    .openapi('Device'),
)
export type Device = z.infer<ReturnType<typeof Device>>
export const DevicePage = s.later(() => s.pageOf(Device()).openapi('DevicePage'))

export const WebPushKey = s.later(() =>
  z
    .strictObject({
      publicKey: z
        .string()
        .max(100)
        .nullable()
        .openapi({ description: 'The `applicationServerKey` of a subscription; null: there is no Web Push here' }),
    })
    .openapi('WebPushKey'),
)

const clock = z
  .string()
  .max(5)
  .regex(/^([01]\d|2[0-3]):[0-5]\d$/)
const reach = z.enum(['never', 'important', 'always'])
const rule = {
  push: reach.openapi({ description: '`important`: of high or urgent priority alone' }),
  mail: reach,
  timing: z.enum(['instant', 'hourly', 'daily']).openapi({
    description:
      'What is not urgent is gathered into one mail an hour, or a day, in place of a push; nothing where mail is `never`. Suggestions that are routine are gathered each hour, unless a rule says otherwise',
  }),
}
const Rule = z.strictObject(rule)
const KindRule = z.strictObject({ kind: NotificationKind, ...rule })
const MAX_RULES = NotificationKind.options.length

const settings = {
  default: Rule.openapi({ description: 'For every kind without a rule of its own' }),
  rules: s
    .list(KindRule, MAX_RULES)
    .refine((rules) => new Set(rules.map(({ kind }) => kind)).size === rules.length, 'has two rules of one kind'),
  urgentBreaksQuiet: z.boolean().openapi({ description: 'Whether what is urgent may be pushed in quiet hours' }),
  pushAfterSeconds: s.int(0, 3600).openapi({ description: 'How long a socket has before what is unseen is pushed' }),
  mailAfterMinutes: s.int(1, 1440).openapi({ description: 'And how long push has before a mail is sent' }),
  dailyAt: clock.openapi({ description: "When the day's mail comes, in the person's zone", example: '08:00' }),
}
/** How a person is told. */
export const Settings = z.strictObject(settings)
export type Settings = z.infer<typeof Settings>

/** Of whoever said nothing: a socket first, push half a minute later, and mail for what is important. */
export const DEFAULTS: Settings = {
  default: { push: 'always', mail: 'important', timing: 'instant' },
  rules: [],
  urgentBreaksQuiet: false,
  pushAfterSeconds: 30,
  mailAfterMinutes: 10,
  dailyAt: '08:00',
}

export const NotificationSettings = s.later(() =>
  z.strictObject({ ...settings, version: s.int(1, 2_147_483_647) }).openapi('NotificationSettings'),
)
export type NotificationSettings = z.infer<ReturnType<typeof NotificationSettings>>
export const NotificationSettingsPatch = Settings.partial().openapi('NotificationSettingsPatch')
export type NotificationSettingsPatch = z.infer<typeof NotificationSettingsPatch>

export const NotificationDelivery = s.later(() =>
  z
    .strictObject({
      id: s.id('dlv'),
      channel: z.enum(['socket', 'push', 'mail', 'digest']),
      purpose: z.enum(['show', 'clear']),
      deviceId: s.id('dev').nullable(),
      status: z.enum(['waiting', 'sending', 'sent', 'acknowledged', 'skipped', 'failed', 'unknown']).openapi({
        description: '`unknown`: it may have arrived, and nobody can say; it is not sent again',
      }),
      reason: z.string().max(300).nullable(),
      attempts: s.int(0, 1000),
      dueAt: s.instant,
      endedAt: s.instant.nullable(),
      createdAt: s.instant,
    })
    .openapi('NotificationDelivery'),
)
export type NotificationDelivery = z.infer<ReturnType<typeof NotificationDelivery>>
export const NotificationDeliveries = s.later(() =>
  z.strictObject({ items: s.list(NotificationDelivery(), 100) }).openapi('NotificationDeliveries'),
)
