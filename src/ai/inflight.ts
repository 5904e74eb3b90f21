/** Events of one call, for one who asked; leaving early (`return`, or the signal) ends the call if nobody else follows. */
export type Shared<T> = { isLeader: boolean; events: AsyncIterableIterator<T> }

export type Inflight<T> = {
  /** Joins the call that runs under this key, from its beginning, or starts it. */
  share(key: string, start: (signal: AbortSignal) => AsyncIterable<T>, signal: AbortSignal): Shared<T>
  /** How many run now. */
  size(): number
}

type Flight<T> = {
  told: T[]
  end: { error: unknown } | 'done' | undefined
  followers: number
  upstream: AbortController
  /** Resolves when there is more to tell; a new one each time. */
  more: PromiseWithResolvers<void>
  /** How far the fastest has read; `taken` resolves when somebody reads on, or leaves. */
  lead: number
  taken: PromiseWithResolvers<void>
}

/**
 * Identical calls at the same time are one call. Only for those that run in one Durable Object: a stateless Worker ends
 * the streams and timers of a request with that request, and whoever followed it from another would wait for ever.
 */
export function createInflight<T>(): Inflight<T> {
  const flights = new Map<string, Flight<T>>()

  function launch(key: string, start: (signal: AbortSignal) => AsyncIterable<T>): Flight<T> {
    const upstream = new AbortController()
    const flight: Flight<T> = {
      told: [],
      end: undefined,
      followers: 0,
      upstream,
      more: Promise.withResolvers(),
      lead: 0,
      taken: Promise.withResolvers(),
    }
    flights.set(key, flight)
    void run(flight, start).finally(() => land(key, flight))
    return flight
  }

  // Whoever comes after the end, or after the last one left, starts anew.
  function land(key: string, flight: Flight<T>): void {
    if (flights.get(key) === flight) flights.delete(key)
  }

  return {
    share(key, start, signal) {
      const known = flights.get(key)
      const flight = known ?? launch(key, start)
      const onLast = () => {
        land(key, flight)
        flight.upstream.abort(new DOMException('nobody listens any more', 'AbortError'))
      }
      return { isLeader: !known, events: follow(flight, signal, onLast) }
    },
    size: () => flights.size,
  }
}

// What is told and nobody has read yet: beyond it the model is held back.
const MOST_AHEAD = 64

/** Reads as fast as the fastest of those who follow. */
async function run<T>(flight: Flight<T>, start: (signal: AbortSignal) => AsyncIterable<T>): Promise<void> {
  const wake = () => {
    const { resolve } = flight.more
    flight.more = Promise.withResolvers()
    resolve()
  }
  try {
    for await (const event of start(flight.upstream.signal)) {
      flight.told.push(event)
      wake()
      while (flight.told.length - flight.lead > MOST_AHEAD && flight.followers > 0) await flight.taken.promise
    }
    flight.end = 'done'
  } catch (error) {
    flight.end = { error }
  }
  wake()
}

function read<T>(flight: Flight<T>, lead: number): void {
  flight.lead = lead
  const { resolve } = flight.taken
  flight.taken = Promise.withResolvers()
  resolve()
}

function follow<T>(flight: Flight<T>, signal: AbortSignal, onLast: () => void): AsyncIterableIterator<T> {
  let at = 0
  let hasLeft = false
  const gone = Promise.withResolvers<void>()
  flight.followers++

  const leave = () => {
    if (hasLeft) return
    hasLeft = true
    signal.removeEventListener('abort', leave)
    gone.resolve()
    read(flight, flight.lead)
    if (--flight.followers === 0 && flight.end === undefined) onLast()
  }
  if (signal.aborted) leave()
  else signal.addEventListener('abort', leave)

  return {
    [Symbol.asyncIterator]() {
      return this
    },
    async next() {
      for (;;) {
        if (signal.aborted) throw signal.reason
        if (hasLeft) return { done: true, value: undefined }
        const event = flight.told[at]
        if (at < flight.told.length && event !== undefined) {
          at++
          if (at > flight.lead) read(flight, at)
          return { done: false, value: event }
        }
        if (flight.end !== undefined) {
          leave()
          if (flight.end !== 'done') throw flight.end.error
          return { done: true, value: undefined }
        }
        await Promise.race([flight.more.promise, gone.promise])
      }
    },
    async return() {
      leave()
      return { done: true, value: undefined }
    },
  }
}
