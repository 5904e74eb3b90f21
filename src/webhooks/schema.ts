import { z } from '@hono/zod-openapi'
import { s } from '#core'

/** What can be asked for: every event that a person's own sockets hear. */
export const EVENTS = [
  'me.updated',
  'task.created',
  'task.updated',
  'task.completed',
  'task.reopened',
  'task.deleted',
  'task.restored',
  'project.created',
  'project.updated',
  'project.deleted',
  'event.created',
  'event.updated',
  'event.deleted',
  'event.restored',
  'memory.created',
  'memory.updated',
  'memory.deleted',
  'workflow.created',
  'workflow.updated',
  'workflow.deleted',
  'notification.created',
  'notification.updated',
  'notification.deleted',
  'notification.all_read',
  'effect.updated',
  'run.updated',
  'schedule.created',
  'schedule.updated',
  'schedule.deleted',
  'schedule.due',
  'suggestion.created',
  'suggestion.updated',
  'commitment.created',
  'commitment.updated',
  'mail_draft.created',
  'mail_draft.updated',
  'mail_draft.deleted',
  'letter.settled',
] as const

const MAX_OVERLAP_S = 86_400
const MAX_URL = 2000

const url = z.url().max(MAX_URL).openapi({ example: 'https://hooks.example.com/aurelius' })
const description = s.text(200)
const events = s
  .list(z.enum(EVENTS), EVENTS.length)
  .refine((given) => new Set(given).size === given.length, 'must not say an event twice')
  .openapi({ description: 'Which are sent; none: all of them' })

export const NewWebhook = z
  .strictObject({ url, description: description.default(''), events: events.default([]) })
  .openapi('NewWebhook')
export type NewWebhook = z.infer<typeof NewWebhook>

export const WebhookPatch = z
  .strictObject({ url, description, events, enabled: z.boolean() })
  .partial()
  .openapi('WebhookPatch')
export type WebhookPatch = z.infer<typeof WebhookPatch>

export const SecretRotation = z
  .strictObject({
    overlapSeconds: s
      .int(0, MAX_OVERLAP_S)
      .default(MAX_OVERLAP_S)
      .openapi({ description: 'How long the secret before it signs too; a day at most' }),
  })
  .openapi('WebhookSecretRotation')
export type SecretRotation = z.infer<typeof SecretRotation>

const shown = () => ({
  id: s.id('whk'),
  url,
  description: z.string().max(200),
  events,
  enabled: z.boolean(),
  disabledReason: z
    .enum(['gone', 'failing'])
    .nullable()
    .openapi({ description: '`gone`: it answered 410; `failing`: nothing arrived for three days' }),
  previousSecretUntil: s.instant.nullable(),
  version: s.int(1, 2_147_483_647),
  createdAt: s.instant,
  updatedAt: s.instant,
})
export const Webhook = s.later(() => z.strictObject(shown()).openapi('Webhook'))
export type Webhook = z.infer<ReturnType<typeof Webhook>>
export const WebhookPage = s.later(() => s.pageOf(Webhook()).openapi('WebhookPage'))

export const WebhookWithSecret = s.later(() =>
  z
    .strictObject({
      ...shown(),
      secret: z.string().max(100).openapi({ description: 'Shown this once; `whsec_` and the key in base64' }),
    })
    .openapi('WebhookWithSecret'),
)
export type WebhookWithSecret = z.infer<ReturnType<typeof WebhookWithSecret>>

export const Delivery = s.later(() =>
  z
    .strictObject({
      id: s.id('whd').openapi({ description: 'Also its `webhook-id`, the same at every attempt' }),
      type: z.string().max(60),
      status: z.enum(['pending', 'delivered', 'failed']),
      attempts: s.int(0, 1000),
      responseStatus: s.int(100, 999).nullable(),
      error: z.string().max(300).nullable(),
      nextAttemptAt: s.instant.nullable(),
      createdAt: s.instant,
      endedAt: s.instant.nullable(),
    })
    .openapi('WebhookDelivery'),
)
export type Delivery = z.infer<ReturnType<typeof Delivery>>
export const DeliveryPage = s.later(() => s.pageOf(Delivery()).openapi('WebhookDeliveryPage'))
