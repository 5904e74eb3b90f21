import { ModelFailure } from './failure.ts'

const MAX_EVENT_CHARS = 4_194_304

/** The data of each server-sent event, wherever the bytes were split; what the stream ends within is no event. */
export async function* sseData(body: ReadableStream<Uint8Array>, signal: AbortSignal): AsyncGenerator<string> {
  const reader = body.getReader()
  const cancel = () => void reader.cancel(signal.reason).catch(() => undefined)
  signal.addEventListener('abort', cancel, { once: true })
  const decoder = new TextDecoder()
  let rest = ''
  let data: string[] = []
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((cause: unknown) => {
        throw signal.aborted ? signal.reason : new ModelFailure('cut', 'the stream broke', { cause })
      })
      signal.throwIfAborted()
      if (done) return
      rest += decoder.decode(value, { stream: true })
      // The last CR may be half of a CRLF.
      const lines = rest.split(/\r\n|\n|\r(?!$)/)
      rest = lines.pop() ?? ''
      for (const line of lines) {
        if (line.startsWith('data:')) data.push(line.slice(line[5] === ' ' ? 6 : 5))
        else if (line === '' && data.length > 0) {
          yield data.join('\n')
          data = []
        }
      }
      if (rest.length > MAX_EVENT_CHARS || data.length > MAX_EVENT_CHARS)
        throw new ModelFailure('garbage', 'an event without an end')
    }
  } finally {
    signal.removeEventListener('abort', cancel)
    cancel()
  }
}
