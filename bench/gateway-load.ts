import { Agent, createServer, request } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'

/** One request, sent over and over on this many connections: `paceS` times a second each, or as fast as it is answered. */
export type Load = {
  url: string
  headers: Record<string, string>
  body: string
  ends: string
  connections: number
  ms: number
  paceS?: number
}
export type Measured = { tookMs: number[]; perSecond: number; failures: string[] }

const agent = new Agent({ keepAlive: true, maxSockets: 1000 })

function send({ url, headers, body, ends }: Load): Promise<string> {
  const sent = { ...headers, 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
  return new Promise((resolve, reject) => {
    const call = request(url, { agent, method: 'POST', headers: sent }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        resolve(
          response.statusCode === 200 && text.includes(ends) ? '' : `${response.statusCode} ${text.slice(0, 300)}`,
        )
      })
    })
    call.on('error', reject).end(body)
  })
}

async function measure(load: Load): Promise<Measured> {
  const measured: Measured = { tookMs: [], perSecond: 0, failures: [] }
  const started = performance.now()
  const stepMs = load.paceS ? 1000 / load.paceS : 0
  const connect = async (_: unknown, index: number) => {
    // Spread over the first step; what is late counts from when it should have been sent.
    let due = started + (stepMs * index) / load.connections
    while (performance.now() - started < load.ms) {
      if (due > performance.now()) await wait(due - performance.now())
      const asked = Math.min(performance.now(), stepMs > 0 ? due : Number.POSITIVE_INFINITY)
      const failure = await send(load)
      measured.tookMs.push(performance.now() - asked)
      if (failure) measured.failures.push(failure)
      due += stepMs
    }
  }
  await Promise.all(Array.from({ length: load.connections }, connect))
  return { ...measured, perSecond: (measured.tookMs.length * 1000) / (performance.now() - started) }
}

const MODEL = 'claude-haiku-5-5'
const WORDS = Array.from({ length: 16 }, (_, n) => `word ${n} `)
const USAGE = { input_tokens: 20, output_tokens: 32 }
const MESSAGE = { id: 'msg_mock', type: 'message', role: 'assistant', model: MODEL, stop_sequence: null }
const event = (type: string, data: object) => `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`
const STREAM = [
  event('message_start', { message: { ...MESSAGE, content: [], stop_reason: null, usage: USAGE } }),
  event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
  ...WORDS.map((text) => event('content_block_delta', { index: 0, delta: { type: 'text_delta', text } })),
  event('content_block_stop', { index: 0 }),
  event('message_delta', { delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: USAGE }),
  event('message_stop', {}),
].join('')
const content = [{ type: 'text', text: WORDS.join('') }]
const WHOLE = JSON.stringify({ ...MESSAGE, content, stop_reason: 'end_turn', usage: USAGE })

/** A model that has its answer ready. */
function startMock(tell: (port: number) => void): void {
  const server = createServer((asked, answer) => {
    let body = ''
    asked.on('data', (chunk) => {
      body += chunk
    })
    asked.on('end', () => {
      const isStream = body.includes('"stream":true')
      answer.writeHead(200, { 'content-type': isStream ? 'text/event-stream' : 'application/json' })
      answer.end(isStream ? STREAM : WHOLE)
    })
  })
  server.listen(0, '127.0.0.1', () => {
    const address = server.address()
    tell(typeof address === 'object' && address ? address.port : 0)
  })
}

// Each part in a process of its own, so that none shares an event loop with another.
if (process.send) {
  const say = (message: unknown) => process.send?.(message)
  process.on('disconnect', () => process.exit())
  if (process.argv[2] === 'mock') startMock((port) => say({ port }))
  else process.on('message', async (load: Load) => say(await measure(load)))
}
