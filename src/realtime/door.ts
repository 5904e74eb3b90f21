import { newId, randomToken } from '#core'
import { hashToken } from '#security'
import { countConnect, MAX_SOCKETS } from './pace.ts'
import { CLOSE } from './protocol.ts'
import { attachedTo, type Room, sessionTag, type World } from './room.ts'
import { ConnectQuery } from './schema.ts'
import { type Attached, greet } from './sockets.ts'
import { giveTicket, takeTicket } from './tickets.ts'

/** `origin`: the page the ticket is for; null where no page asked. */
export type TicketRequest = { userId: string; sessionId: string; origin: string | null }
export type Issued = { ok: true; ticket: string; expiresAt: string } | { ok: false; reason: 'session_ended' }

/** A secret that opens one socket of this session, once, soon. Only its hash is kept. */
export async function issueTicket(room: Room, sql: SqlStorage, world: World, request: TicketRequest): Promise<Issued> {
  const ticket = `tkt_${request.userId}.${randomToken()}`
  const hash = await hashToken(ticket)
  const given = giveTicket(sql, { hash, sessionId: request.sessionId, origin: request.origin }, world.nowMs())
  if (!given.ok) return given
  room.keepSwept()
  return { ok: true, ticket, expiresAt: new Date(given.expiresMs).toISOString() }
}

/** The WebSocket upgrade: 101, or 401 unless it brings a ticket nobody used. */
export async function openSocket(
  room: Room,
  ctx: DurableObjectState,
  world: World,
  request: Request,
): Promise<Response> {
  const query = ConnectQuery.safeParse(Object.fromEntries(new URL(request.url).searchParams))
  if (!query.success) return new Response(null, { status: 400 })
  const { ticket, topics, epoch, offset, device } = query.data
  const { sql } = ctx.storage
  const hash = await hashToken(ticket.slice(0, ticket.lastIndexOf('.')))
  const nowMs = world.nowMs()
  const taken = takeTicket(sql, hash, request.headers.get('origin'), nowMs)
  if (!taken.ok) return Response.json(taken, { status: 401 })
  const { 0: client, 1: server } = new WebSocketPair()
  const answer = new Response(null, { status: 101, webSocket: client })
  const connect = countConnect(sql, nowMs, world.chance())
  if (!connect.ok) {
    // A refused upgrade tells a browser nothing: accepted, then closed, it reads how long to wait.
    server.accept()
    server.close(CLOSE.storm[0], JSON.stringify({ retryAfterMs: connect.retryAfterMs }))
    return answer
  }
  const attached: Attached = {
    deviceId: device ?? newId('dev', new Date(nowMs)),
    sessionId: taken.sessionId,
    connectedMs: nowMs,
    topics: [...new Set(topics)],
  }
  makeSpace(room)
  ctx.acceptWebSocket(server, [sessionTag(taken.sessionId)])
  server.serializeAttachment(attached)
  const from = epoch === undefined || offset === undefined ? null : { epoch, offset }
  for (const text of greet(sql, attached, from, room.devices())) room.send(server, text)
  room.tellPresence(server)
  room.keepSwept()
  return answer
}

// The newest wins: the oldest of many is most likely one whose page is long gone.
function makeSpace(room: Room): void {
  const sockets = room.sockets().toSorted((a, b) => attachedTo(a).connectedMs - attachedTo(b).connectedMs)
  for (const ws of sockets.slice(0, Math.max(0, sockets.length - MAX_SOCKETS + 1))) room.drop(ws, 'tooManySockets')
}
