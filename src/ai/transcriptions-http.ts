import { Buffer } from 'node:buffer'
import { z } from 'zod'
import type { TranscriptionConfig } from '#config'
import { s } from '#core'
import { statusFailure } from './failure.ts'
import { answered, parsed } from './whole.ts'
import { type AiBinding, toFailure } from './workers-ai.ts'

/** `type` is a MIME type; `language` of ISO 639-1. */
export type Speech = { bytes: Uint8Array<ArrayBuffer>; type: string; name: string; language?: string | undefined }
/** As a provider gave it: `seconds` of audio is null where it did not count. */
export type RawTranscript = { text: string; seconds: number | null }

const TIMEOUT_MS = 120_000
const MAX_CHARS = 1_000_000
const seconds = z.number().min(0).max(1_000_000)
const text = z.string().max(MAX_CHARS)
const Answer = s.later(() =>
  z.object({
    text,
    duration: seconds.optional(),
    // A model that is paid for by tokens says those, which are not what was declared: the most is charged.
    usage: z.object({ seconds: seconds.optional() }).optional(),
  }),
)
const BindingAnswer = s.later(() =>
  z.object({ text, transcription_info: z.object({ duration: seconds.optional() }).optional() }),
)

/** Text from any server that speaks OpenAI's `/audio/transcriptions`. Throws a `ModelFailure`, or the caller's abort. */
export async function transcribeOverHttp(to: TranscriptionConfig, speech: Speech, signal: AbortSignal) {
  const form = new FormData()
  form.set('model', to.model.name)
  form.set('file', new Blob([speech.bytes], { type: speech.type }), speech.name)
  form.set('response_format', 'json')
  if (speech.language) form.set('language', speech.language)
  const said = await answered(signal, TIMEOUT_MS, async (ending) => {
    const headers = to.apiKey ? { authorization: `Bearer ${to.apiKey}` } : undefined
    const asked = { method: 'POST', signal: ending, body: form, ...(headers && { headers }) }
    const response = await fetch(`${to.baseUrl}/audio/transcriptions`, asked)
    const body = await response.text()
    if (!response.ok) throw statusFailure(response.status, response.headers, '', new Error(body.slice(0, 500)))
    return body
  })
  const { usage, duration, ...rest } = parsed(Answer(), () => JSON.parse(said))
  return { text: rest.text, seconds: usage?.seconds ?? duration ?? null } satisfies RawTranscript
}

/** Text from a Whisper of the Workers AI binding, which takes its audio in base64. */
export async function transcribeByBinding(ai: AiBinding, to: TranscriptionConfig, speech: Speech, signal: AbortSignal) {
  const { buffer, byteOffset, length } = speech.bytes
  const audio = Buffer.from(buffer, byteOffset, length).toString('base64')
  const inputs = { audio, task: 'transcribe', ...(speech.language && { language: speech.language }) }
  const said = await answered(signal, TIMEOUT_MS, (ending) =>
    ai.run(to.model.name, inputs, { signal: ending }).catch((error: unknown) => {
      throw toFailure(error, signal)
    }),
  )
  const { transcription_info: info, ...rest } = parsed(BindingAnswer(), () => said)
  return { text: rest.text, seconds: info?.duration ?? null } satisfies RawTranscript
}
