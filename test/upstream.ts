import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import type { Chance } from './proofs/chance.ts'
import { makeWholeReply } from './upstream-whole.ts'

/** How Claude answers one request, and what it bills for it. */
export type Reply = {
  status: number
  chunks: string[]
  /** What is billed once this many of the chunks were sent. Micro-dollars. */
  billed(sent: number): number
  /** Ends without the words that end an answer. */
  isCut: boolean
}
/** What one request was billed; `key` is the first `case-…` in it. */
export type Bill = { key: string; micros: number; isWhole: boolean }
type Asked = { text: string; model: string; maxTokens: number }

const FATES = ['whole', 'whole', 'whole', 'whole', 'no usage', 'cut', 'refused'] as const
const REFUSALS = [429, 500, 529]
const BYTES_PER_TOKEN = 3.5
const MAX_DELTAS = 14
const HESITATES = 0.15
const MAX_PAUSE_MS = 200
// Anthropic's list, in thousandths of a micro-dollar a token: written down here once more.
const PRICES: Record<string, { input: number; write: number; read: number; output: number }> = {
  'claude-haiku-5-5': { input: 100, write: 125, read: 10, output: 500 },
  'claude-sonnet-5-5': { input: 2000, write: 2500, read: 100, output: 10_000 },
  'claude-opus-5-5': { input: 4000, write: 5000, read: 200, output: 20_000 },
}

const sse = (type: string, data: object) => `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`

/** A reply by chance: whole, without its usage, cut short, or a refusal. */
export function makeReply(chance: Chance, { text, model, maxTokens }: Asked): Reply {
  const fate = chance.pick(FATES)
  if (fate === 'refused') {
    const error = { type: 'error', error: { type: 'api_error', message: 'not now' } }
    return { status: chance.pick(REFUSALS), chunks: [JSON.stringify(error)], billed: () => 0, isCut: true }
  }
  const prompt = Math.ceil(Buffer.byteLength(text) / BYTES_PER_TOKEN)
  const read = chance.int(prompt)
  const write = chance.int(prompt - read)
  const input = prompt - read - write
  const output = 1 + chance.int(maxTokens)
  const usage = { input_tokens: input, cache_creation_input_tokens: write, cache_read_input_tokens: read }
  const message = { id: 'msg_1', type: 'message', role: 'assistant', model, content: [], stop_reason: null }
  const delta = { index: 0, delta: { type: 'text_delta', text: 'word '.repeat(40) } }
  const head = [
    sse('message_start', { message: { ...message, usage: { ...usage, output_tokens: 1 } } }),
    sse('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
  ]
  const body = Array.from({ length: 1 + chance.int(MAX_DELTAS) }, () => sse('content_block_delta', delta))
  const said = { delta: { stop_reason: 'end_turn' }, ...(fate === 'whole' && { usage: { output_tokens: output } }) }
  const end = [sse('content_block_stop', { index: 0 }), sse('message_delta', said), sse('message_stop', {})]
  const cutAt = fate === 'cut' ? chance.int(head.length + body.length) : undefined
  const chunks = [...head, ...body, ...end].slice(0, cutAt)
  const price = PRICES[model]
  if (!price) throw new Error(`no price of ${model} is written down here`)
  const thousandths = input * price.input + write * price.write + read * price.read
  return {
    status: 200,
    chunks,
    // Whatever was read of it, all that was written is billed.
    billed: (sent) => Math.ceil((thousandths + (sent > head.length ? output : 1) * price.output) / 1000),
    isCut: fate === 'cut',
  }
}

export function askedOf(text: string): Asked & { key: string } {
  const { model, max_tokens: maxTokens } = JSON.parse(text)
  return { text, model, maxTokens, key: keyIn(text) }
}

const keyIn = (text: string) => /case-[\w-]+/.exec(text)?.[0] ?? ''

/** Nothing of a request whose client left in the middle of it. */
async function readWhole(request: IncomingMessage): Promise<string | undefined> {
  const parts: Buffer[] = []
  try {
    for await (const part of request) parts.push(part)
  } catch {
    return undefined
  }
  return Buffer.concat(parts).toString()
}

/** Claude on loopback, that keeps its own books. */
export async function startUpstream(chance: Chance) {
  const bills: Bill[] = []
  const state = { asked: 0, open: 0 }
  const send = async (response: ServerResponse, reply: Reply): Promise<number> => {
    response.writeHead(reply.status, {
      'content-type': reply.status === 200 ? 'text/event-stream' : 'application/json',
    })
    let sent = 0
    for (const chunk of reply.chunks) {
      if (response.destroyed) return sent
      response.write(chunk)
      sent++
      await wait(chance.next() < HESITATES ? chance.int(MAX_PAUSE_MS) : 0)
    }
    if (reply.isCut && chance.next() < 0.5) response.destroy()
    else response.end()
    return sent
  }
  const server = createServer(async (request, response) => {
    const text = await readWhole(request)
    if (text === undefined) return
    state.asked++
    state.open++
    const whole = makeWholeReply(chance, request.url ?? '', text)
    const asked = whole ? { key: keyIn(text) } : askedOf(text)
    const reply = whole ?? makeReply(chance, askedOf(text))
    const sent = await send(response, reply)
    const isWhole = sent === reply.chunks.length && !reply.isCut
    bills.push({ key: asked.key, micros: reply.billed(sent), isWhole })
    state.open--
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    bills,
    /** Requests so far. */
    asked: () => state.asked,
    /** Requests whose answer is still on its way. */
    open: () => state.open,
    stop: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
