import { z } from 'zod'

/** The one whose contract is spoken: others of Cloudflare's take a list of numbers, which of 25 MB is more than an isolate holds. */
const BOUND = '@cf/openai/whisper-large-v3-turbo'
const MODEL = /^([\w.:/@-]{1,100})=(\d+(?:\.\d+)?)$/

/** `name=DOLLARS`: what a minute of audio costs. It needs a price; 0 is one. */
const SpeechModel = z.string().transform((value, issue) => {
  const [, name = '', dollars] = MODEL.exec(value.trim()) ?? []
  if (name === '') issue.addIssue('is not name=DOLLARS: the model and what a minute of audio costs')
  return { name, minuteDollars: Number(dollars) }
})

/** The settings of speech to text, by name. */
export const SPEECH_SETTINGS = {
  TRANSCRIPTION_PROVIDER: z.enum(['openai-compatible', 'workers-ai']).optional(),
  TRANSCRIPTION_BASE_URL: z.url().optional(),
  TRANSCRIPTION_API_KEY: z.string().min(1).optional(),
  TRANSCRIPTION_MODEL: SpeechModel.optional(),
}

const Settings = z.object(SPEECH_SETTINGS)
type Settings = z.infer<typeof Settings>

/** Who turns speech into text; null: nobody. */
export type TranscriptionConfig = {
  provider: 'openai-compatible' | 'workers-ai'
  baseUrl: string
  apiKey: string | undefined
  model: { name: string; minuteDollars: number }
}

/** Null where no provider is named, or without what it needs: `speechProblems` says what. */
export function readTranscription(source: Settings): TranscriptionConfig | null {
  const { TRANSCRIPTION_PROVIDER: provider, TRANSCRIPTION_MODEL: model, TRANSCRIPTION_API_KEY: apiKey } = source
  if (!provider || !model) return null
  return { provider, model, apiKey, baseUrl: (source.TRANSCRIPTION_BASE_URL ?? '').replace(/\/$/, '') }
}

/** What is named without what it needs. */
export function speechProblems(source: Settings): string[] {
  const { TRANSCRIPTION_PROVIDER: provider, TRANSCRIPTION_MODEL: model } = source
  const problems: string[] = []
  if (provider && !model) problems.push('TRANSCRIPTION_MODEL: name one model with its price')
  if (provider === 'workers-ai' && model && model.name !== BOUND)
    problems.push(`TRANSCRIPTION_MODEL: of Workers AI only ${BOUND} is spoken to`)
  if (provider === 'openai-compatible' && !source.TRANSCRIPTION_BASE_URL)
    problems.push('TRANSCRIPTION_BASE_URL: needed for openai-compatible transcription')
  return problems
}
