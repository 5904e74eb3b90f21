import { randomBytes, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { z } from 'zod'
import type { Asked, Told } from './embeddings-worker.ts'

export type Embeddings = {
  /** The settings of a world that uses it. */
  vars: Record<string, string>
  stop(): Promise<void>
}

const HOST = '127.0.0.1'
const MODEL = 'use-lite'
const DIMENSIONS = 512
const MAX_BODY_BYTES = 4_000_000
const MAX_TEXTS = 96
const MAX_CHARS = 8000

const Text = z.string().min(1).max(MAX_CHARS)
const Body = z.object({
  model: z.literal(MODEL),
  input: z.union([Text.transform((text) => [text]), z.array(Text).min(1).max(MAX_TEXTS)]),
  encoding_format: z.literal('float').optional(),
  dimensions: z.literal(DIMENSIONS).optional(),
})

class Refusal extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/**
 * The Universal Sentence Encoder (lite, English, 512 dimensions) behind `POST /v1/embeddings`, for this machine alone.
 * It is loaded when first asked.
 */
export async function startEmbeddings(): Promise<Embeddings> {
  const key = randomBytes(24).toString('base64url')
  const model = openModel()
  const server = createServer((request, response) => {
    answer(request, key, model).then(
      (body) => send(response, 200, body),
      (error: unknown) => {
        const status = error instanceof Refusal ? error.status : 500
        const message = error instanceof Error ? error.message : String(error)
        send(response, status, { error: { message, type: status < 500 ? 'invalid_request_error' : 'server_error' } })
      },
    )
  })
  server.listen(0, HOST)
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  return {
    vars: {
      EMBEDDINGS_PROVIDER: 'openai-compatible',
      EMBEDDINGS_BASE_URL: `http://${HOST}:${port}/v1`,
      EMBEDDINGS_API_KEY: key,
      EMBEDDINGS_MODEL: `${MODEL}=0/0`,
      EMBEDDINGS_DIMENSIONS: String(DIMENSIONS),
    },
    async stop() {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await Promise.all([closed, model.stop()])
    },
  }
}

type Model = { embed(texts: string[]): Promise<number[][]>; stop(): Promise<void> }
type Waiting = { resolve(vectors: number[][]): void; reject(error: Error): void }

/** The model on its thread; one that crashed is started anew by the next question. */
function openModel(): Model {
  const waiting = new Map<number, Waiting>()
  let worker: Worker | undefined
  let lastId = 0

  function start(): Worker {
    const started = new Worker(join(import.meta.dirname, 'embeddings-worker.ts'))
    started.unref()
    started.on('message', (told: Told) => {
      const asker = waiting.get(told.id)
      waiting.delete(told.id)
      if ('failed' in told) asker?.reject(new Error(told.failed))
      else asker?.resolve(told.vectors)
    })
    const over = (reason: string) => {
      if (worker === started) worker = undefined
      for (const { reject } of waiting.values()) reject(new Error(reason))
      waiting.clear()
    }
    started.on('error', (error) => over(String(error)))
    started.on('exit', () => over('the model was stopped'))
    return started
  }

  return {
    embed(texts) {
      worker ??= start()
      const asked: Asked = { id: ++lastId, texts }
      const told = new Promise<number[][]>((resolve, reject) => waiting.set(asked.id, { resolve, reject }))
      worker.postMessage(asked)
      return told
    },
    async stop() {
      await worker?.terminate()
    },
  }
}

async function answer(request: IncomingMessage, key: string, model: Model): Promise<object> {
  if (!isKey(request.headers.authorization ?? '', key)) throw new Refusal(401, 'the key is not valid')
  if (request.url !== '/v1/embeddings') throw new Refusal(404, `there is nothing at ${request.url}`)
  if (request.method !== 'POST') throw new Refusal(405, 'only POST is offered here')
  const { input } = parse(await readBody(request))
  const vectors = await model.embed(input)
  // Nothing is paid by the token here, and what its tokenizer made of them is not told.
  const tokens = input.reduce((sum, text) => sum + Math.ceil(text.length / 4), 0)
  return {
    object: 'list',
    model: MODEL,
    data: vectors.map((embedding, index) => ({ object: 'embedding', index, embedding })),
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  }
}

function isKey(header: string, key: string): boolean {
  const [given, expected] = [Buffer.from(header), Buffer.from(`Bearer ${key}`)]
  return given.length === expected.length && timingSafeEqual(given, expected)
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request) {
    size += chunk.length
    if (size > MAX_BODY_BYTES) throw new Refusal(413, `the body has more than ${MAX_BODY_BYTES} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function parse(text: string): z.infer<typeof Body> {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    throw new Refusal(400, 'the body is not JSON')
  }
  const parsed = Body.safeParse(body)
  if (parsed.success) return parsed.data
  throw new Refusal(400, z.prettifyError(parsed.error))
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
