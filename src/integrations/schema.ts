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
  ])
  .openapi('NewMcpAuth', { description: 'OAuth is not offered yet' })
const Auth = z
  .discriminatedUnion('type', [
    NoAuth,
    z.strictObject({ type: z.literal('header'), name: header }).openapi('McpHeaderAuth'),
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
  .strictObject({ name, url, auth: NewAuth.default({ type: 'none' }), enabled: z.boolean().default(true) })
  .openapi('NewMcpServer')
export type NewMcpServer = z.infer<typeof NewMcpServer>

export const McpServerPatch = z
  .strictObject({
    name: name.optional(),
    url: url.optional(),
    auth: NewAuth.optional(),
    enabled: z.boolean().optional(),
  })
  .openapi('McpServerPatch', { description: 'A new URL needs its auth with it: a secret is not sent to another place' })
export type McpServerPatch = z.infer<typeof McpServerPatch>
