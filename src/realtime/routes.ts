import { AppError, answer, createApp, personRoute, publicRoute } from '#core'
import { ConnectQuery, Ticket } from './schema.ts'
import { makeTicket, ownerOf } from './ticket.ts'

const tags = ['Realtime']

const ticketRoute = personRoute(
  {
    method: 'post',
    path: '/realtime/ticket',
    operationId: 'createRealtimeTicket',
    summary: 'A ticket that opens one WebSocket within 30 seconds',
    description: 'Asked for by a page, it opens a socket for that page only.',
    tags,
    responses: { 200: answer(Ticket, 'The ticket') },
  },
  // A stored answer would hand the secret out again.
  { idempotent: false },
)
const connectRoute = publicRoute(
  {
    method: 'get',
    path: '/realtime',
    operationId: 'connectRealtime',
    summary: "The person's events, as a WebSocket",
    description:
      'Bring `epoch` and `offset` as last told, and what was missed is sent first; where that is too much or too long ago, `welcome` says what to read instead.',
    tags,
    request: { query: ConnectQuery },
    responses: { 101: { description: 'Open' } },
  },
  { problems: [401, 403, 426, 503] },
)

function allowedOrigin(origin: string | undefined, allowed: readonly string[]): string | null {
  if (origin === undefined) return null
  if (!allowed.includes(origin)) throw new AppError('origin_refused', 'Sockets are not opened for this origin')
  return origin
}

export const app = createApp()
  .openapi(ticketRoute, async (c) => {
    const { ctx } = c.var
    const origin = allowedOrigin(c.req.header('origin'), ctx.config.allowedOrigins)
    return c.json(await makeTicket(ctx, origin), 200)
  })
  .openapi(connectRoute, async (c) => {
    const { ctx } = c.var
    allowedOrigin(c.req.header('origin'), ctx.config.allowedOrigins)
    if (c.req.header('upgrade')?.toLowerCase() !== 'websocket') {
      throw new AppError('upgrade_required', 'Open this address as a WebSocket')
    }
    const session = ctx.env.USER_SESSION.getByName(ownerOf(ctx.config, c.req.valid('query').ticket))
    const opened = await session.fetch(c.req.raw)
    if (!opened.webSocket) throw new AppError('invalid_token', 'The ticket is unknown, used or too old')
    return new Response(null, { status: 101, webSocket: opened.webSocket })
  })
