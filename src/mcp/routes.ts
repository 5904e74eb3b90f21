import type { Context } from 'hono'
import { AppError, createApp, type RouteMeta } from '#core'
import { serve } from './serve.ts'

const PATH = '/mcp'
const META: RouteMeta = { operation: 'mcp', auth: 'person', limit: 'write', path: PATH, keyed: false, hasBody: true }

/** The MCP server: Streamable HTTP without sessions or streams, so that any isolate answers any message. */
export const app = createApp()

// A page that was rebound to our address still says where it is from.
app.use(PATH, async (c, next) => {
  const origin = c.req.header('origin')
  if (origin !== undefined && !c.var.ctx.config.allowedOrigins.includes(origin))
    throw new AppError('origin_refused', 'This origin is not allowed')
  await next()
})

app.post(
  PATH,
  (c, next) => c.var.guard(c, META, next),
  async (c) => {
    const { ctx } = c.var
    const { actor } = ctx
    if (actor.kind !== 'person') throw new AppError('unauthorized', 'Send an access token')
    const sent = await readMessage(c)
    const { status, body } = await serve({ ...ctx, actor }, sent, c.req.header('mcp-protocol-version'))
    return body === null ? c.body(null, status) : c.json(body, status)
  },
)

app.all(PATH, (c) => {
  c.header('Allow', 'POST')
  throw new AppError('method_not_allowed', `${c.req.method} is not offered here: there are no sessions and no streams`)
})

async function readMessage(c: Context): Promise<unknown> {
  if (!/^application\/json\b/i.test(c.req.header('content-type') ?? ''))
    throw new AppError('unsupported_media_type', 'The body must be application/json')
  try {
    return JSON.parse(await c.req.text())
  } catch (cause) {
    throw new AppError('invalid_request', 'The body is not valid JSON', { cause })
  }
}
