import { MAX_AUDIO_BYTES, type Transcript, transcribe } from '#ai'
import { requireSession } from '#auth'
import { AppError, type UserCtx } from '#core'

// What is around the recording: the other fields of the form.
const MAX_FORM_BYTES = MAX_AUDIO_BYTES + 100_000

type Upload = { type: string; length: number; body: ReadableStream<Uint8Array<ArrayBuffer>> | null }

/** The words of an uploaded recording. `unavailable`: no model for it is configured; `not_found`: it is another one. */
export async function transcribeUpload(ctx: UserCtx, upload: Upload, signal: AbortSignal): Promise<Transcript> {
  await requireSession(ctx)
  const form = await readForm(upload)
  const [file, model, language] = [form.get('file'), form.get('model'), form.get('language')]
  if (!(file instanceof File)) throw wrong('/file', 'a recording is needed')
  if (file.size === 0) throw wrong('/file', 'is empty')
  if (typeof model !== 'string') throw wrong('/model', 'is needed')
  if (language !== null && (typeof language !== 'string' || !/^[a-z]{2,3}$/.test(language)))
    throw wrong('/language', 'must be a code of ISO 639-1')
  if (form.get('stream') === 'true') throw wrong('/stream', 'is not offered')
  const { transcription } = ctx.config.ai
  if (!transcription) throw new AppError('unavailable', 'No model for speech is configured')
  if (model !== transcription.model.name) throw new AppError('not_found', `There is no model ${model.slice(0, 200)}`)
  const bytes = new Uint8Array(await file.arrayBuffer())
  const type = /^[\w.+-]+\/[\w.+-]+$/.test(file.type) ? file.type : 'application/octet-stream'
  // Some tell the codec by the ending of the name.
  const ending = /\.(\w{1,8})$/.exec(file.name)?.[1]?.toLowerCase() ?? 'bin'
  const speech = { bytes, type, name: `audio.${ending}`, ...(language && { language }) }
  return await transcribe(ctx, { ...speech, feature: 'compat.openai', signal })
}

/** As it was asked for: an object, or the text alone. */
export function toTranscription({ text, seconds, costMicros }: Transcript) {
  return { text, usage: { type: 'duration', seconds: Math.ceil(seconds), cost_micros: costMicros } }
}

async function readForm({ type, length, body }: Upload): Promise<FormData> {
  if (!/^multipart\/form-data\b/i.test(type))
    throw new AppError('unsupported_media_type', 'The body must be multipart/form-data')
  if (length > MAX_FORM_BYTES) throw tooLarge()
  const bytes = await readLimited(body)
  try {
    return await new Response(bytes, { headers: { 'content-type': type } }).formData()
  } catch (cause) {
    throw new AppError('invalid_request', 'The form cannot be read', { cause })
  }
}

const tooLarge = () => new AppError('too_large', 'The recording may have 25 MB at most')

async function readLimited(body: Upload['body']): Promise<Blob> {
  const chunks: Uint8Array<ArrayBuffer>[] = []
  let size = 0
  for await (const chunk of body ?? []) {
    size += chunk.byteLength
    if (size > MAX_FORM_BYTES) throw tooLarge()
    chunks.push(chunk)
  }
  return new Blob(chunks)
}

function wrong(pointer: string, detail: string): AppError {
  return new AppError('invalid_request', `${pointer.slice(1)}: ${detail}`, { errors: [{ pointer, detail }] })
}
