import { describeError, findAppError, toProblem, type UserCtx } from '#core'
import { databaseFailure } from '#database'
import type { Answering, Said } from './ask.ts'

/** One server-sent event. */
export function sse(data: object, event?: string): string {
  return `${event === undefined ? '' : `event: ${event}\n`}data: ${JSON.stringify(data)}\n\n`
}

/** How a protocol tells an answer: what goes before, each thing said, and what an error in the middle is. */
export type Teller = {
  open(): string
  tell(said: Said): string
  fail(problem: ReturnType<typeof toProblem>): string
}

const MAX_UNSENT_CHARS = 16_000

/**
 * An answer as a stream. What the model says at once is sent at once; beyond a bound the model waits with its reader.
 * `over` resolves when nothing of it runs any more; a reader that leaves ends the model's work.
 */
export function toStream(ctx: UserCtx, answering: Answering, teller: Teller, controller: AbortController) {
  const encoder = new TextEncoder()
  let unsent = teller.open()
  let isOver = false
  let [news, room] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const leave = () => room.resolve()
  controller.signal.addEventListener('abort', leave)

  async function tellAll(): Promise<void> {
    try {
      for await (const said of answering.events) {
        unsent += teller.tell(said)
        news.resolve()
        if (unsent.length < MAX_UNSENT_CHARS) continue
        await room.promise
      }
    } catch (error) {
      const known = findAppError(error) ?? databaseFailure(error)
      if (!known && !controller.signal.aborted) ctx.log.error('stream.failed', describeError(error))
      unsent += teller.fail(toProblem(known ?? error, ctx.requestId))
    }
    isOver = true
    news.resolve()
    controller.signal.removeEventListener('abort', leave)
    await answering.close().catch(() => undefined)
  }

  const over = tellAll()
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(sink) {
        if (unsent === '' && !isOver) await news.promise
        if (unsent !== '') sink.enqueue(encoder.encode(unsent))
        unsent = ''
        if (isOver) return sink.close()
        room.resolve()
        news = Promise.withResolvers()
        room = Promise.withResolvers()
      },
      cancel: () => controller.abort(),
    },
    { highWaterMark: 0 },
  )
  return { body, over }
}
