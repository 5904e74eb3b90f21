import type Anthropic from '@anthropic-ai/sdk'
import { jsonOf, type Settings, STOPS, send, toFailure, toParams, usageOf } from './anthropic-wire.ts'
import { ModelFailure } from './failure.ts'
import { type BatchResult, type ModelBatches, NO_USAGE, type ToolCall } from './model.ts'
import { isCount } from './reading.ts'

const PATH = '/v1/messages/batches'
const PAGE = 100
// A list that long is not ours alone; what it may hide is taken for lost.
const MAX_LISTED = 1000

/** Anthropic's Message Batches: half the price, an answer within a day. */
export function anthropicBatches(settings: Settings): ModelBatches {
  return {
    async send(calls, signal) {
      // Nothing is marked for the cache: what is asked once is not worth writing there.
      const requests = calls.map(({ id, model, request }) => ({ custom_id: id, params: toParams(request, model, {}) }))
      const { id } = await asked(signal, async () => jsonOf(await send(settings, PATH, signal, { requests })))
      if (typeof id !== 'string') throw new ModelFailure('garbage', 'a batch without an id')
      return id
    },
    async read(batchId, signal) {
      const path = `${PATH}/${encodeURIComponent(batchId)}`
      const { processing_status: status } = await asked(signal, async () => jsonOf(await send(settings, path, signal)))
      if (status !== 'ended') return undefined
      const response = await asked(signal, () => send(settings, `${path}/results`, signal))
      return resultsOf(linesOf(response), signal)
    },
    async list(since, signal) {
      return await asked(signal, async () => {
        const listed: Awaited<ReturnType<ModelBatches['list']>> = []
        for (let after = ''; ; ) {
          const page = await jsonOf(await send(settings, `${PATH}?limit=${PAGE}${after}`, signal))
          const batches: unknown[] = Array.isArray(page['data']) ? page['data'] : []
          for (const batch of batches.map(Object)) {
            const createdAt = new Date(String(batch.created_at))
            if (createdAt < since) return listed
            if (listed.length >= MAX_LISTED) throw new ModelFailure('rejected', 'has too many batches to look through')
            listed.push({ id: String(batch.id), createdAt, isEnded: batch.processing_status === 'ended' })
          }
          if (page['has_more'] !== true || batches.length === 0) return listed
          after = `&after_id=${encodeURIComponent(String(page['last_id']))}`
        }
      })
    },
  }
}

async function asked<T>(signal: AbortSignal, ask: () => PromiseLike<T>): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    throw toFailure(error, signal)
  }
}

type Line = Anthropic.Messages.MessageBatchIndividualResponse

// A line of JSON each.
async function* linesOf({ body }: Response): AsyncGenerator<Line> {
  if (!body) return
  let rest = ''
  for await (const text of body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) if (line.trim() !== '') yield JSON.parse(line)
  }
  if (rest.trim() !== '') yield JSON.parse(rest)
}

async function* resultsOf(lines: AsyncIterable<Line>, signal: AbortSignal): AsyncGenerator<BatchResult> {
  try {
    for await (const line of lines) {
      const result = read(line)
      if (result) yield result
    }
  } catch (error) {
    throw toFailure(error, signal)
  }
}

// A line of another shape is as if it were not there.
function read({ custom_id: id, result }: Line): BatchResult | undefined {
  if (typeof id !== 'string') return undefined
  switch (result?.type) {
    case 'succeeded':
      return Array.isArray(result.message?.content) ? said(id, result.message) : undefined
    case 'errored': {
      const reason = result.error?.error?.type ?? 'error'
      return { id, type: 'unpaid', reason, mayRetry: reason !== 'invalid_request_error' }
    }
    case 'canceled':
    case 'expired':
      return { id, type: 'unpaid', reason: result.type, mayRetry: true }
    default:
      return undefined
  }
}

function said(id: string, { content, model, stop_reason: stop, usage: told }: Anthropic.Message): BatchResult {
  const usage = told ? usageOf(told) : NO_USAGE
  const isFinal = told !== undefined && isCount(usage)
  return {
    id,
    type: 'said',
    text: content.map((block) => (block.type === 'text' ? block.text : '')).join(''),
    calls: content.flatMap((block): ToolCall[] =>
      block.type === 'tool_use' ? [{ type: 'tool_call', id: block.id, name: block.name, input: block.input }] : [],
    ),
    stop: (stop && STOPS[stop]) ?? 'done',
    model,
    usage: isFinal ? usage : NO_USAGE,
    isFinal,
  }
}
