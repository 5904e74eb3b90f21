import { eventSse, type LoggedEvent, oldestOffset, position, readPosition, replay } from './log.ts'
import { snapshotOf } from './protocol.ts'
import { Topic } from './schema.ts'

const HEARTBEAT_MS = 20_000
const BATCH = 100
// What a reader who keeps up may have waiting beside the log.
const MAX_FRESH = 10

/** An open stream of one topic, as the object that holds it sees it. */
export type Tail = {
  topic: string
  sessionId: string | null
  openedMs: number
  wake(event: LoggedEvent): void
  end(): void
}
export type TailOptions = {
  topic: string
  /** A Last-Event-ID; null: only what comes next. */
  after: string | null
  sessionId: string | null
  openedMs: number
  /** Events after which the stream is over. */
  until: readonly string[]
  wait(ms: number, signal: AbortSignal): Promise<unknown>
  onClose(tail: Tail): void
}

/**
 * A topic as server-sent events. The log is the buffer: a slow reader falls behind in it and holds little memory, and
 * what was appended while nobody read is read later.
 */
export function openTail(
  storage: SqlStorage,
  options: TailOptions,
): { stream: ReadableStream<Uint8Array>; tail: Tail } {
  const { epoch, offset } = position(storage)
  const from = options.after === null ? { epoch, offset } : readPosition(options.after)
  let isLost = from === null || from.epoch !== epoch || from.offset > offset
  let cursor = isLost || from === null ? offset : from.offset
  let isOver = false
  // Whether the log may hold what is in neither: asking it costs more than all else here.
  let isBehind = true
  let fresh: LoggedEvent[] = []
  let bell = Promise.withResolvers<void>()
  const ring = () => {
    bell.resolve()
    bell = Promise.withResolvers()
  }
  const tail: Tail = {
    topic: options.topic,
    sessionId: options.sessionId,
    openedMs: options.openedMs,
    wake(event) {
      // All before it was read.
      if (!isBehind && fresh.length === 0) cursor = event.offset - 1
      isBehind ||= fresh.length === MAX_FRESH
      fresh = isBehind ? [] : [...fresh, event]
      ring()
    },
    end() {
      isOver = true
      ring()
    },
  }

  function next(): string {
    if (!isBehind) return shown(fresh.splice(0))
    if (isLost || cursor < oldestOffset(storage) - 1) return startAnew()
    const events = replay(storage, cursor, [options.topic], BATCH)
    isBehind = events.length === BATCH
    if (events.length === 0) cursor = position(storage).offset
    return shown(events)
  }

  function shown(events: LoggedEvent[]): string {
    const last = events.findIndex(({ event }) => options.until.includes(event))
    if (last >= 0) isOver = true
    const told = last >= 0 ? events.slice(0, last + 1) : events
    cursor = told.at(-1)?.offset ?? cursor
    return told.map((event) => eventSse(epoch, event)).join('')
  }

  function startAnew(): string {
    isLost = false
    // What it was to end with may be among what was lost: it would wait for ever.
    if (options.until.length > 0) isOver = true
    cursor = position(storage).offset
    const topic = Topic.safeParse(options.topic)
    const snapshot = topic.success ? snapshotOf([topic.data]) : []
    return `id: ${epoch}:${cursor}\nevent: reset\ndata: ${JSON.stringify({ snapshot })}\n\n`
  }

  const closing = new AbortController()
  let beat: Promise<void> | undefined

  // Rings, or the time for a heartbeat, whichever comes first; one clock serves many rings.
  async function quiet(): Promise<void> {
    beat ??= options
      .wait(HEARTBEAT_MS, closing.signal)
      .catch(() => undefined)
      .then(() => {
        beat = undefined
      })
    await Promise.race([bell.promise, beat])
  }

  function close(): void {
    closing.abort()
    options.onClose(tail)
  }

  const encoder = new TextEncoder()
  let isFirst = true
  const stream = new ReadableStream({
    type: 'bytes',
    async pull(controller) {
      let text = isFirst ? 'retry: 1000\n\n' : ''
      isFirst = false
      if (!isOver && (isBehind || fresh.length > 0)) text += next()
      if (text === '' && !isOver) {
        await quiet()
        if (!isOver) text = next() || ': still here\n\n'
      }
      if (text !== '') controller.enqueue(encoder.encode(text))
      if (!isOver) return
      close()
      controller.close()
      controller.byobRequest?.respond(0)
    },
    cancel() {
      tail.end()
      close()
    },
  })
  return { stream, tail }
}
