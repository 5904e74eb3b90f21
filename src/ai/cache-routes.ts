import { createApp, personRoute } from '#core'
import { recordAct } from '#database'
import { clearCache } from './cache.ts'

const clearRoute = personRoute({
  method: 'delete',
  path: '/ai/cache',
  operationId: 'clearAnswerCache',
  summary: 'Forget every answer that was kept to be given again',
  tags: ['AI'],
  responses: { 204: { description: 'Forgotten' } },
})

export const cacheApp = createApp().openapi(clearRoute, async (c) => {
  await clearCache(c.var.ctx)
  const { userId } = c.var.ctx.actor
  await recordAct(c.var.ctx, { person: userId, target: userId })
  return c.body(null, 204)
})
