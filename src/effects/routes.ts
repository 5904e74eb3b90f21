import { z } from '@hono/zod-openapi'
import { requireSession } from '#auth'
import { answer, body, createApp, created, etag, personRoute, s } from '#core'
import * as effects from './effects.ts'
import { Effect, EffectKinds, EffectPage, EffectQuery, NewEffect, Preview, Undo, UndoneList } from './schema.ts'

const tags = ['Effects']

const listRoute = personRoute({
  method: 'get',
  path: '/effects',
  operationId: 'listEffects',
  summary: 'What was done for you, newest first',
  tags,
  request: { query: EffectQuery },
  responses: { 200: answer(EffectPage, 'A page') },
})
const performRoute = personRoute({
  method: 'post',
  path: '/effects',
  operationId: 'performEffect',
  summary: 'Do something by one of the kinds; what came of it is in its status',
  tags,
  request: { body: body(NewEffect) },
  responses: { 201: created(Effect, 'Held, done, or why not') },
})
const previewRoute = personRoute(
  {
    method: 'post',
    path: '/effects/preview',
    operationId: 'previewEffect',
    summary: 'What it would do, and whether that could be taken back; nothing is done',
    tags,
    request: { body: body(NewEffect) },
    responses: { 200: answer(Preview, 'What would be done') },
  },
  { idempotent: false },
)
const getRoute = personRoute({
  method: 'get',
  path: '/effects/{id}',
  operationId: 'getEffect',
  summary: 'One effect, with what it changed and whether it may be taken back',
  tags,
  request: { params: z.strictObject({ id: s.id('eff') }) },
  responses: { 200: answer(Effect, 'The effect') },
})
const undoRoute = personRoute(
  {
    method: 'post',
    path: '/effects/undo',
    operationId: 'undoEffects',
    summary:
      'Take back one effect, those of a run, or everything since an instant, the last first, a hundred at a time',
    tags,
    request: { body: body(Undo) },
    responses: { 200: answer(UndoneList, 'What became of each') },
  },
  { problems: [404] },
)
const kindsRoute = personRoute({
  method: 'get',
  path: '/effect-kinds',
  operationId: 'listEffectKinds',
  summary: 'Every kind of effect: whether it goes out, is held, and may be taken back',
  tags,
  responses: { 200: answer(EffectKinds, 'The kinds') },
})

export const app = createApp()
  .openapi(listRoute, async (c) => c.json(await effects.listEffects(c.var.ctx, c.req.valid('query')), 200))
  .openapi(performRoute, async (c) => {
    const effect = await effects.performFor(c.var.ctx, c.req.valid('json'))
    return c.json(effect, 201, { ...etag(effect.version), Location: `/v1/effects/${effect.id}` })
  })
  .openapi(previewRoute, async (c) => c.json(await effects.preview(c.var.ctx, c.req.valid('json')), 200))
  .openapi(getRoute, async (c) => c.json(await effects.getEffect(c.var.ctx, c.req.valid('param').id), 200))
  .openapi(undoRoute, async (c) => c.json(await effects.undo(c.var.ctx, c.req.valid('json')), 200))
  .openapi(kindsRoute, async (c) => {
    await requireSession(c.var.ctx)
    return c.json(effects.listKinds(), 200)
  })
