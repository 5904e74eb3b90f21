import type Anthropic from '@anthropic-ai/sdk'
import { Batches } from '@anthropic-ai/sdk/resources/messages/batches'
import { anthropicClient, type Settings, STOPS, toFailure, toParams, usageOf } from './anthropic-wire.ts'
import { ModelFailure } from './failure.ts'
import { type BatchResult, type ModelBatches, NO_USAGE, type ToolCall } from './model.ts'
import { isCount } from './reading.ts'

const PAGE = 100
// A list that long is not ours alone; what it may hide is taken for lost.
const MAX_LISTED = 1000

/** Anthropic's Message Batches: half the price, an answer within a day. */
export function anthropicBatches(settings: Settings): ModelBatches {
  const batches = new Batches(anthropicClient(settings, async (response) => response))
  return {
    async send(calls, signal) {
      // Nothing is marked for the cache: what is asked once is not worth writing there.
      const requests = calls.map(({ id, model, request }) => ({ custom_id: id, params: toParams(request, model, {}) }))
      const { id } = await asked(signal, () => batches.create({ requests }, { signal }))
      if (typeof id !== 'string') throw new ModelFailure('garbage', 'a batch without an id')
      return id
    },
    async read(batchId, signal) {
      const { processing_status: status } = await asked(signal, () => batches.retrieve(batchId, {}, { signal }))
      if (status !== 'ended') return undefined
      const lines = await asked(signal, () => batches.results(batchId, {}, { signal }))
      return resultsOf(lines, signal)
    },
    async list(since, signal) {
      return await asked(signal, async () => {
        const listed: Awaited<ReturnType<ModelBatches['list']>> = []
        for await (const batch of batches.list({ limit: PAGE }, { signal })) {
          const createdAt = new Date(batch.created_at)
          if (createdAt < since) break
          if (listed.length >= MAX_LISTED) throw new ModelFailure('rejected', 'has too many batches to look through')
          listed.push({ id: batch.id, createdAt, isEnded: batch.processing_status === 'ended' })
        }
        return listed
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
