import type { TranscriptionConfig } from '#config'
import { AppError } from '#core'
import { isOpen } from './breaker.ts'
import type { Feature } from './call.ts'
import type { Model } from './catalogue.ts'
import { NO_USAGE } from './model.ts'
import { price } from './prices.ts'
import { type RawTranscript, type Speech, transcribeByBinding, transcribeOverHttp } from './transcriptions-http.ts'
import { type WholeCtx, whole } from './whole.ts'
import type { AiBinding } from './workers-ai.ts'

export type TranscribeInput = Speech & { feature: Feature; background?: boolean; signal?: AbortSignal }
/** `isEstimated`: the provider did not say how long it was, and the most it can have been is charged. */
export type Transcript = { text: string; seconds: number; costMicros: number; isEstimated: boolean }

/** What a recording may have. */
export const MAX_AUDIO_BYTES = 25_000_000
// No codec for speech takes less: 4 kbit/s.
const FEWEST_BYTES_PER_S = 500
const PRICED_FROM = '2026-01-01'
const MS_PER_MINUTE = 60_000
const MILLION = 1_000_000

/** The words of a recording. `unavailable` where nobody is configured to hear them, or bound; `too_large` beyond 25 MB. */
export async function transcribe(ctx: WholeCtx, input: TranscribeInput): Promise<Transcript> {
  const { transcription } = ctx.config.ai
  if (!transcription) throw new AppError('unavailable', 'No model for speech is configured')
  const { bytes, type, name, language, signal = new AbortController().signal, ...call } = input
  if (bytes.length > MAX_AUDIO_BYTES) throw new AppError('too_large', 'The recording may have 25 MB at most')
  const hear = hearerOf(ctx, transcription)
  const most = mostMs(bytes)
  const model = modelOf(transcription)
  // Its units are milliseconds; the ledger's tokens are none of them.
  const paid = { ...call, kind: 'transcribe', signal, model, most, usageOf: () => NO_USAGE } as const
  const { value, bill } = await whole(ctx, paid, (asking) =>
    asking(most, async () => {
      const heard = await hear({ bytes, type, name, language }, signal)
      return { value: heard.text, units: heard.seconds === null ? null : Math.ceil(heard.seconds * 1000) }
    }),
  )
  return { text: value, seconds: bill.units / 1000, costMicros: bill.costMicros, isEstimated: bill.isEstimated }
}

type Hearer = (speech: Speech, signal: AbortSignal) => Promise<RawTranscript>

function hearerOf({ env }: WholeCtx, to: TranscriptionConfig): Hearer {
  if (to.provider === 'openai-compatible') return (speech, signal) => transcribeOverHttp(to, speech, signal)
  if (!env.AI) throw new AppError('unavailable', 'The model for speech is not bound here')
  // biome-ignore lint/nursery/noUnsafeTypeAssertion: the model is a setting, so its name is no literal of theirs
  const ai = env.AI as unknown as AiBinding
  return (speech, signal) => transcribeByBinding(ai, to, speech, signal)
}

/** The longest this can be: a WAV file says how fast its bytes go by, of others only a bound is known. */
function mostMs(bytes: Uint8Array): number {
  const isWave =
    bytes.length > 44 && ascii(bytes, 0) === 'RIFF' && ascii(bytes, 8) === 'WAVE' && ascii(bytes, 12) === 'fmt '
  const rate = isWave ? new DataView(bytes.buffer, bytes.byteOffset).getUint32(28, true) : 0
  return Math.ceil((bytes.length * 1000) / Math.max(rate, FEWEST_BYTES_PER_S))
}

const ascii = (bytes: Uint8Array, at: number) => String.fromCharCode(...bytes.subarray(at, at + 4))

function modelOf({ provider, model: { name, minuteDollars } }: TranscriptionConfig): Model {
  const prices: Model['prices'] = [price(PRICED_FROM, (minuteDollars * MILLION) / MS_PER_MINUTE, 0)]
  return { name, provider, tier: 1, contextTokens: 0, maxOutputTokens: 0, abilities: [], prices }
}

/** For `/health/ready`: `down` while it is left alone, or not bound. */
export function transcriptionHealth({ config, env, now }: Pick<WholeCtx, 'config' | 'env' | 'now'>) {
  const { transcription } = config.ai
  if (!transcription) return { status: 'off' as const, provider: 'none', detail: 'TRANSCRIPTION_PROVIDER is not set' }
  const { provider } = transcription
  if (provider === 'workers-ai' && !env.AI)
    return { status: 'down' as const, provider, detail: 'the binding AI is missing' }
  return isOpen(modelOf(transcription), now())
    ? { status: 'down' as const, provider, detail: 'open: it failed lately' }
    : { status: 'ok' as const, provider, detail: 'configured; not probed' }
}
