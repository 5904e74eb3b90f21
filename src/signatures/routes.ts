import { z } from '@hono/zod-openapi'
import { answer, body, createApp, personRoute, s } from '#core'
import { NewSigningKey, SignaturePolicy, SigningKey, SigningKeyPage } from './schema.ts'
import { addSigningKey, listSigningKeys, readPolicy, removeSigningKey, setPolicy } from './signing-keys.ts'

const tags = ['Signed requests']
const FRESH = 'Asks for a sign-in of the last five minutes: else 401 `step_up_required`.'

const listRoute = personRoute({
  method: 'get',
  path: '/signing-keys',
  operationId: 'listSigningKeys',
  summary: "The public keys by which this person's requests may be signed",
  tags,
  request: { query: z.strictObject({ limit: s.limit, cursor: s.cursor }) },
  responses: { 200: answer(SigningKeyPage, 'Keys, newest first') },
})
const addRoute = personRoute(
  {
    method: 'post',
    path: '/signing-keys',
    operationId: 'addSigningKey',
    summary: 'Register a public key',
    description: FRESH,
    tags,
    request: { body: body(NewSigningKey) },
    responses: { 201: answer(SigningKey, 'The key; its id is the `keyid` of its signatures') },
  },
  // The key itself says whether it was registered before.
  { idempotent: false, problems: [409] },
)
const removeRoute = personRoute(
  {
    method: 'delete',
    path: '/signing-keys/{id}',
    operationId: 'removeSigningKey',
    summary: 'Remove a key, at once; the last one only where no signatures are demanded',
    tags,
    request: { params: z.strictObject({ id: s.id('sgk') }) },
    responses: { 204: { description: 'Removed' } },
  },
  { problems: [409] },
)
const policyRoute = personRoute({
  method: 'get',
  path: '/signing-keys/policy',
  operationId: 'getSignaturePolicy',
  summary: 'Whether signatures are demanded',
  tags,
  responses: { 200: answer(SignaturePolicy, 'The policy') },
})
const setPolicyRoute = personRoute(
  {
    method: 'put',
    path: '/signing-keys/policy',
    operationId: 'setSignaturePolicy',
    summary: 'Demand signatures on high-security routes, or no longer',
    description: `${FRESH} To demand them, a key is needed; to end that, a signature too.`,
    tags,
    request: { body: body(SignaturePolicy) },
    responses: { 200: answer(SignaturePolicy, 'The policy from now on') },
  },
  { problems: [409] },
)

export const app = createApp()
  .openapi(listRoute, async (c) => c.json(await listSigningKeys(c.var.ctx, c.req.valid('query')), 200))
  .openapi(addRoute, async (c) => c.json(await addSigningKey(c.var.ctx, c.req.valid('json')), 201))
  .openapi(removeRoute, async (c) => {
    await removeSigningKey(c.var.ctx, c.req.valid('param').id)
    return c.body(null, 204)
  })
  .openapi(policyRoute, async (c) => c.json(await readPolicy(c.var.ctx), 200))
  .openapi(setPolicyRoute, async (c) => c.json(await setPolicy(c.var.ctx, c.req.valid('json')), 200))
