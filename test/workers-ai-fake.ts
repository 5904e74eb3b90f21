import { z } from 'zod'
import type { Script } from '../local/openai-fake.ts'

const Call = z.looseObject({ id: z.string(), function: z.looseObject({ name: z.string(), arguments: z.string() }) })
const Inputs = z.looseObject({
  messages: z
    .array(
      z.looseObject({
        role: z.enum(['system', 'user', 'assistant', 'tool']),
        // The binding refuses a message whose content is null.
        content: z.string(),
        tool_calls: z.array(Call).optional(),
      }),
    )
    .min(1),
  max_tokens: z.number().int().min(1),
  stream: z.literal(true),
})
const Texts = z.strictObject({ text: z.array(z.string().min(1)).min(1).max(100) })
// As the binding's types have it; of audio, base64 alone.
const Recording = z.strictObject({
  audio: z.base64().min(1),
  task: z.enum(['transcribe', 'translate']).optional(),
  language: z
    .string()
    .regex(/^[a-z]{2}$/)
    .optional(),
  vad_filter: z.boolean().optional(),
  initial_prompt: z.string().optional(),
  prefix: z.string().optional(),
})
const HEARER = '@cf/openai/whisper-large-v3-turbo'
const BYTES_PER_S = 32_000
const CHARS_PER_TOKEN = 4

/** A failure as the binding throws it: `<internal code>: <description>`. */
export const aiError = (code: number, description: string) =>
  Object.assign(new Error(`${code}: ${description}`), { name: 'AiError' })

/**
 * The binding `AI`, from its public contract. What a recording is heard to say is its bytes after a header, as text. A model named `@cf/openai/…` streams OpenAI's chunks, any other the older
 * shape, which has no reason for its end.
 */
export function makeAiFake(models: string[]) {
  const scripts: [string, Script][] = []
  const recordings: string[] = []
  async function hear(inputs: Record<string, unknown>): Promise<object> {
    const parsed = Recording.safeParse(inputs)
    if (!parsed.success) throw aiError(5006, `Error: oneOf at '/' not met: ${parsed.error.message}`)
    const bytes = Buffer.from(parsed.data.audio, 'base64')
    const text = bytes.subarray(44).toString().trim()
    recordings.push(text)
    const [, script = {}] = scripts.findLast(([to]) => text.includes(to)) ?? []
    // Its promise heeds no signal.
    if (script.hang) return await new Promise<never>(() => undefined)
    if (script.status) throw aiError(script.status, 'as the script says')
    if (script.garbage) return { vtt: 'WEBVTT' }
    const duration = bytes.length / BYTES_PER_S
    const info = { language: 'en', language_probability: 1, duration, duration_after_vad: duration }
    const said = { text, word_count: text.split(/\s+/).length, vtt: 'WEBVTT', segments: [] }
    return script.hasUsage === false ? said : { ...said, transcription_info: info }
  }
  async function run(model: string, inputs: Record<string, unknown>, { signal }: { signal: AbortSignal }) {
    signal.throwIfAborted()
    if (!models.includes(model)) throw aiError(5007, `No such model ${model} or task`)
    if (model === HEARER) return await hear(inputs)
    const texts = Texts.safeParse(inputs)
    if (texts.data) {
      const data = texts.data.text.map((text) => [text.length, text.charCodeAt(0), 1])
      return { shape: [data.length, 3], data, pooling: 'cls' }
    }
    const parsed = Inputs.safeParse(inputs)
    if (!parsed.success) throw aiError(5006, `Error: oneOf at '/' not met: ${parsed.error.message}`)
    const { messages, max_tokens } = parsed.data
    const asked = messages.findLast(({ role }) => role === 'user')?.content ?? ''
    const [, script = { text: 'Hello.' }] = scripts.findLast(([to]) => asked.includes(to)) ?? []
    if (script.status) throw aiError(script.status, 'as the script says')
    const write = model.startsWith('@cf/openai/') ? openaiChunks : ownChunks
    return streamOf(write(script, max_tokens, JSON.stringify(messages)), script.stall, signal)
  }
  return { run, recordings, on: (to: string, script: Script) => void scripts.push([to, script]) }
}

const pieces = (text: string): string[] => text.match(/[\s\S]{1,5}/g) ?? []

function usageOf(prompt: string, said: string) {
  const [prompt_tokens, completion_tokens] = [prompt, said].map((text) => Math.ceil(text.length / CHARS_PER_TOKEN))
  return { prompt_tokens, completion_tokens, total_tokens: Number(prompt_tokens) + Number(completion_tokens) }
}

function* ownChunks({ text = '', calls = [], hasUsage }: Script, limit: number, prompt: string) {
  const said = text.slice(0, limit * CHARS_PER_TOKEN)
  for (const response of pieces(said)) yield { response, p: 'abcd' }
  const tool_calls = calls.map(({ name, input }) => ({ name, arguments: input }))
  if (calls.length > 0) yield { response: null, tool_calls }
  yield { response: '', ...(hasUsage !== false && { usage: usageOf(prompt, said + JSON.stringify(tool_calls)) }) }
}

function* openaiChunks({ text = '', calls = [], hasUsage }: Script, limit: number, prompt: string) {
  const said = text.slice(0, limit * CHARS_PER_TOKEN)
  const say = (delta: object, finish_reason: string | null = null) => ({
    choices: [{ index: 0, delta, finish_reason }],
  })
  for (const content of pieces(said)) yield say({ content })
  for (const [index, { name, input }] of calls.entries()) {
    yield say({ tool_calls: [{ index, id: `chatcmpl-tool-${index}`, type: 'function', function: { name } }] })
    for (const piece of pieces(JSON.stringify(input)))
      yield say({ tool_calls: [{ index, function: { arguments: piece } }] })
    yield say({ tool_calls: [{ index, id: null, type: null, function: { name: null, arguments: '' } }] })
  }
  yield say({}, said.length < text.length ? 'length' : calls.length > 0 ? 'tool_calls' : 'stop')
  if (hasUsage !== false) yield { choices: [], usage: usageOf(prompt, said + JSON.stringify(calls)) }
}

function streamOf(chunks: Iterable<object>, stall: number | undefined, signal: AbortSignal) {
  const iterator = chunks[Symbol.iterator]()
  const bytes = (text: string) => new TextEncoder().encode(text)
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (stall) await new Promise((resolve) => setTimeout(resolve, stall))
      if (signal.aborted) return controller.error(signal.reason)
      const { done, value } = iterator.next()
      controller.enqueue(bytes(done ? 'data: [DONE]\n\n' : `data: ${JSON.stringify(value)}\n\n`))
      if (done) controller.close()
    },
  })
}
