import { z } from '@hono/zod-openapi'
import { answer, body, createApp, created, etag, ifMatch, personRoute, s, versioned } from '#core'
import { createKey, listKeys, revokeKey, rotateKey, showKey, updateKey } from './keys.ts'
import { ApiKey, ApiKeyPage, ApiKeyPatch, ApiKeyWithSecret, ApiKeyWithSpending, NewApiKey, Rotation } from './schema.ts'

const tags = ['API keys']
const keyId = z.strictObject({ id: s.id('key') })
const FRESH = 'Asks for a sign-in of the last five minutes: else 401 `step_up_required`.'

const listRoute = personRoute({
  method: 'get',
  path: '/api-keys',
  operationId: 'listApiKeys',
  summary: 'The keys that act for this person',
  tags,
  request: { query: z.strictObject({ limit: s.limit, cursor: s.cursor }) },
  responses: { 200: answer(ApiKeyPage, 'Keys that were not revoked, newest first') },
})
const createRoute = personRoute(
  {
    method: 'post',
    path: '/api-keys',
    operationId: 'createApiKey',
    summary: 'Make a key; its secret is shown once',
    description: FRESH,
    tags,
    request: { body: body(NewApiKey) },
    responses: { 201: created(ApiKeyWithSecret, 'The key with its secret') },
  },
  // A stored answer would hand the secret out again.
  { idempotent: false },
)
const showRoute = personRoute({
  method: 'get',
  path: '/api-keys/{id}',
  operationId: 'getApiKey',
  summary: 'One key, without its secret, and what it spent on AI',
  tags,
  request: { params: keyId },
  responses: { 200: versioned(ApiKeyWithSpending, 'The key') },
})
const changeRoute = personRoute(
  {
    method: 'patch',
    path: '/api-keys/{id}',
    operationId: 'updateApiKey',
    summary: 'Change name, scopes, addresses, rate, budget or expiry',
    description: FRESH,
    tags,
    request: { params: keyId, body: body(ApiKeyPatch) },
    responses: { 200: versioned(ApiKey, 'The key, changed') },
  },
  { ifMatch: true },
)
const revokeRoute = personRoute({
  method: 'delete',
  path: '/api-keys/{id}',
  operationId: 'revokeApiKey',
  summary: 'Revoke a key, at once',
  tags,
  request: { params: keyId },
  responses: { 204: { description: 'Revoked' } },
})
const rotateRoute = personRoute(
  {
    method: 'post',
    path: '/api-keys/{id}/rotate',
    operationId: 'rotateApiKey',
    summary: 'A new secret for a key; the one before works for a while if asked',
    description: FRESH,
    tags,
    request: { params: keyId, body: body(Rotation) },
    responses: { 200: versioned(ApiKeyWithSecret, 'The key with its new secret') },
  },
  { idempotent: false },
)

export const app = createApp()
  .openapi(listRoute, async (c) => c.json(await listKeys(c.var.ctx, c.req.valid('query')), 200))
  .openapi(createRoute, async (c) => {
    const made = await createKey(c.var.ctx, c.req.valid('json'))
    return c.json(made, 201, { ...etag(made.version), Location: `/v1/api-keys/${made.id}` })
  })
  .openapi(showRoute, async (c) => {
    const found = await showKey(c.var.ctx, c.req.valid('param').id)
    return c.json(found, 200, etag(found.version))
  })
  .openapi(changeRoute, async (c) => {
    const changed = await ifMatch(c, (version) =>
      updateKey(c.var.ctx, c.req.valid('param').id, c.req.valid('json'), version),
    )
    return c.json(changed, 200, etag(changed.version))
  })
  .openapi(revokeRoute, async (c) => {
    await revokeKey(c.var.ctx, c.req.valid('param').id)
    return c.body(null, 204)
  })
  .openapi(rotateRoute, async (c) => {
    const rotated = await rotateKey(c.var.ctx, c.req.valid('param').id, c.req.valid('json'))
    return c.json(rotated, 200, etag(rotated.version))
  })
