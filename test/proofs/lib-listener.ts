import { EventEmitter, once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import { type ClientOptions, WebSocket } from 'ws'

/** Where sockets are opened, and with what. */
export type Door = { url(): string; ticket(): Promise<string> }
export type Heard = { offset: number; topic: string; id: string; event: string; data: unknown; atMs: number }
export type Position = { epoch: string; offset: number }

export type Listener = {
  /** In the order they came, whatever they were: a client that trusts the server does not look twice. */
  heard: Heard[]
  /** What the server did against its own protocol. */
  problems: string[]
  closes: number[]
  /** How often it was let in. */
  connects(): number
  isOpen(): boolean
  /** Whether it was told that it has heard everything there was. */
  isSynced(): boolean
  position(): Position | undefined
  /** False when it did not come to be in time. */
  until(check: () => boolean, deadlineMs?: number): Promise<boolean>
  /** Breaks the line without a word. */
  drop(): void
  stop(): void
}

export type ListenerOptions = {
  topics: string[]
  /** What was heard before. */
  from?: Position
  /** Comes back whenever it was cut off, bringing the last position. */
  returns?: boolean
}

type Message = { type: string; offset?: number; epoch?: string; recovered?: boolean; deviceId?: string; token?: string }

const DEADLINE_MS = 15_000
const RETURN_WITHIN_MS = 60_000
const RETURN_AFTER_MS = 25
const STORM = 4009
// Once it is told of the close it does not wait for the line to end: on a busy machine that takes long.
const PATIENT: ClientOptions & { closeTimeout: number } = { closeTimeout: 1000 }

/** One device of a person, as a good client would be: it keeps its position and brings it when it returns. */
export async function openListener(door: Door, { topics, from, returns = false }: ListenerOptions): Promise<Listener> {
  const changed = new EventEmitter().setMaxListeners(0)
  const heard: Heard[] = []
  const problems: string[] = []
  const closes: number[] = []
  let position = from
  let device: string | undefined
  let socket: WebSocket | undefined
  let connects = 0
  let isSynced = false
  let isStopped = false

  const take = (text: string) => {
    const message: Message = JSON.parse(text)
    switch (message.type) {
      case 'welcome':
        welcome(message)
        break
      case 'event':
        hear(JSON.parse(text))
        break
      case 'synced':
        isSynced = true
        move(message.offset ?? 0)
        break
      case 'check':
        socket?.send(text)
        break
      case 'error':
        problems.push(`the server did not understand: ${text}`)
    }
    changed.emit('change')
  }

  const welcome = ({ epoch = '', offset = 0, recovered, deviceId }: Message) => {
    connects++
    device = deviceId
    if (position && (recovered !== true || position.epoch !== epoch)) {
      problems.push(
        `came back with ${position.epoch}:${position.offset} and was told to start anew at ${epoch}:${offset}`,
      )
    }
    if (position && recovered && offset !== position.offset) problems.push(`came back and stands elsewhere: ${offset}`)
    position = { epoch, offset }
  }

  const hear = ({ offset, topic, id, event, data }: Heard) => {
    if (position && offset <= position.offset) problems.push(`${event} comes at ${offset}, behind ${position.offset}`)
    if (!topics.includes(topic)) problems.push(`hears of ${topic}, which it never joined`)
    heard.push({ offset, topic, id, event, data, atMs: performance.now() })
    move(offset)
  }

  const move = (offset: number) => {
    if (position && offset > position.offset) position = { ...position, offset }
  }

  const connect = async () => {
    const query = new URLSearchParams({ ticket: await door.ticket(), topics: topics.join(',') })
    if (position) for (const [name, value] of Object.entries(position)) query.set(name, String(value))
    if (device !== undefined) query.set('device', device)
    const opened = new WebSocket(`${door.url().replace('http', 'ws')}/v1/realtime?${query}`, PATIENT)
    socket = opened
    const before = connects
    opened.on('message', (data) => take(String(data)))
    opened.on('error', () => opened.terminate())
    opened.on('close', (code, reason) => {
      closes.push(code)
      changed.emit('change')
      // What was never let in is tried again by whoever asked.
      if (returns && !isStopped && connects > before) void comeBack(code === STORM ? retryAfter(String(reason)) : 0)
    })
    const isIn = () => connects > before || opened.readyState === WebSocket.CLOSED
    await until(isIn)
    if (connects === before) throw new Error('the socket was not let in')
  }

  const comeBack = async (afterMs: number) => {
    const deadline = performance.now() + RETURN_WITHIN_MS + afterMs
    await wait(afterMs + RETURN_AFTER_MS)
    while (!isStopped && performance.now() < deadline) {
      try {
        return await connect()
      } catch {
        await wait(RETURN_AFTER_MS)
      }
    }
    if (!isStopped) problems.push('could not come back')
  }

  async function until(check: () => boolean, deadlineMs = DEADLINE_MS): Promise<boolean> {
    const signal = AbortSignal.timeout(Math.ceil(deadlineMs))
    try {
      while (!check()) await once(changed, 'change', { signal })
      return true
    } catch {
      return check()
    }
  }

  await connect()
  return {
    heard,
    problems,
    closes,
    connects: () => connects,
    isSynced: () => isSynced,
    isOpen: () => socket?.readyState === WebSocket.OPEN,
    position: () => position,
    until,
    drop: () => socket?.terminate(),
    stop() {
      isStopped = true
      socket?.terminate()
    },
  }
}

function retryAfter(reason: string): number {
  const { retryAfterMs }: { retryAfterMs?: number } = JSON.parse(reason)
  return retryAfterMs ?? 0
}
