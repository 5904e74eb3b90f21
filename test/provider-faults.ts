import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { aiError } from './workers-ai-fake.ts'

/** What can go wrong at the other end, and what it must be called. */
export const FAULTS = {
  down: 'unreachable',
  'hang before headers': 'late_connect',
  'hang before the first word': 'late_first',
  'hang mid-stream': 'late_idle',
  '429 with retry-after': 'rate_limited',
  '529': 'overloaded',
  '500': 'server_error',
  garbage: 'garbage',
  'wrong content type': 'garbage',
  'truncated SSE': 'cut',
  'reset mid-stream': 'cut',
} as const
export type Fault = keyof typeof FAULTS

const event = (value: object) => `event: ${Reflect.get(value, 'type')}\ndata: ${JSON.stringify(value)}\n\n`
const claude = {
  start: event({
    type: 'message_start',
    message: { model: 'claude-opus-5-5', usage: { input_tokens: 3, output_tokens: 1 } },
  }),
  word:
    event({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }) +
    event({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hi' } }),
  end:
    event({ type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 2 } }) +
    event({ type: 'message_stop' }),
}
const chunk = (value: object) => `data: ${JSON.stringify(value)}\n\n`
const openai = {
  start: chunk({ choices: [{ delta: { role: 'assistant', content: '' } }] }),
  word: chunk({ choices: [{ delta: { content: 'Hi' } }] }),
  end: `${chunk({ choices: [{ delta: {}, finish_reason: 'stop' }] })}${chunk({ choices: [], usage: { prompt_tokens: 3, completion_tokens: 2 } })}data: [DONE]\n\n`,
}
const own = {
  start: '',
  word: chunk({ response: 'Hi' }),
  end: `${chunk({ response: '', usage: { prompt_tokens: 3, completion_tokens: 2 } })}data: [DONE]\n\n`,
}

/** The other end of a provider: it has its fault until it is mended, and counts what it is asked. */
export type FaultyEnd = { asked(): number; mend(): Promise<void>; stop(): Promise<void> }
function misbehave(fault: Fault, response: ServerResponse, words: typeof claude): void {
  const begin = (status = 200, headers = {}) =>
    response.writeHead(status, { 'content-type': 'text/event-stream', ...headers })
  switch (fault) {
    case 'down':
    case 'hang before headers':
      return
    case 'hang before the first word':
      begin().flushHeaders()
      response.write(words.start)
      return
    case 'hang mid-stream':
      begin().write(words.start + words.word)
      return
    case '429 with retry-after':
      begin(429, { 'retry-after': '30' }).end('{}')
      return
    case '529':
    case '500':
      begin(Number(fault), { 'content-type': 'application/json' }).end('{}')
      return
    case 'garbage':
      begin().end('event: message_start\ndata: <<<>>>\n\n')
      return
    case 'wrong content type':
      begin(200, { 'content-type': 'text/html' }).end('<html>')
      return
    case 'truncated SSE':
      begin().end(`${words.start + words.word}data: {"choi`)
      return
    case 'reset mid-stream':
      begin().write(words.start + words.word, () => setImmediate(() => response.destroy()))
      return
  }
}

/** A server on loopback that has this fault in this protocol. */
export async function startFaultyServer(name: 'anthropic' | 'openai-compatible', fault: Fault) {
  const words = name === 'anthropic' ? claude : openai
  let asked = 0
  let isWell = false
  const server = createServer((request, response) => {
    asked++
    request.resume()
    if (!isWell) return misbehave(fault, response, words)
    response.writeHead(200, { 'content-type': 'text/event-stream' }).end(words.start + words.word + words.end)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  // A server that listens on a port has an address of this shape.
  const { port } = server.address() as AddressInfo
  if (fault === 'down') await new Promise((resolve) => server.close(resolve))
  const mend = async () => {
    isWell = true
    if (fault === 'down') await once(server.listen(port, '127.0.0.1'), 'listening')
  }
  const stop = async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  return { url: `http://127.0.0.1:${port}`, asked: () => asked, mend, stop }
}

const DIMENSIONS = 3
const EMBEDDED = JSON.stringify({
  data: [{ index: 0, embedding: Array.from({ length: DIMENSIONS }, () => 1) }],
  usage: { prompt_tokens: 3 },
})

const SWITCHED_MODELS: Record<ProviderName, string> = {
  anthropic: 'claude-opus-5-5',
  'openai-compatible': 'm',
  'workers-ai': 'w',
}
type ProviderName = 'anthropic' | 'openai-compatible' | 'workers-ai'

/**
 * Each provider, and a server for embeddings beside them, with whatever fault is set; null: all are well. `change` puts
 * it where a Worker has the binding `AI`, which no laptop has.
 */
export async function startSwitchedServer() {
  let fault: Fault | null = null
  const server = createServer((request, response) => {
    request.resume()
    const isEmbeddings = request.url?.endsWith('/embeddings') === true
    const words = request.url === '/binding' ? own : request.url === '/v1/messages' ? claude : openai
    // Whoever is down does not answer; of a port on loopback that is not listened to this is what is seen.
    if (fault === 'down') return void request.socket.resetAndDestroy()
    if (fault !== null) return misbehave(fault, response, words)
    if (isEmbeddings) response.writeHead(200, { 'content-type': 'application/json' }).end(EMBEDDED)
    else response.writeHead(200, { 'content-type': 'text/event-stream' }).end(words.start + words.word + words.end)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  // A server that listens on a port has an address of this shape.
  const { port } = server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}`
  const chatVars: Record<ProviderName, Record<string, string>> = {
    anthropic: { ANTHROPIC_API_KEY: 'k', ANTHROPIC_BASE_URL: url, ANTHROPIC_MODEL: SWITCHED_MODELS.anthropic },
    'openai-compatible': {
      OPENAI_BASE_URL: `${url}/v1`,
      OPENAI_MODELS: `${SWITCHED_MODELS['openai-compatible']}=1/2`,
    },
    'workers-ai': { WORKERS_AI_MODELS: `${SWITCHED_MODELS['workers-ai']}=1/2` },
  }
  const chat = (name: ProviderName) => ({
    model: SWITCHED_MODELS[name],
    vars: { ...chatVars[name], AI_PROVIDERS: name },
  })
  const embeddings = {
    ...{ EMBEDDINGS_PROVIDER: 'openai-compatible', EMBEDDINGS_BASE_URL: `${url}/v1`, EMBEDDINGS_MODEL: 'e=0/0' },
    ...{ EMBEDDINGS_DIMENSIONS: String(DIMENSIONS) },
  }
  const stop = async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  const set = (next: Fault | null) => {
    fault = next
  }
  return { chat, embeddings, change: bindingAt(`${url}/binding`), set, stop }
}

// A refusal comes as what is thrown, and what is no stream as an object.
const bindingAt = (url: string) => ({
  file: 'src/ai/direct.ts',
  find: 'return env.AI ? workersAiProvider(env.AI) : undefined',
  replace: `return workersAiProvider({
    run: async (_model, _inputs, { signal }) => {
      const answer = await fetch('${url}', { method: 'POST', signal })
      const code = { 429: 3036, 529: 3040, 500: 3043 }[answer.status]
      if (code) throw Object.assign(new Error(code + ': as the fault says'), { name: 'AiError' })
      return /event-stream/.test(answer.headers.get('content-type')) ? answer.body : { html: await answer.text() }
    },
  })`,
})

/** The binding `AI` with this fault; it is deaf too: it does not heed the signal it is given, neither before nor within the stream. */
export function faultyBinding(fault: Fault) {
  let asked = 0
  let isWell = false
  const stream = (text: string, after: 'close' | 'hang' | 'error') =>
    new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode(text))
        if (after === 'close') controller.close()
      },
      pull: (controller) => (after === 'error' ? controller.error(new Error('Network connection lost.')) : undefined),
    })
  async function run(): Promise<unknown> {
    asked++
    if (isWell) return stream(own.word + own.end, 'close')
    switch (fault) {
      case 'down':
        throw new Error('Network connection lost.')
      case 'hang before headers':
        return await new Promise(() => undefined)
      case 'hang before the first word':
        return stream(own.start, 'hang')
      case 'hang mid-stream':
        return stream(own.word, 'hang')
      case '429 with retry-after':
        throw aiError(3036, 'You have used up your daily free allocation')
      case '529':
        throw aiError(3040, 'No more data centers to forward the request to')
      case '500':
        throw aiError(3043, 'Internal server error')
      case 'garbage':
        return stream('data: <<<>>>\n\n', 'close')
      case 'wrong content type':
        return { html: '<html>' }
      case 'truncated SSE':
        return stream(`${own.word}data: {"resp`, 'close')
      case 'reset mid-stream':
        return stream(own.word, 'error')
    }
  }
  const mend = async () => {
    isWell = true
  }
  return { run, asked: () => asked, mend, stop: async () => undefined }
}
