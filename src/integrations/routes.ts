import { z } from '@hono/zod-openapi'
import { answer, body, createApp, created, etag, ifMatch, personRoute, publicRoute, s, versioned } from '#core'
import { finishConnect, startConnect } from './connect.ts'
import { clientMetadata } from './oauth.ts'
import {
  ClientMetadata,
  McpCallback,
  McpConnect,
  McpServer,
  McpServerPage,
  McpServerPatch,
  NewMcpServer,
} from './schema.ts'
import { addServer, checkServer, getServer, listServers, removeServer, updateServer } from './servers.ts'

const tags = ['MCP servers']
const serverId = z.strictObject({ id: s.id('mcp') })

const listRoute = personRoute({
  method: 'get',
  path: '/mcp/servers',
  operationId: 'listMcpServers',
  summary: 'The MCP servers whose tools the assistant may use',
  tags,
  request: { query: z.strictObject({ limit: s.limit, cursor: s.cursor }) },
  responses: { 200: answer(McpServerPage, 'A page') },
})
const addRoute = personRoute({
  method: 'post',
  path: '/mcp/servers',
  operationId: 'addMcpServer',
  summary: 'Add a remote MCP server',
  description:
    'Its tools are there once it was checked. What they say is untrusted; one that changes things asks first.',
  tags,
  request: { body: body(NewMcpServer) },
  responses: { 201: created(McpServer, 'Added') },
})
const showRoute = personRoute({
  method: 'get',
  path: '/mcp/servers/{id}',
  operationId: 'getMcpServer',
  summary: 'One MCP server, its tools and whether it works',
  tags,
  request: { params: serverId },
  responses: { 200: versioned(McpServer, 'The server') },
})
const changeRoute = personRoute(
  {
    method: 'patch',
    path: '/mcp/servers/{id}',
    operationId: 'updateMcpServer',
    summary: 'Change, enable or disable',
    tags,
    request: { params: serverId, body: body(McpServerPatch) },
    responses: { 200: versioned(McpServer, 'Changed') },
  },
  { ifMatch: true },
)
const removeRoute = personRoute({
  method: 'delete',
  path: '/mcp/servers/{id}',
  operationId: 'removeMcpServer',
  summary: 'Remove it and its secret',
  tags,
  request: { params: serverId },
  responses: { 204: { description: 'Gone' } },
})
const checkRoute = personRoute(
  {
    method: 'post',
    path: '/mcp/servers/{id}/check',
    operationId: 'checkMcpServer',
    summary: 'Ask it for its tools now',
    description: 'A server that does not answer is `broken`, with the reason; that is no error of this request.',
    tags,
    request: { params: serverId },
    responses: { 200: versioned(McpServer, 'How it went') },
  },
  { limit: 'ai', idempotent: false },
)

const connectRoute = personRoute(
  {
    method: 'post',
    path: '/mcp/servers/{id}/connect',
    operationId: 'connectMcpServer',
    summary: 'Begin to sign in by OAuth',
    description:
      'Open `authorizationUrl` in the browser of the person themselves, and give it to nobody: whoever signs in there lets this account in. One at a time; it leads back to `/v1/mcp/callback`.',
    tags,
    request: { params: serverId },
    responses: { 200: answer(McpConnect, 'Where to go') },
  },
  // A kept answer would hold the state in the clear.
  { limit: 'ai', idempotent: false, problems: [409] },
)
const html = { 'text/html': { schema: z.string().max(2000) } }
const callbackRoute = publicRoute(
  {
    method: 'get',
    path: '/mcp/callback',
    operationId: 'finishMcpConnect',
    summary: 'Where a browser comes back to from an authorization server',
    tags,
    request: { query: McpCallback },
    responses: {
      200: { description: 'Connected', content: html },
      403: { description: 'Not connected: the server says why', content: html },
    },
  },
  { problems: [401, 410, 503, 504] },
)
const clientRoute = publicRoute({
  method: 'get',
  path: '/mcp/client',
  operationId: 'getMcpClient',
  summary: 'What we are to an authorization server; the address is our client id',
  tags,
  responses: { 200: answer(ClientMetadata, 'The metadata of a client') },
})

// Static, and nothing that came in is in it.
const page = (said: string) =>
  `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Aurelius</title></head><body><p>${said}</p></body></html>`
const CONNECTED = page('Connected; you may close this.')
const NOT_CONNECTED = page('Not connected. The server in Aurelius says why; connect it again.')

export const app = createApp()
  .openapi(listRoute, async (c) => c.json(await listServers(c.var.ctx, c.req.valid('query')), 200))
  .openapi(addRoute, async (c) => {
    const made = await addServer(c.var.ctx, c.req.valid('json'))
    return c.json(made, 201, { ...etag(made.version), Location: `/v1/mcp/servers/${made.id}` })
  })
  .openapi(showRoute, async (c) => {
    const found = await getServer(c.var.ctx, c.req.valid('param').id)
    return c.json(found, 200, etag(found.version))
  })
  .openapi(changeRoute, async (c) => {
    const changed = await ifMatch(c, (version) =>
      updateServer(c.var.ctx, c.req.valid('param').id, c.req.valid('json'), version),
    )
    return c.json(changed, 200, etag(changed.version))
  })
  .openapi(removeRoute, async (c) => {
    await removeServer(c.var.ctx, c.req.valid('param').id)
    return c.body(null, 204)
  })
  .openapi(checkRoute, async (c) => {
    const checked = await checkServer(c.var.ctx, c.req.valid('param').id)
    return c.json(checked, 200, etag(checked.version))
  })
  .openapi(connectRoute, async (c) => c.json(await startConnect(c.var.ctx, c.req.valid('param').id), 200))
  .openapi(callbackRoute, async (c) => {
    const { state, ...returned } = c.req.valid('query')
    const isDone = await finishConnect(c.var.ctx, state, returned)
    return isDone ? c.html(CONNECTED, 200) : c.html(NOT_CONNECTED, 403)
  })
  .openapi(clientRoute, (c) => {
    const { publicUrl } = c.var.ctx.config
    const clientId = new URL('/v1/mcp/client', publicUrl).href
    return c.json(
      { client_id: clientId, ...clientMetadata(publicUrl), token_endpoint_auth_method: 'none' as const },
      200,
    )
  })
