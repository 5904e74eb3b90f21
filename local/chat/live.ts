import { type Api, ApiError } from './api.ts'

export type LiveEvent = { topic: string; event: string; data: Record<string, unknown> }
export type LiveOptions = {
  topics: string[]
  onEvent: (event: LiveEvent) => void
  /** `missed`: connected again, but too late to be told everything. */
  onState: (state: 'lost' | 'back' | 'missed') => void
}
export type Live = { close(): void }

type Frame = {
  type: string
  epoch?: string
  offset?: number
  recovered?: boolean
  deviceId?: string
} & Partial<LiveEvent>
type Position = { epoch: string; offset: number; deviceId: string }

const MAX_WAIT_MS = 15_000
const PING_MS = 30_000
const FINAL_CODES = new Set([4001, 4002])

/** The person's events over a WebSocket that comes back by itself, from where it was cut off. */
export function openLive(api: Api, { topics, onEvent, onState }: LiveOptions): Live {
  let socket: WebSocket | undefined
  let position: Position | undefined
  let failures = 0
  let isClosed = false
  let isHeard = true
  let retry: NodeJS.Timeout | undefined

  const pings = setInterval(() => {
    if (socket?.readyState !== WebSocket.OPEN) return
    if (!isHeard) return socket.close()
    isHeard = false
    socket.send('ping')
  }, PING_MS)
  pings.unref()

  async function connect(): Promise<void> {
    try {
      const { ticket } = await api.call<{ ticket: string }>('POST', '/v1/realtime/ticket')
      if (isClosed) return
      const query = new URLSearchParams({ ticket, topics: topics.join(',') })
      if (position) {
        query.set('epoch', position.epoch)
        query.set('offset', String(position.offset))
        query.set('device', position.deviceId)
      }
      const address = new URL(`/v1/realtime?${query}`, api.url)
      address.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:'
      socket = new WebSocket(address.href)
      isHeard = true
      socket.addEventListener('message', ({ data }) => hear(String(data)))
      socket.addEventListener('close', ({ code, reason }) => lost(FINAL_CODES.has(code), waitOf(reason)))
    } catch (error) {
      lost(error instanceof ApiError && error.status === 401)
    }
  }

  function hear(text: string): void {
    isHeard = true
    if (text === 'pong') return
    const frame: Frame = JSON.parse(text)
    if (frame.type === 'welcome') welcome(frame)
    else if (position && frame.offset !== undefined) position.offset = frame.offset
    if (frame.type !== 'event') return
    onEvent({ topic: frame.topic ?? '', event: frame.event ?? '', data: frame.data ?? {} })
  }

  function welcome({ epoch = '', offset = 0, deviceId = '', recovered }: Frame): void {
    if (failures > 0) onState(recovered ? 'back' : 'missed')
    failures = 0
    position = { epoch, deviceId, offset }
  }

  function lost(isFinal: boolean, waitMs?: number): void {
    if (isClosed) return
    if (failures++ === 0) onState('lost')
    if (isFinal) return
    const backoff = Math.min(MAX_WAIT_MS, 500 * 2 ** Math.min(failures - 1, 5))
    retry = setTimeout(() => void connect(), waitMs ?? backoff * (0.5 + Math.random() / 2))
  }

  void connect()
  return {
    close() {
      isClosed = true
      clearInterval(pings)
      clearTimeout(retry)
      socket?.close()
    },
  }
}

// A server that many come back to at once says when to come.
function waitOf(reason: string): number | undefined {
  try {
    const { retryAfterMs }: { retryAfterMs?: unknown } = JSON.parse(reason)
    return typeof retryAfterMs === 'number' ? retryAfterMs : undefined
  } catch {
    return undefined
  }
}
