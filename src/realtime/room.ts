import { armTimer, keepAlarm, type Migration, newId, randomToken } from '#core'
import { append, eventFrame, isMilestone, LOG_MIGRATIONS, type NewEvent, position, prune } from './log.ts'
import {
  countRead,
  countSaid,
  countSent,
  MAX_OPEN_MS,
  MAX_TAILS,
  NEW_PACE,
  PACE_MIGRATIONS,
  type Pace,
} from './pace.ts'
import { CLOSE, closeEcho, frame, readMessage } from './protocol.ts'
import { type Attached, answerMessage, devicesOf } from './sockets.ts'
import { openTail, type Tail } from './tail.ts'
import { dropTickets, endTickets, isEnded, pruneTickets, TICKET_MIGRATIONS } from './tickets.ts'

/** What a room stores, to be listed among the migrations of the object that has one, after those of its timers. */
export const ROOM_MIGRATIONS: readonly Migration[] = [...LOG_MIGRATIONS, ...TICKET_MIGRATIONS, ...PACE_MIGRATIONS]

/** The timer whose firing calls `sweep`. */
export const SWEEP = 'realtime.sweep'
const SWEEP_MS = 3600_000

/** What the runtime gives: the clock, a number in 0…1, and a pause. */
export type World = { nowMs(): number; chance(): number; wait(ms: number, signal: AbortSignal): Promise<unknown> }
export type TailRequest = {
  topic: string
  after: string | null
  sessionId?: string | undefined
  until?: readonly string[] | undefined
}
/** `id` makes a second telling of the same known; without one each telling is new. */
export type Telling = Omit<NewEvent, 'id'> & { id?: string }

export type Room = ReturnType<typeof openRoom>

/** A person's sockets and streams over their event log. Remembers nothing that is not in storage or on a socket. */
export function openRoom(ctx: DurableObjectState, world: World) {
  const { sql } = ctx.storage
  const paces = new WeakMap<WebSocket, Pace>()
  const tails = new Set<Tail>()
  let toldPresence = ''
  // A cache: armed anew costs nothing.
  let sweptHour = 0
  ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair('ping', 'pong'))

  const sockets = (tag?: string) => ctx.getWebSockets(tag).filter((ws) => ws.readyState === WebSocket.OPEN)
  const devices = () => devicesOf(sockets().map(attachedTo))

  /** Logs first, then sends. Gives the event's offset, also when it was told before. */
  function emit({ topic, event, data, id }: Telling): number {
    const nowMs = world.nowMs()
    const isFresh = id === undefined
    const named = { id: id ?? newId('evt', new Date(nowMs)), topic, event, data }
    const appended = append(sql, named, nowMs, isFresh)
    if (!appended.isNew) return appended.offset
    const { offset } = appended.event
    const open = sockets()
    const text = open.length > 0 ? eventFrame(appended.event) : ''
    for (const ws of open) if (listens(ws, topic)) send(ws, text)
    for (const tail of tails) if (tail.topic === topic) tail.wake(appended.event)
    if (isMilestone(offset)) {
      prune(sql, nowMs)
      for (const ws of open) send(ws, frame({ type: 'synced', offset }))
    }
    keepSwept()
    return offset
  }

  function send(ws: WebSocket, text: string): void {
    if (ws.readyState !== WebSocket.OPEN) return
    const { pace, isTooSlow, isCheckDue } = countSent(paces.get(ws) ?? NEW_PACE, text.length)
    paces.set(ws, pace)
    if (isTooSlow || !pushed(ws, text)) drop(ws, 'tooSlow')
    else if (isCheckDue) {
      const token = randomToken()
      paces.set(ws, { ...pace, check: { token, unread: pace.unread } })
      pushed(ws, frame({ type: 'check', token }))
    }
  }

  function drop(ws: WebSocket, why: keyof typeof CLOSE): void {
    if (ws.readyState !== WebSocket.OPEN) return
    const [code, reason] = CLOSE[why]
    ws.close(code, reason)
    tellPresence()
  }

  function tellPresence(except?: WebSocket): void {
    const text = frame({ type: 'presence', devices: devices() })
    if (text === toldPresence) return
    toldPresence = text
    for (const ws of sockets()) if (ws !== except && listens(ws, 'presence')) send(ws, text)
  }

  function heard(ws: WebSocket, raw: string | ArrayBuffer): void {
    const message = readMessage(raw)
    const before = paces.get(ws) ?? NEW_PACE
    const read = message.type === 'check' ? countRead(before, message.token) : undefined
    const { pace, isTooMuch } = read ? { pace: read, isTooMuch: false } : countSaid(before, world.nowMs())
    paces.set(ws, pace)
    if (isTooMuch) drop(ws, 'tooManyMessages')
    else if (message.type === 'invalid') {
      send(ws, frame({ type: 'error', code: 'invalid_message', detail: message.detail }))
    } else if (message.type !== 'check') {
      const attached = attachedTo(ws)
      const { topics, frames } = answerMessage(sql, attached, message, devices)
      if (topics) ws.serializeAttachment({ ...attached, topics })
      for (const text of frames) send(ws, text)
    }
  }

  function closed(ws: WebSocket, code: number, reason: string): void {
    ws.close(closeEcho(code), reason)
    tellPresence()
  }

  function endSession(sessionId: string): { closed: number } {
    endTickets(sql, sessionId, world.nowMs())
    keepSwept()
    return closeAll(sessionId, 'sessionEnded')
  }

  function renewSession(sessionId: string): { closed: number } {
    dropTickets(sql, sessionId)
    return closeAll(sessionId, 'renew')
  }

  function closeAll(sessionId: string, why: keyof typeof CLOSE): { closed: number } {
    for (const tail of tails) if (tail.sessionId === sessionId) tail.end()
    const theirs = sockets(sessionTag(sessionId))
    for (const ws of theirs) drop(ws, why)
    return { closed: theirs.length }
  }

  function tail({ topic, after, sessionId, until }: TailRequest): ReadableStream<Uint8Array> {
    const opened = openTail(sql, {
      topic,
      after,
      openedMs: world.nowMs(),
      sessionId: sessionId ?? null,
      until: until ?? [],
      wait: world.wait,
      onClose: (over) => tails.delete(over),
    })
    const [oldest] = tails
    if (tails.size >= MAX_TAILS) oldest?.end()
    tails.add(opened.tail)
    if (sessionId !== undefined && isEnded(sql, sessionId)) opened.tail.end()
    keepSwept()
    return opened.stream
  }

  /** Lets everybody go: the person is erased, and so are the timers. */
  function empty(): void {
    sweptHour = 0
    for (const ws of sockets()) drop(ws, 'erased')
    for (const over of tails) over.end()
  }

  // Once an hour while anything is kept, each person at a minute of their own.
  function keepSwept(): void {
    const nowMs = world.nowMs()
    const hour = Math.floor(nowMs / SWEEP_MS) + 1
    if (hour === sweptHour) return
    sweptHour = hour
    const dueMs = Math.floor((hour + world.chance()) * SWEEP_MS)
    if (armTimer(sql, { name: SWEEP, dueMs, version: hour, payload: null }))
      ctx.waitUntil(keepAlarm(ctx.storage, nowMs))
  }

  function sweep(): void {
    const nowMs = world.nowMs()
    prune(sql, nowMs)
    pruneTickets(sql, nowMs)
    for (const ws of sockets()) if (nowMs - attachedTo(ws).connectedMs > MAX_OPEN_MS) drop(ws, 'renew')
    for (const over of tails) if (nowMs - over.openedMs > MAX_OPEN_MS) over.end()
    const { rows } = sql
      .exec<{ rows: number }>('select (select count(*) from events) + (select count(*) from ended_sessions) as rows')
      .one()
    if (rows + sockets().length + tails.size > 0) keepSwept()
  }

  return {
    position: () => position(sql),
    emit,
    sockets,
    devices,
    send,
    drop,
    tellPresence,
    heard,
    closed,
    endSession,
    renewSession,
    tail,
    empty,
    keepSwept,
    sweep,
  }
}

/** The tag under which a session's sockets are found. */
export function sessionTag(sessionId: string): string {
  return `session:${sessionId}`
}

export function attachedTo(ws: WebSocket): Attached {
  return ws.deserializeAttachment()
}

function listens(ws: WebSocket, topic: string): boolean {
  return attachedTo(ws).topics.some((joined) => joined === topic)
}

function pushed(ws: WebSocket, text: string): boolean {
  try {
    ws.send(text)
    return true
  } catch {
    return false
  }
}
