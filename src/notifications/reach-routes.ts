import { z } from 'zod'
import { answer, body, createApp, etag, ifMatch, personRoute, publicRoute, s, versioned } from '#core'
import { listDevices, registerDevice, removeDevice } from './devices.ts'
import { listDeliveries } from './ledger.ts'
import {
  Device,
  DevicePage,
  NewDevice,
  NotificationDeliveries,
  NotificationSettings,
  NotificationSettingsPatch,
  WebPushKey,
} from './reach-schema.ts'
import { getSettings, updateSettings } from './settings.ts'

const tags = ['Notifications']

const registerRoute = personRoute(
  {
    method: 'post',
    path: '/devices',
    operationId: 'registerDevice',
    summary: 'Register what push reaches, or say again that it is there',
    description: 'Push ends with the sign-in that registered it. Of more than twenty the oldest is forgotten.',
    tags,
    request: { body: body(NewDevice) },
    responses: { 201: answer(Device, 'The device') },
  },
  // The device itself says whether it was registered before.
  { idempotent: false },
)
const listRoute = personRoute({
  method: 'get',
  path: '/devices',
  operationId: 'listDevices',
  summary: 'What push reaches',
  tags,
  request: { query: z.strictObject({ limit: s.limit, cursor: s.cursor }) },
  responses: { 200: answer(DevicePage, 'Devices, in no order of time') },
})
const keyRoute = publicRoute({
  method: 'get',
  path: '/devices/web-push-key',
  operationId: 'getWebPushKey',
  summary: 'The key with which a browser subscribes to push',
  tags,
  responses: { 200: answer(WebPushKey, 'The key') },
})
const removeRoute = personRoute({
  method: 'delete',
  path: '/devices/{id}',
  operationId: 'removeDevice',
  summary: 'Push nothing there from now on',
  tags,
  request: { params: z.strictObject({ id: s.id('dev') }) },
  responses: { 204: { description: 'Removed' } },
})
const settingsRoute = personRoute({
  method: 'get',
  path: '/notifications/settings',
  operationId: 'getNotificationSettings',
  summary: 'How the person is told, by kind',
  description: 'Quiet hours and the zone are preferences of the person: `/v1/me/preferences`.',
  tags,
  responses: { 200: versioned(NotificationSettings, 'The settings') },
})
const changeRoute = personRoute(
  {
    method: 'patch',
    path: '/notifications/settings',
    operationId: 'updateNotificationSettings',
    summary: 'Change how the person is told',
    tags,
    request: { body: body(NotificationSettingsPatch) },
    responses: { 200: versioned(NotificationSettings, 'The settings, changed') },
  },
  { ifMatch: true },
)
const deliveriesRoute = personRoute({
  method: 'get',
  path: '/notifications/{id}/deliveries',
  operationId: 'listNotificationDeliveries',
  summary: 'By which ways it was told, and what became of each',
  tags,
  request: { params: z.strictObject({ id: s.id('ntf') }) },
  responses: { 200: answer(NotificationDeliveries, 'The ways, soonest first') },
})

export const reachApp = createApp()
  .openapi(registerRoute, async (c) => c.json(await registerDevice(c.var.ctx, c.req.valid('json')), 201))
  .openapi(listRoute, async (c) => c.json(await listDevices(c.var.ctx, c.req.valid('query')), 200))
  .openapi(keyRoute, (c) => c.json({ publicKey: c.var.ctx.config.push.vapid?.publicKey ?? null }, 200))
  .openapi(removeRoute, async (c) => {
    await removeDevice(c.var.ctx, c.req.valid('param').id)
    return c.body(null, 204)
  })
  .openapi(settingsRoute, async (c) => {
    const settings = await getSettings(c.var.ctx)
    return c.json(settings, 200, etag(settings.version))
  })
  .openapi(changeRoute, async (c) => {
    const settings = await ifMatch(c, (version) => updateSettings(c.var.ctx, c.req.valid('json'), version))
    return c.json(settings, 200, etag(settings.version))
  })
  .openapi(deliveriesRoute, async (c) => c.json(await listDeliveries(c.var.ctx, c.req.valid('param').id), 200))
