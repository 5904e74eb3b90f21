import { setTimeout as wait } from 'node:timers/promises'
import { type Api, ApiError } from './api.ts'
import { readEvents, type ServerEvent } from './sse.ts'

export type TurnPort = {
  /** Each event of the turn, once, in order. */
  onEvent: (event: ServerEvent) => void
  onState: (state: 'lost' | 'back') => void
}

/** `confirms`: the calls of the last answer that it says yes to. */
export type Said = { text: string; confirms?: string[] }
export type Turn = { ended: Promise<void>; cancel(): Promise<void> }

const MAX_RETRIES = 20

/**
 * Says something and follows the answer to its end. The turn is the server's: a stream that breaks is taken up where
 * it broke off, and only `cancel` stops it.
 */
export function say(api: Api, conversationId: string, body: Said, port: TurnPort): Turn {
  const base = `/v1/conversations/${conversationId}`
  const sse = { accept: 'text/event-stream' }
  let turnId: string | undefined
  let lastId = ''
  let isOver = false
  let isCancelled = false

  function take(event: ServerEvent): void {
    lastId = event.id || lastId
    // The log no longer reaches back to where the stream broke.
    if (event.event === 'reset') throw new ApiError(410, 'gone', 'It took too long to come back; /new, or ask again')
    if (event.event === 'turn.started') {
      turnId = String(event.data['turnId'])
      if (isCancelled) void stop()
    }
    if (event.event === 'turn.ended' && event.data['turnId'] === turnId) isOver = true
    port.onEvent(event)
  }

  async function follow(answer: Response): Promise<void> {
    if (!answer.body) return
    for await (const event of readEvents(answer.body)) {
      take(event)
      if (isOver) return
    }
  }

  async function stop(): Promise<void> {
    if (turnId) await api.call('POST', `/v1/turns/${turnId}/cancel`)
  }

  async function run(): Promise<void> {
    await follow(await api.send('POST', `${base}/messages`, { body, headers: sse })).catch(unlessBroken)
    for (let attempt = 0; !isOver && lastId !== '' && attempt < MAX_RETRIES; attempt++) {
      if (attempt === 0) port.onState('lost')
      await wait(Math.min(5000, 250 * 2 ** attempt))
      const answer = await api
        .send('GET', `${base}/events?after=${encodeURIComponent(lastId)}`, { headers: sse })
        .catch(unlessBroken)
      if (!answer) continue
      port.onState('back')
      attempt = 0
      await follow(answer).catch(unlessBroken)
    }
    if (!isOver) throw new ApiError(0, 'unreachable', 'The connection broke before the answer was whole')
  }

  return {
    ended: run(),
    async cancel() {
      isCancelled = true
      await stop()
    },
  }
}

// A broken stream or a server that is away: worth another try. What the server refused is not.
function unlessBroken(error: unknown): undefined {
  if (error instanceof ApiError && error.status !== 0 && error.status < 500) throw error
  if (error instanceof ApiError || error instanceof TypeError) return undefined
  throw error
}
