import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'

export const FAULTS = ['down', 'hang', '429', '5xx', 'garbage', 'slow'] as const
export type Fault = (typeof FAULTS)[number]
export const SLOW_MS = 150

type Serve = (request: IncomingMessage, body: Buffer, response: ServerResponse) => unknown
/** The other end of an upstream: well, or with a fault until it is mended; it counts what it is asked. */
export type Faulty = {
  name: string
  url: string
  asked(): number
  /** `part`: of its paths these alone. */
  break(fault: Fault, part?: RegExp): Promise<void>
  mend(): Promise<void>
  stop(): Promise<void>
}

/** An upstream on loopback, which answers as `serve` does while it is well. */
export async function startFaulty(name: string, serve: Serve): Promise<Faulty> {
  let fault: Fault | null = null
  let part: RegExp | undefined
  let asked = 0
  const server = createServer(async (request, response) => {
    asked++
    const body = Buffer.concat(await Array.fromAsync(request, Buffer.from).catch(() => []))
    switch (part?.test(request.url ?? '') === false ? null : fault) {
      case 'down':
        response.destroy()
        return
      case 'hang':
        return
      case '429':
        response.writeHead(429, { 'content-type': 'application/json', 'retry-after': '1' }).end('{}')
        return
      case '5xx':
        response.writeHead(503, { 'content-type': 'application/json' }).end('{}')
        return
      case 'garbage':
        response.writeHead(200, { 'content-type': 'text/html' }).end('<html>a page of somebody else</html>')
        return
      case 'slow':
        await wait(SLOW_MS)
    }
    try {
      await serve(request, body, response)
    } catch {
      response.destroy()
    }
  })
  server.keepAliveTimeout = 500
  await once(server.listen(0, '127.0.0.1'), 'listening')
  // A server that listens on a port has an address of this shape.
  const { port } = server.address() as AddressInfo
  const close = async () => {
    const closed = new Promise((resolve) => server.close(resolve))
    server.closeAllConnections()
    await closed
  }
  const mend = async () => {
    if (fault === 'down' && !part) await once(server.listen(port, '127.0.0.1'), 'listening')
    fault = null
    // What hangs is let go.
    server.closeAllConnections()
  }
  return {
    ...{ name, url: `http://127.0.0.1:${port}`, mend },
    asked: () => asked,
    async break(next, only) {
      await mend()
      fault = next
      part = only
      if (next === 'down' && !part) await close()
    },
    stop: async () => {
      if (fault !== 'down' || part) await close()
    },
  }
}

/** Hands on what it is asked to another server on loopback. */
export const handOn =
  (to: (path: string) => string): Serve =>
  async (request, body, response) => {
    const headers = new Headers()
    for (const [name, value] of Object.entries(request.headers))
      if (typeof value === 'string' && !/^(?:host|connection|content-length|transfer-encoding)$/.test(name))
        headers.set(name, value)
    const init = { method: request.method ?? 'GET', headers, ...(body.length > 0 && { body: new Uint8Array(body) }) }
    const answer = await fetch(to(request.url ?? ''), init)
    const text = await answer.text()
    response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? 'application/json' })
    response.end(text)
  }

const DIMENSIONS = 3

/** A model server by OpenAI's protocol: chat, embeddings and transcriptions. */
export function serveModels(request: IncomingMessage, body: Buffer, response: ServerResponse): void {
  const json = (value: object) =>
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value))
  if (request.url?.endsWith('/embeddings')) {
    const { input }: { input: string[] } = JSON.parse(body.toString())
    const embedding = (text: string) => Array.from({ length: DIMENSIONS }, (_, n) => (n === 0 ? text.length + 1 : 1))
    const data = [input].flat().map((text, index) => ({ index, embedding: embedding(text) }))
    json({ data, usage: { prompt_tokens: 1 } })
  } else if (request.url?.endsWith('/transcriptions'))
    json({ text: 'as it was said', usage: { type: 'duration', seconds: 1 } })
  else {
    const chunk = (value: object) => response.write(`data: ${JSON.stringify(value)}\n\n`)
    const call = toolCallOf(JSON.parse(body.toString()))
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    const said = call ? { tool_calls: [call] } : { content: '{"findings":[]}' }
    chunk({ choices: [{ index: 0, delta: { role: 'assistant', ...said } }] })
    chunk({ choices: [{ index: 0, delta: {}, finish_reason: call ? 'tool_calls' : 'stop' }] })
    chunk({ choices: [], usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 } })
    response.end('data: [DONE]\n\n')
  }
}

type Completion = { messages: { role: string }[]; tools?: { function: { name: string } }[] }

/** It looks once at the weather where it may. */
function toolCallOf({ messages, tools = [] }: Completion): object | undefined {
  const name = tools.map((tool) => tool.function.name).find((one) => one.endsWith('__forecast'))
  if (name === undefined || messages.some(({ role }) => role === 'tool')) return undefined
  return { index: 0, id: 'call_1', type: 'function', function: { name, arguments: '{"city":"Bergen"}' } }
}

export const modelVars = (url: string) => ({
  OPENAI_BASE_URL: `${url}/v1`,
  OPENAI_MODELS: 'proof=1/2@131072/8192',
  EMBEDDINGS_PROVIDER: 'openai-compatible',
  EMBEDDINGS_BASE_URL: `${url}/v1`,
  EMBEDDINGS_MODEL: 'embedder=1/0',
  EMBEDDINGS_DIMENSIONS: String(DIMENSIONS),
  TRANSCRIPTION_PROVIDER: 'openai-compatible',
  TRANSCRIPTION_BASE_URL: `${url}/v1`,
  TRANSCRIPTION_MODEL: 'hearer=1',
})
