import type { Chance } from './proofs/chance.ts'
import type { Reply } from './upstream.ts'

const DIMENSIONS = 3
const FATES = ['whole', 'whole', 'whole', 'no usage', 'cut', 'refused'] as const
const REFUSALS = [429, 500, 503]
const MICROS_PER_TOKEN = 50
const BYTES_PER_S = 500
const MICROS_PER_MS = 1

/** As settings: what this upstream offers, at the prices it bills. */
export const wholeVars = (url: string) => ({
  EMBEDDINGS_PROVIDER: 'openai-compatible',
  EMBEDDINGS_BASE_URL: `${url}/v1`,
  EMBEDDINGS_MODEL: `embedder=${MICROS_PER_TOKEN}/0`,
  EMBEDDINGS_DIMENSIONS: String(DIMENSIONS),
  TRANSCRIPTION_PROVIDER: 'openai-compatible',
  TRANSCRIPTION_BASE_URL: `${url}/v1`,
  TRANSCRIPTION_MODEL: `hearer=${(MICROS_PER_MS * 60_000) / 1_000_000}`,
})

/** How a model that answers whole does so by chance, by the path that was asked; undefined where none is there. */
export function makeWholeReply(chance: Chance, url: string, text: string): Reply | undefined {
  if (url !== '/v1/embeddings' && url !== '/v1/audio/transcriptions') return undefined
  const fate = chance.pick(FATES)
  if (fate === 'refused')
    return { status: chance.pick(REFUSALS), chunks: ['{"error":{}}'], billed: () => 0, isCut: false }
  const { body, micros } = url === '/v1/embeddings' ? embedded(chance, text) : heard(chance, text)
  const { usage: _, ...uncounted } = body
  const said = JSON.stringify(fate === 'no usage' ? uncounted : body)
  const isCut = fate === 'cut'
  return { status: 200, chunks: [isCut ? said.slice(0, chance.int(said.length)) : said], billed: () => micros, isCut }
}

function embedded(chance: Chance, text: string) {
  const { input }: { input: string[] } = JSON.parse(text)
  const tokens = 1 + chance.int(Buffer.byteLength(input.join('')))
  const data = input.map((one, index) => ({ index, embedding: [one.length, 1, 1] }))
  return { body: { data, usage: { prompt_tokens: tokens } }, micros: tokens * MICROS_PER_TOKEN }
}

// The recording is text of its own here; what is around it in the form is not heard.
function heard(chance: Chance, text: string) {
  const bytes = Buffer.byteLength(/case-[^\r\n]*/.exec(text)?.[0] ?? '')
  const ms = 1 + chance.int((bytes * 1000) / BYTES_PER_S - 1)
  return {
    body: { text: 'as it was said', usage: { type: 'duration', seconds: ms / 1000 } },
    micros: ms * MICROS_PER_MS,
  }
}
