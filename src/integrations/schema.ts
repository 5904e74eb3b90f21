import { z } from '@hono/zod-openapi'
import { s } from '#core'

export const MAX_TOOLS = 64
const RESERVED =
  /^(host|cookie|connection|content-.*|transfer-encoding|accept|accept-.*|te|trailer|upgrade|expect|origin|referer|via|forwarded|x-forwarded-.*|proxy-.*|cf-.*|sec-.*|mcp-.*|last-event-id)$/i

const name = z
  .string()
  .max(16)
  .regex(/^[a-z0-9][a-z0-9-]{0,15}$/)
  .openapi({ example: 'weather', description: 'Its tools are called name__tool' })
const url = z.url().max(2000).openapi({ example: 'https://mcp.aurelius.invalid/mcp' })
const header = z
  .string()
  .max(64)
  .regex(/^[A-Za-z][A-Za-z0-9-]{0,63}$/)
  .openapi({ example: 'Authorization' })
const secret = z
  .string()
  .min(1)
  .max(4000)
  .regex(/^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/)
  .openapi({ example: 'Bearer token', description: 'The header as it is sent; kept encrypted, never shown again' })

const clientId = z
  .string()
  .min(1)
  .max(2000)
  .regex(/^[\x21-\x7e]+$/)
  .openapi({ example: 'aurelius-client' })
const scope = z
  .string()
  .min(1)
  .max(1000)
  .regex(/^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$/)
  .openapi({ example: 'mcp:tools', description: 'What to ask for, in place of what the server suggests' })

const trusted = z.boolean().openapi({
  description:
    'Its read-only tools are used without a tap where words of others were read, and by clients of `/compat`: it may then be told whatever those words ask for. Said by the person, not by a key; a new URL ends it, and so does a key that changes its auth or switches it on',
})

const NoAuth = z.strictObject({ type: z.literal('none') }).openapi('McpNoAuth')
const NewAuth = z
  .discriminatedUnion('type', [
    NoAuth,
    z
      .strictObject({
        type: z.literal('header'),
        name: header.refine((value) => !RESERVED.test(value), 'is not a header to sign in with'),
        value: secret,
      })
      .openapi('NewMcpHeaderAuth'),
    z
      .strictObject({
        type: z.literal('oauth'),
        clientId: clientId.optional(),
        clientSecret: secret
          .optional()
          .openapi({ example: 'secret', description: 'Kept encrypted, never shown again' }),
        scope: scope.optional(),
      })
      .refine(({ clientId: id, clientSecret }) => id !== undefined || clientSecret === undefined, {
        path: ['clientSecret'],
        error: 'is of no use without a clientId',
      })
      .openapi('NewMcpOauth', {
        description: 'Then connected in a browser: POST /v1/mcp/servers/{id}/connect. Without a clientId we register',
      }),
  ])
  .openapi('NewMcpAuth')
const Auth = z
  .discriminatedUnion('type', [
    NoAuth,
    z.strictObject({ type: z.literal('header'), name: header }).openapi('McpHeaderAuth'),
    z
      .strictObject({
        type: z.literal('oauth'),
        clientId: clientId.nullable(),
        scope: scope.nullable(),
        connected: z.boolean(),
      })
      .openapi('McpOauth'),
  ])
  .openapi('McpAuth')

const McpTool = z
  .strictObject({ name: z.string().max(64), description: z.string().max(1000), readOnly: z.boolean() })
  .openapi('McpTool', { description: 'One that is not read-only asks before it is used' })

export const McpServer = z
  .strictObject({
    id: s.id('mcp'),
    name,
    url,
    auth: Auth,
    enabled: z.boolean(),
    trusted,
    status: z.enum(['new', 'ok', 'broken']).openapi({ description: '`new`: not asked yet' }),
    lastError: z.string().max(300).nullable(),
    tools: s.list(McpTool, MAX_TOOLS),
    checkedAt: s.instant.nullable(),
    version: s.int(1, 2_147_483_647),
    createdAt: s.instant,
    updatedAt: s.instant,
  })
  .openapi('McpServer')
export type McpServer = z.infer<typeof McpServer>
export const McpServerPage = s.pageOf(McpServer).openapi('McpServerPage')

export const NewMcpServer = z
  .strictObject({
    name,
    url,
    auth: NewAuth.default({ type: 'none' }),
    enabled: z.boolean().default(true),
    trusted: trusted.optional(),
  })
  .openapi('NewMcpServer')
export type NewMcpServer = z.infer<typeof NewMcpServer>

export const McpServerPatch = z
  .strictObject({
    name: name.optional(),
    url: url.optional(),
    auth: NewAuth.optional(),
    enabled: z.boolean().optional(),
    trusted: trusted.optional(),
  })
  .openapi('McpServerPatch', { description: 'A new URL needs its auth with it: a secret is not sent to another place' })
export type McpServerPatch = z.infer<typeof McpServerPatch>

export const McpConnect = z
  .strictObject({ authorizationUrl: z.url().max(8000), expiresAt: s.instant })
  .openapi('McpConnect')
export type McpConnect = z.infer<typeof McpConnect>

// What a server adds of its own is none of ours, and no error (RFC 6749, 4.1.2).
const returned = (max: number) => z.string().max(max).optional()
export const McpCallback = z.object({
  state: z.string().min(1).max(200),
  code: returned(4000),
  iss: returned(2000),
  error: returned(200),
})

export const ClientMetadata = z
  .strictObject({
    client_id: z.url().max(2000),
    client_name: z.string().max(100),
    client_uri: z.url().max(2000),
    redirect_uris: s.list(z.url().max(2000), 1, 1),
    grant_types: s.list(z.enum(['authorization_code', 'refresh_token']), 2),
    response_types: s.list(z.literal('code'), 1),
    token_endpoint_auth_method: z.literal('none'),
  })
  .openapi('McpClientMetadata')
