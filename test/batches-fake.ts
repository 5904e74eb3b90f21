import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { z } from 'zod'
import type { Chance } from './proofs/chance.ts'

export type Fate = 'succeeded' | 'overloaded' | 'invalid' | 'expired' | 'no line'
type Result = { type: string; message?: object; error?: object }
type Batch = {
  id: string
  createdMs: number
  requests: { custom_id: string; params: unknown }[]
  results: Map<string, Result> | undefined
}

const DAY_MS = 24 * 3600_000
const MAX_BYTES = 256 * 1024 * 1024
const BYTES_PER_TOKEN = 3.5
// Anthropic's list for claude-sonnet-5-5, in tenths of a micro-dollar a token: written down here once more.
const TENTHS = { input: 20, output: 100 }

const Create = z.strictObject({
  requests: z
    .array(
      z.strictObject({
        custom_id: z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/),
        params: z.looseObject({}),
      }),
    )
    .min(1)
    .max(100_000)
    .refine((requests) => new Set(requests.map((each) => each.custom_id)).size === requests.length),
})
// Looked at only when the request is worked on; a batch does not stream.
const Params = z.looseObject({
  model: z.literal('claude-sonnet-5-5'),
  max_tokens: z.number().int().min(1),
  messages: z.array(z.looseObject({ role: z.enum(['user', 'assistant']), content: z.array(z.looseObject({})) })).min(1),
  stream: z.literal(false).optional(),
})

const saysCase = (body: string): string => String(/case-[\w-]+/.exec(body)?.[0])

/** Anthropic's Message Batches and Messages on loopback, with its own clock, books and checks. */
export async function startBatches(chance: Chance, nowMs: () => number) {
  const batches: Batch[] = []
  let made = 0
  const bills: { id: string; micros: number }[] = []
  /** What comes of a request that says so; how the next creations go; whether batches end by themselves. */
  const plan = {
    fate: (_: string): Fate => 'succeeded',
    creations: [] as (number | 'lost')[],
    retryAfterS: 60,
    endsAfterMs: 300_000,
    says: saysCase,
  }

  const work = (body: string, factor: number, id: string) => {
    const input = Math.ceil(Buffer.byteLength(body) / BYTES_PER_TOKEN)
    const output = 1 + chance.int(50)
    bills.push({ id, micros: Math.ceil(((input * TENTHS.input + output * TENTHS.output) * factor) / 10) })
    return { input_tokens: input, output_tokens: output }
  }
  const resultOf = ({ custom_id: id, params }: Batch['requests'][number]): Result | undefined => {
    const fate = Params.safeParse(params).success ? plan.fate(JSON.stringify(params)) : 'invalid'
    const error = (type: string) => ({ type: 'errored', error: { type: 'error', error: { type, message: 'no' } } })
    if (fate === 'no line') return undefined
    if (fate === 'expired') return { type: 'expired' }
    if (fate === 'overloaded') return error('overloaded_error')
    if (fate === 'invalid') return error('invalid_request_error')
    const usage = work(JSON.stringify(params), 0.5, id)
    const content = [{ type: 'text', text: `answer to ${plan.says(JSON.stringify(params))}` }]
    const model = 'claude-sonnet-5-5'
    const message = { id: `msg_${id}`, type: 'message', role: 'assistant', model, content, stop_reason: 'end_turn' }
    return { type: 'succeeded', message: { ...message, stop_sequence: null, usage } }
  }
  const end = (batch: Batch) => {
    if (batch.results) return
    const results = batch.requests.map((each) => [each.custom_id, resultOf(each)] as const)
    batch.results = new Map(results.flatMap(([id, result]) => (result ? [[id, result] as const] : [])))
  }
  const shown = (batch: Batch, url: string) => {
    const iso = (ms: number) => new Date(ms).toISOString()
    const ageMs = nowMs() - batch.createdMs
    if (ageMs >= DAY_MS) batch.results ??= new Map(batch.requests.map((each) => [each.custom_id, { type: 'expired' }]))
    if (ageMs >= plan.endsAfterMs) end(batch)
    const count = (type: string) => [...(batch.results?.values() ?? [])].filter((each) => each.type === type).length
    return {
      id: batch.id,
      type: 'message_batch',
      processing_status: batch.results ? 'ended' : 'in_progress',
      request_counts: {
        processing: batch.results ? 0 : batch.requests.length,
        succeeded: count('succeeded'),
        errored: count('errored'),
        canceled: count('canceled'),
        expired: count('expired'),
      },
      created_at: iso(batch.createdMs),
      expires_at: iso(batch.createdMs + DAY_MS),
      ended_at: batch.results ? iso(nowMs()) : null,
      archived_at: null,
      cancel_initiated_at: null,
      results_url: batch.results ? `${url}/v1/messages/batches/${batch.id}/results` : null,
    }
  }

  const say = (response: ServerResponse, status: number, body: object, headers = {}) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers })
    response.end(JSON.stringify(body))
  }
  const refuse = (response: ServerResponse, status: number, type: string, headers = {}) =>
    say(response, status, { type: 'error', error: { type, message: 'no' } }, headers)

  const create = (body: string, response: ServerResponse, url: string) => {
    const next = plan.creations.shift()
    if (typeof next === 'number')
      return refuse(response, next, next === 429 ? 'rate_limit_error' : 'api_error', {
        'retry-after': plan.retryAfterS,
      })
    const parsed = Create.safeParse(JSON.parse(body))
    if (!parsed.success) return refuse(response, 400, 'invalid_request_error')
    if (body.length > MAX_BYTES) return refuse(response, 413, 'request_too_large')
    const { requests } = parsed.data
    const batch: Batch = { id: `msgbatch_${++made}`, createdMs: nowMs(), requests, results: undefined }
    batches.push(batch)
    if (next === 'lost') return void response.destroy()
    say(response, 200, shown(batch, url))
  }
  const list = (query: URLSearchParams, response: ServerResponse, url: string) => {
    const limit = Number(query.get('limit') ?? '20')
    if (!(limit >= 1 && limit <= 1000)) return refuse(response, 400, 'invalid_request_error')
    const newest = batches.toReversed()
    const from = query.get('after_id') ? newest.findIndex(({ id }) => id === query.get('after_id')) + 1 : 0
    const data = newest.slice(from, from + limit).map((batch) => shown(batch, url))
    const ids = { first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null }
    say(response, 200, { data, has_more: from + limit < newest.length, ...ids })
  }
  const results = ({ results: ended }: Batch, response: ServerResponse) => {
    if (!ended) return refuse(response, 404, 'not_found_error')
    response.writeHead(200, { 'content-type': 'application/x-jsonl' })
    const lines = chance.shuffle([...ended]).map(([id, result]) => JSON.stringify({ custom_id: id, result }))
    response.end(lines.map((line) => `${line}\n`).join(''))
  }
  const message = (body: string, response: ServerResponse) => {
    const usage = work(body, 1, 'direct')
    const sse = (type: string, data: object) => `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`
    const text = `direct answer to ${plan.says(body)}`
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(
      sse('message_start', { message: { model: 'claude-sonnet-5-5', usage: { ...usage, output_tokens: 1 } } }),
    )
    response.write(sse('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }))
    response.write(sse('content_block_delta', { index: 0, delta: { type: 'text_delta', text } }))
    response.write(
      sse('message_delta', { delta: { stop_reason: 'end_turn' }, usage: { output_tokens: usage.output_tokens } }),
    )
    response.end(sse('message_stop', {}))
  }

  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part)
    const body = Buffer.concat(parts).toString()
    const address = `http://${request.headers.host}`
    const { pathname, searchParams } = new URL(request.url ?? '/', address)
    if (!request.headers['x-api-key'] && !request.headers.authorization)
      return refuse(response, 401, 'authentication_error')
    if (!request.headers['anthropic-version']) return refuse(response, 400, 'invalid_request_error')
    const isPost = request.method === 'POST'
    if (isPost && pathname === '/v1/messages') return message(body, response)
    if (isPost && pathname === '/v1/messages/batches') return create(body, response, address)
    if (pathname === '/v1/messages/batches') return list(searchParams, response, address)
    const [id, what] = pathname.replace('/v1/messages/batches/', '').split('/')
    const batch = batches.find((each) => each.id === id)
    if (!batch) return refuse(response, 404, 'not_found_error')
    if (what === 'results') results(batch, response)
    else say(response, 200, shown(batch, address))
  }
  const server = createServer((request, response) => void handle(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    batches,
    bills,
    plan,
    billedMicros: () => bills.reduce((sum, { micros }) => sum + micros, 0),
    end: () => batches.forEach(end),
    /** It was deleted behind our back. */
    drop: () => void batches.splice(0),
    stop: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
