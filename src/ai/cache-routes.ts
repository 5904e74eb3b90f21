import { createApp, personRoute } from '#core'
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
  return c.body(null, 204)
})
