import { z } from '@hono/zod-openapi'
import { answer, body, createApp, created, etag, ifMatch, personRoute, s, versioned } from '#core'
import * as memories from './memory.ts'
import { Memory, MemoryPage, MemoryPatch, NewMemory } from './schema.ts'

const page = { limit: s.limit, cursor: s.cursor }
const memoryId = z.strictObject({ id: s.id('mem') })
const memoryTags = ['Memories']
const gone = { 204: { description: 'Gone' } }

const memoriesRoute = personRoute({
  method: 'get',
  path: '/memories',
  operationId: 'listMemories',
  summary: 'What is remembered, newest first',
  tags: memoryTags,
  request: { query: z.strictObject({ ...page, text: s.text(200, 1).optional() }) },
  responses: { 200: answer(MemoryPage, 'A page') },
})
const rememberRoute = personRoute({
  method: 'post',
  path: '/memories',
  operationId: 'createMemory',
  summary: 'Remember something',
  tags: memoryTags,
  request: { body: body(NewMemory) },
  responses: { 201: created(Memory, 'Remembered') },
})
const memoryRoute = personRoute({
  method: 'get',
  path: '/memories/{id}',
  operationId: 'getMemory',
  summary: 'One memory, with where it came from',
  tags: memoryTags,
  request: { params: memoryId },
  responses: { 200: versioned(Memory, 'The memory') },
})
const correctRoute = personRoute(
  {
    method: 'patch',
    path: '/memories/{id}',
    operationId: 'updateMemory',
    summary: 'Correct a memory',
    tags: memoryTags,
    request: { params: memoryId, body: body(MemoryPatch) },
    responses: { 200: versioned(Memory, 'Corrected') },
  },
  { ifMatch: true },
)
const forgetRoute = personRoute({
  method: 'delete',
  path: '/memories/{id}',
  operationId: 'forgetMemory',
  summary: 'Forget',
  tags: memoryTags,
  request: { params: memoryId },
  responses: gone,
})

export const app = createApp()
  .openapi(memoriesRoute, async (c) => c.json(await memories.listMemories(c.var.ctx, c.req.valid('query')), 200))
  .openapi(rememberRoute, async (c) => {
    const memory = await memories.remember(c.var.ctx, c.req.valid('json'))
    return c.json(memory, 201, { ...etag(memory.version), Location: `/v1/memories/${memory.id}` })
  })
  .openapi(memoryRoute, async (c) => {
    const memory = await memories.getMemory(c.var.ctx, c.req.valid('param').id)
    return c.json(memory, 200, etag(memory.version))
  })
  .openapi(correctRoute, async (c) => {
    const { after } = await ifMatch(c, (version) =>
      memories.updateMemory(c.var.ctx, c.req.valid('param').id, c.req.valid('json'), version),
    )
    return c.json(after, 200, etag(after.version))
  })
  .openapi(forgetRoute, async (c) => {
    await memories.forget(c.var.ctx, c.req.valid('param').id)
    return c.body(null, 204)
  })
