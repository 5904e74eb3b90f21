import { sseData } from '#core'
import { ModelFailure } from './failure.ts'

/** The data of each server-sent event of a provider's answer. */
export const eventsOf = (body: ReadableStream<Uint8Array>, signal: AbortSignal): AsyncGenerator<string> =>
  sseData(textOf(body, signal), () => new ModelFailure('garbage', 'an event without an end'))

async function* textOf(body: ReadableStream<Uint8Array>, signal: AbortSignal): AsyncGenerator<string> {
  const reader = body.getReader()
  const cancel = () => void reader.cancel(signal.reason).catch(() => undefined)
  signal.addEventListener('abort', cancel, { once: true })
  const decoder = new TextDecoder()
  let isOver = false
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((cause: unknown) => {
        throw signal.aborted ? signal.reason : new ModelFailure('cut', 'the stream broke', { cause })
      })
      signal.throwIfAborted()
      if (done) {
        isOver = true
        return
      }
      yield decoder.decode(value, { stream: true })
    }
  } finally {
    signal.removeEventListener('abort', cancel)
    if (!isOver) cancel()
  }
}
