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

/**
 * An answer as a stream that is made no faster than it is read: the model waits with its reader. `over` resolves when
 * nothing of it runs any more; a reader that leaves ends the model's work.
 */
export function toStream(ctx: UserCtx, answering: Answering, teller: Teller, stop: () => void) {
  const ended = Promise.withResolvers<void>()
  const encoder = new TextEncoder()
  const finish = async () => {
    await answering.close().catch(() => undefined)
    ended.resolve()
  }
  let unsent = teller.open()

  /** What comes next, undefined at the end. */
  async function next(): Promise<string | undefined> {
    const { done, value } = await answering.events.next()
    return done ? undefined : teller.tell(value)
  }

  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        let isOver = false
        try {
          const text = await next()
          isOver = text === undefined
          unsent += text ?? ''
        } catch (error) {
          isOver = true
          const known = findAppError(error) ?? databaseFailure(error)
          if (!known) ctx.log.error('stream.failed', describeError(error))
          unsent += teller.fail(toProblem(known ?? error, ctx.requestId))
        }
        if (unsent !== '') controller.enqueue(encoder.encode(unsent))
        unsent = ''
        if (!isOver) return
        controller.close()
        await finish()
      },
      async cancel() {
        stop()
        await finish()
      },
    },
    { highWaterMark: 0 },
  )
  return { body, over: ended.promise }
}
