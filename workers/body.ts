import type { Context } from 'hono'
import { AppError } from '#core'

const MAX_BODY_BYTES = 1_000_000
/** The body, read once and within its limit; strict UTF-8 and storable JSON where a handler is to have it. */
export async function readBody(c: Context, isForHandler: boolean): Promise<string> {
  const stream = c.req.raw.body
  if (!stream) return ''
  const type = c.req.header('content-type') ?? ''
  if (isForHandler) refuseCharset(type)
  const length = c.req.header('content-length')
  if (Number(length ?? 0) > MAX_BODY_BYTES) throw tooLarge()
  // A body whose length was told cannot be longer: it is read at once.
  const bytes = length ? new Uint8Array(await c.req.raw.arrayBuffer()) : await readLimited(stream)
  const text = decode(bytes, isForHandler)
  Object.assign(c.req.bodyCache, { text: Promise.resolve(text) })
  if (isForHandler && text !== '' && /json/i.test(type)) refuseUnstorable(text)
  return text
}

function tooLarge(): AppError {
  return new AppError('too_large', `The body may have ${MAX_BODY_BYTES} bytes at most`)
}

async function readLimited(stream: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of stream) {
    size += chunk.byteLength
    if (size > MAX_BODY_BYTES) throw tooLarge()
    chunks.push(chunk)
  }
  const whole = new Uint8Array(size)
  let at = 0
  for (const chunk of chunks) {
    whole.set(chunk, at)
    at += chunk.byteLength
  }
  return whole
}

function refuseCharset(type: string): void {
  const charset = /;\s*charset="?([^";\s]+)/i.exec(type)?.[1] ?? 'utf-8'
  if (!/^utf-?8$/i.test(charset)) throw new AppError('unsupported_media_type', 'The body must be in UTF-8')
}

function decode(bytes: Uint8Array, fatal: boolean): string {
  try {
    return new TextDecoder('utf-8', { fatal, ignoreBOM: false }).decode(bytes)
  } catch (cause) {
    throw new AppError('unsupported_media_type', 'The body is not valid UTF-8', { cause })
  }
}

function refuseUnstorable(text: string): void {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (cause) {
    throw new AppError('invalid_request', 'The body is not valid JSON', { cause })
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new AppError('invalid_request', 'The body must be a JSON object')
  }
  // An own "__proto__" would be dropped silently by a copy; nobody sends it in good faith.
  if (/__proto__|\\u/i.test(text) && hasPrototypeKey(parsed))
    throw new AppError('invalid_request', 'The body has a forbidden key: __proto__')
}

function hasPrototypeKey(value: object): boolean {
  const left: unknown[] = [value]
  for (let at = left.pop(); at !== undefined; at = left.pop()) {
    if (typeof at !== 'object' || at === null) continue
    if (Object.hasOwn(at, '__proto__')) return true
    for (const inner of Object.values(at)) left.push(inner)
  }
  return false
}
