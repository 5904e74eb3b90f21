import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { z } from 'zod'

/** What is said to a message that has `to` in it. `stall`: milliseconds between two pieces. */
export type Script = {
  text?: string
  calls?: { name: string; input: object }[]
  refusal?: string
  status?: number
  headers?: Record<string, string>
  stall?: number
  cachedTokens?: number
  hasUsage?: boolean
  /** What is said once the calls have their results. */
  after?: string
  /** Of a recording: it is never answered, or with what is no answer. */
  hang?: boolean
  garbage?: boolean
}

const name = z.string().regex(/^[\w-]{1,64}$/)
const Tool = z.strictObject({
  type: z.literal('function'),
  function: z.strictObject({
    name,
    description: z.string().optional(),
    parameters: z.looseObject({ type: z.literal('object') }).optional(),
    strict: z.boolean().optional(),
  }),
})
const ToolCall = z.strictObject({
  id: z.string().min(1),
  type: z.literal('function'),
  function: z.strictObject({ name, arguments: z.string() }),
})
const Message = z.discriminatedUnion('role', [
  z.strictObject({ role: z.enum(['system', 'developer']), content: z.string() }),
  z.strictObject({ role: z.literal('user'), content: z.string().min(1) }),
  z.strictObject({
    role: z.literal('assistant'),
    content: z.string().nullish(),
    tool_calls: z.array(ToolCall).min(1).optional(),
  }),
  z.strictObject({ role: z.literal('tool'), content: z.string(), tool_call_id: z.string() }),
])
const Completion = z.strictObject({
  model: z.string(),
  messages: z.array(Message).min(1),
  stream: z.boolean().default(false),
  stream_options: z.strictObject({ include_usage: z.boolean().optional() }).optional(),
  max_tokens: z.number().int().min(1).optional(),
  max_completion_tokens: z.number().int().min(1).optional(),
  tools: z.array(Tool).min(1).max(128).optional(),
  tool_choice: z
    .union([
      z.enum(['auto', 'none', 'required']),
      z.strictObject({ type: z.literal('function'), function: z.strictObject({ name }) }),
    ])
    .optional(),
  response_format: z
    .discriminatedUnion('type', [
      z.strictObject({ type: z.enum(['text', 'json_object']) }),
      z.strictObject({
        type: z.literal('json_schema'),
        json_schema: z.strictObject({ name, schema: z.looseObject({}), strict: z.boolean().optional() }),
      }),
    ])
    .optional(),
  temperature: z.number().min(0).max(2).optional(),
  top_p: z.number().min(0).max(1).optional(),
  stop: z.union([z.string(), z.array(z.string()).min(1).max(4)]).optional(),
})
type Completion = z.infer<typeof Completion>
const Embedding = z.strictObject({
  model: z.string(),
  input: z.union([z.string().min(1), z.array(z.string().min(1)).min(1).max(2048)]),
  encoding_format: z.enum(['float', 'base64']).default('float'),
  dimensions: z.number().int().min(1).optional(),
})

const CHARS_PER_TOKEN = 4
const MOST_TOKENS = 16_384
const DIMENSIONS = 8
const tokensIn = (text: string) => Math.ceil(text.length / CHARS_PER_TOKEN)

/** What the schema cannot say; what the real one says is kept in its words. */
function problemOf(body: Completion, models: string[]): [number, string, string] | undefined {
  if (!models.includes(body.model)) return [404, 'model_not_found', `The model '${body.model}' does not exist`]
  if ((body.max_tokens ?? body.max_completion_tokens ?? 1) > MOST_TOKENS)
    return [400, 'invalid_value', `max_tokens is too large: this model supports at most ${MOST_TOKENS}`]
  if (body.stream_options && !body.stream)
    return [400, 'invalid_value', "The 'stream_options' parameter is only allowed when 'stream' is enabled."]
  if (body.tool_choice && !body.tools) return [400, 'invalid_value', "'tool_choice' is only allowed with 'tools'"]
  const { tool_choice: choice } = body
  if (typeof choice === 'object' && !body.tools?.some((tool) => tool.function.name === choice.function.name))
    return [400, 'invalid_value', `Tool choice '${choice.function.name}' not found in 'tools' parameter.`]
  const format = body.response_format
  if (format?.type === 'json_object' && !/json/i.test(body.messages.map(({ content }) => content).join(' ')))
    return [400, 'invalid_value', "'messages' must contain the word 'json' in some form"]
  if (
    format?.type === 'json_schema' &&
    format.json_schema.strict &&
    format.json_schema.schema['additionalProperties'] !== false
  )
    return [400, 'invalid_value', "'additionalProperties' is required to be supplied and to be false."]
  return unanswered(body)
}

function unanswered({ messages }: Completion): [number, string, string] | undefined {
  let open = new Set<string>()
  for (const message of messages) {
    if (message.role === 'tool') {
      if (!open.delete(message.tool_call_id))
        return [
          400,
          'invalid_value',
          "messages with role 'tool' must be a response to a preceding message with 'tool_calls'.",
        ]
      continue
    }
    if (open.size > 0) break
    if (message.role === 'assistant') open = new Set(message.tool_calls?.map(({ id }) => id))
  }
  if (open.size === 0) return undefined
  const said = `An assistant message with 'tool_calls' must be followed by tool messages; missing: ${[...open].join(', ')}`
  return [400, 'invalid_value', said]
}

/** A server that speaks OpenAI's Chat Completions and Embeddings as its public reference has them, on loopback. */
export async function startOpenAiFake({ models, apiKey }: { models: string[]; apiKey?: string }) {
  const scripts: [string, Script][] = []
  const requests: Completion[] = []
  const recordings: string[] = []
  const stopping = new AbortController()

  async function answer(request: IncomingMessage, response: ServerResponse) {
    const refuse = (status: number, code: string, message: string, headers: Record<string, string> = {}) => {
      const type = status === 429 ? 'rate_limit_error' : status >= 500 ? 'server_error' : 'invalid_request_error'
      response.writeHead(status, { 'content-type': 'application/json', ...headers })
      response.end(JSON.stringify({ error: { message, type, param: null, code } }))
    }
    if (apiKey !== undefined && request.headers.authorization !== `Bearer ${apiKey}`)
      return refuse(401, 'invalid_api_key', 'Incorrect API key provided')
    const bytes = Buffer.concat(await Array.fromAsync(request, Buffer.from))
    if (request.url === '/v1/audio/transcriptions') {
      const type = request.headers['content-type'] ?? ''
      const heard = await transcribe(new Response(bytes, { headers: { 'content-type': type } }), models)
      if (!('text' in heard)) return refuse(...heard)
      recordings.push(heard.text)
      const [, script = {}] = scripts.findLast(([to]) => heard.text.includes(to)) ?? []
      if (script.hang) return
      if (script.status) return refuse(script.status, 'failed', 'as the script says', script.headers)
      if (script.garbage) return send(response, { words: [] })
      return send(response, script.hasUsage === false ? { text: heard.text } : heard)
    }
    const text = bytes.toString()
    const json: unknown = JSON.parse(text)
    if (request.url === '/v1/embeddings') {
      const body = Embedding.safeParse(json)
      return body.data ? send(response, embed(body.data)) : refuse(400, 'invalid_value', body.error.message)
    }
    if (request.url !== '/v1/chat/completions') return refuse(404, 'unknown_url', `Unknown request URL: ${request.url}`)
    const parsed = Completion.safeParse(json)
    if (!parsed.success) return refuse(400, 'invalid_value', parsed.error.message)
    const body = parsed.data
    requests.push(body)
    const problem = problemOf(body, models)
    if (problem) return refuse(...problem)
    const asked = body.messages.findLast(({ role }) => role === 'user')?.content ?? ''
    const [, found = { text: 'Hello.' }] = scripts.findLast(([to]) => asked.includes(to)) ?? []
    const script = found.after !== undefined && body.messages.at(-1)?.role === 'tool' ? { text: found.after } : found
    if (script.status) return refuse(script.status, 'failed', 'as the script says', script.headers)
    if (body.stream) await stream(response, body, script)
    else send(response, complete(body, script))
  }

  async function stream(response: ServerResponse, body: Completion, script: Script) {
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
    const head = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: body.model }
    const data = (value: object) => response.write(`data: ${JSON.stringify({ ...head, ...value })}\n\n`)
    const say = (delta: object) => data({ choices: [{ index: 0, delta, finish_reason: null }] })
    const whole = complete(body, script)
    const { message, finish_reason } = whole.choices[0]
    say({ role: 'assistant', content: '' })
    for (const piece of message.content?.match(/[\s\S]{1,5}/g) ?? []) {
      if (script.stall) await new Promise((resolve) => setTimeout(resolve, script.stall))
      if (stopping.signal.aborted || response.destroyed) return
      say({ content: piece })
    }
    if (message.refusal) say({ refusal: message.refusal })
    for (const [index, call] of (message.tool_calls ?? []).entries()) {
      say({ tool_calls: [{ index, ...call, function: { name: call.function.name, arguments: '' } }] })
      for (const piece of call.function.arguments.match(/[\s\S]{1,5}/g) ?? [])
        say({ tool_calls: [{ index, function: { arguments: piece } }] })
    }
    data({ choices: [{ index: 0, delta: {}, finish_reason }] })
    if (body.stream_options?.include_usage && whole.usage) data({ choices: [], usage: whole.usage })
    response.end('data: [DONE]\n\n')
  }

  const server = createServer((request, response) => void answer(request, response).catch(() => response.destroy()))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  // A server that listens on a port has an address of this shape.
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    /** The completions that were asked for, in order. */
    requests,
    /** What was heard, in order. */
    recordings,
    on: (to: string, script: Script) => void scripts.push([to, script]),
    async stop() {
      stopping.abort()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function send(response: ServerResponse, value: object) {
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(JSON.stringify(value))
}

function complete(body: Completion, script: Script) {
  const limit = body.max_tokens ?? body.max_completion_tokens ?? MOST_TOKENS
  const text = (script.text ?? '').slice(0, limit * CHARS_PER_TOKEN)
  const calls = (script.calls ?? []).map((call, index) => ({
    id: `call_${body.messages.length}_${index}`,
    type: 'function' as const,
    function: { name: call.name, arguments: JSON.stringify(call.input) },
  }))
  const isCut = text.length < (script.text ?? '').length
  const prompt = tokensIn(JSON.stringify(body.messages))
  const completion = tokensIn(text + JSON.stringify(calls))
  return {
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1,
    model: body.model,
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: text === '' ? null : text,
          refusal: script.refusal ?? null,
          ...(calls.length > 0 && { tool_calls: calls }),
        },
        finish_reason: isCut ? 'length' : calls.length > 0 ? 'tool_calls' : 'stop',
      },
    ] as const,
    ...(script.hasUsage !== false && {
      usage: {
        prompt_tokens: prompt,
        completion_tokens: completion,
        total_tokens: prompt + completion,
        prompt_tokens_details: { cached_tokens: script.cachedTokens ?? 0 },
      },
    }),
  }
}

const FORMATS = /\.(?:flac|mp3|mp4|mpeg|mpga|m4a|ogg|wav|webm)$/
const BYTES_PER_S = 32_000

/** What is "heard" is the recording's own bytes after its header, as text. */
async function transcribe(
  upload: Response,
  models: string[],
): Promise<{ text: string; usage: object } | [number, string, string]> {
  const form = await upload.formData().catch(() => undefined)
  if (!form) return [400, 'invalid_value', 'Could not parse multipart form']
  const [file, model] = [form.get('file'), String(form.get('model'))]
  if (!models.includes(model)) return [404, 'model_not_found', `The model '${model}' does not exist`]
  if (!(file instanceof File)) return [400, 'missing_required_parameter', "Missing required parameter: 'file'."]
  if (!FORMATS.test(file.name)) return [400, 'invalid_value', `Invalid file format: ${file.name}`]
  const language = form.get('language')
  if (language !== null && !/^[a-z]{2}$/.test(String(language))) return [400, 'invalid_language_format', 'language']
  const seconds = Math.ceil(file.size / BYTES_PER_S)
  return { text: (await file.slice(44).text()).trim(), usage: { type: 'duration', seconds } }
}

function embed(body: z.infer<typeof Embedding>) {
  const texts = typeof body.input === 'string' ? [body.input] : body.input
  const tokens = texts.reduce((sum, text) => sum + tokensIn(text), 0)
  return {
    object: 'list',
    model: body.model,
    data: texts.map((text, index) => ({
      object: 'embedding',
      index,
      embedding: Array.from({ length: body.dimensions ?? DIMENSIONS }, (_, at) => (text.charCodeAt(at) || 0) / 128),
    })),
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  }
}
