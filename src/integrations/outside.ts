import { z } from 'zod'
import { AppError, findAppError } from '#core'

/** All of one errand at another's server. */
export const DEADLINE_MS = 10_000
const MAX_BYTES = 1_000_000
const MAX_REASON = 300

/** What went wrong at another's server, as the person is told it. */
export const refusal = (reason: string) => new AppError('unavailable', reason.slice(0, MAX_REASON).toWellFormed())

/** The text of an answer as it comes, a megabyte at most. Left early, the stream is cancelled. */
export async function* chunks({ body }: Response): AsyncGenerator<string> {
  if (!body) return
  const decoder = new TextDecoder()
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.byteLength
    if (bytes > MAX_BYTES) throw refusal(`It answered more than ${MAX_BYTES} bytes`)
    yield decoder.decode(chunk, { stream: true })
  }
  yield decoder.decode()
}

export async function* whole(response: Response): AsyncGenerator<string> {
  let text = ''
  for await (const chunk of chunks(response)) text += chunk
  yield text
}

/** Why an errand failed; what came back was not what `kind` names. */
export function toFailure(url: string, kind: string, error: unknown): AppError {
  const known = findAppError(error)
  if (known) return known
  if (error instanceof z.ZodError || error instanceof SyntaxError)
    return new AppError('unavailable', `It answered what is not ${kind}`, { cause: error })
  if (error instanceof DOMException && error.name === 'TimeoutError')
    return new AppError('timeout', `It took longer than ${DEADLINE_MS / 1000} s`, { cause: error })
  return new AppError('unavailable', `It does not answer at ${new URL(url).host}`, { cause: error })
}

/** A parameter of a `WWW-Authenticate`. */
export function partOf(header: string, name: string): string | undefined {
  const [, quoted, bare] =
    new RegExp(`\\b${name}\\s*=\\s*(?:"([^"]{1,2000})"|([^\\s,"]{1,2000}))`, 'i').exec(header) ?? []
  return quoted ?? bare
}
