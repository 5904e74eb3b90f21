import { z } from '@hono/zod-openapi'
import { answer, body, createApp, created, etag, ifMatch, personRoute, s, versioned } from '#core'
import { recordAct } from '#database'
import { listDeliveries, replayDelivery, testWebhook } from './deliveries.ts'
import { addWebhook, getWebhook, listWebhooks, removeWebhook, rotateSecret, updateWebhook } from './endpoints.ts'
import {
  Delivery,
  DeliveryPage,
  NewWebhook,
  SecretRotation,
  Webhook,
  WebhookPage,
  WebhookPatch,
  WebhookWithSecret,
} from './schema.ts'
import { sendDue } from './send.ts'

const tags = ['Webhooks']
const webhookId = z.strictObject({ id: s.id('whk') })
const FRESH = 'Asks for a sign-in of the last five minutes: else 401 `step_up_required`.'

const listRoute = personRoute({
  method: 'get',
  path: '/webhooks',
  operationId: 'listWebhooks',
  summary: 'Where events are posted',
  tags,
  request: { query: z.strictObject({ limit: s.limit, cursor: s.cursor }) },
  responses: { 200: answer(WebhookPage, 'A page, newest first') },
})
const addRoute = personRoute(
  {
    method: 'post',
    path: '/webhooks',
    operationId: 'addWebhook',
    summary: 'Have events posted to an address; its secret is shown once',
    description: `Signed by Standard Webhooks 1.0, tried ten times in three days; at least once, in no promised order. ${FRESH}`,
    tags,
    request: { body: body(NewWebhook) },
    responses: { 201: created(WebhookWithSecret, 'Added') },
  },
  // A stored answer would hand the secret out again.
  { idempotent: false, problems: [409] },
)
const showRoute = personRoute({
  method: 'get',
  path: '/webhooks/{id}',
  operationId: 'getWebhook',
  summary: 'One webhook, and whether it was switched off',
  tags,
  request: { params: webhookId },
  responses: { 200: versioned(Webhook, 'The webhook') },
})
const changeRoute = personRoute(
  {
    method: 'patch',
    path: '/webhooks/{id}',
    operationId: 'updateWebhook',
    summary: 'Change, or switch on or off',
    description: FRESH,
    tags,
    request: { params: webhookId, body: body(WebhookPatch) },
    responses: { 200: versioned(Webhook, 'Changed') },
  },
  { ifMatch: true },
)
const removeRoute = personRoute({
  method: 'delete',
  path: '/webhooks/{id}',
  operationId: 'removeWebhook',
  summary: 'Remove it, with what was still to be sent',
  tags,
  request: { params: webhookId },
  responses: { 204: { description: 'Gone' } },
})
const rotateRoute = personRoute(
  {
    method: 'post',
    path: '/webhooks/{id}/rotate',
    operationId: 'rotateWebhookSecret',
    summary: 'A new secret; the one before signs too for a while',
    description: FRESH,
    tags,
    request: { params: webhookId, body: body(SecretRotation) },
    responses: { 200: versioned(WebhookWithSecret, 'The webhook with its new secret') },
  },
  { idempotent: false, problems: [412] },
)
const testRoute = personRoute({
  method: 'post',
  path: '/webhooks/{id}/test',
  operationId: 'testWebhook',
  summary: 'Send a `webhook.test` now',
  tags,
  request: { params: webhookId },
  responses: { 202: answer(Delivery, 'It is on its way') },
})
const deliveriesRoute = personRoute({
  method: 'get',
  path: '/webhooks/{id}/deliveries',
  operationId: 'listWebhookDeliveries',
  summary: 'What was sent in the last thirty days, and what came back',
  tags,
  request: {
    params: webhookId,
    query: z.strictObject({
      limit: s.limit,
      cursor: s.cursor,
      status: z.enum(['pending', 'delivered', 'failed']).optional(),
    }),
  },
  responses: { 200: answer(DeliveryPage, 'A page, newest first') },
})
const replayRoute = personRoute({
  method: 'post',
  path: '/webhook-deliveries/{id}/replay',
  operationId: 'replayWebhookDelivery',
  summary: 'Send one again, under the same id',
  tags,
  request: { params: z.strictObject({ id: s.id('whd') }) },
  responses: { 202: answer(Delivery, 'It is on its way') },
})

export const app = createApp()
  .openapi(listRoute, async (c) => c.json(await listWebhooks(c.var.ctx, c.req.valid('query')), 200))
  .openapi(addRoute, async (c) => {
    const added = await addWebhook(c.var.ctx, c.req.valid('json'))
    return c.json(added, 201, { ...etag(added.version), Location: `/v1/webhooks/${added.id}` })
  })
  .openapi(showRoute, async (c) => {
    const found = await getWebhook(c.var.ctx, c.req.valid('param').id)
    return c.json(found, 200, etag(found.version))
  })
  .openapi(changeRoute, async (c) => {
    const changed = await ifMatch(c, (version) =>
      updateWebhook(c.var.ctx, c.req.valid('param').id, c.req.valid('json'), version),
    )
    return c.json(changed, 200, etag(changed.version))
  })
  .openapi(removeRoute, async (c) => {
    await removeWebhook(c.var.ctx, c.req.valid('param').id)
    return c.body(null, 204)
  })
  .openapi(rotateRoute, async (c) => {
    const rotated = await rotateSecret(c.var.ctx, c.req.valid('param').id, c.req.valid('json'))
    return c.json(rotated, 200, etag(rotated.version))
  })
  .openapi(testRoute, async (c) => {
    const { ctx } = c.var
    const delivery = await testWebhook(ctx, c.req.valid('param').id)
    await recordAct(ctx, { person: ctx.actor.userId, target: c.req.valid('param').id, changes: {} })
    ctx.waitUntil(sendDue(ctx, ctx.actor.userId))
    return c.json(delivery, 202)
  })
  .openapi(deliveriesRoute, async (c) =>
    c.json(await listDeliveries(c.var.ctx, c.req.valid('param').id, c.req.valid('query')), 200),
  )
  .openapi(replayRoute, async (c) => {
    const { ctx } = c.var
    const delivery = await replayDelivery(ctx, c.req.valid('param').id)
    await recordAct(ctx, { person: ctx.actor.userId, target: delivery.id, changes: {} })
    ctx.waitUntil(sendDue(ctx, ctx.actor.userId))
    return c.json(delivery, 202)
  })
