import type Anthropic from '@anthropic-ai/sdk'
import { anthropicBatches } from './anthropic-batch.ts'
import { type Settings, STATUSES, STOPS, send, toFailure, toParams, usageOf } from './anthropic-wire.ts'
import { ModelFailure, statusFailure } from './failure.ts'
import type { Heard, ModelEvent, ModelProvider } from './model.ts'
import { type Known, startKnown, toCall, withEnd } from './reading.ts'
import { eventsOf } from './sse.ts'

/** Claude. What stays the same from turn to turn (tools, first part of the system prompt, history) is cached by the provider. */
export function anthropicProvider(settings: Settings): ModelProvider {
  return {
    name: 'anthropic',
    get batches() {
      return anthropicBatches(settings)
    },
    async *generate(model, request, signal, heard) {
      try {
        const asked = { ...toParams(request, model), stream: true }
        const response = await streamOnly(await send(settings, '/v1/messages', signal, asked))
        heard?.('open')
        const known = startKnown(model)
        yield* withEnd(known, readEvents(response, signal, known, heard))
      } catch (error) {
        throw toFailure(error, signal)
      }
    },
  }
}

// A page is no stream of events: none would be found in it.
async function streamOnly(response: Response): Promise<Response> {
  const type = response.headers.get('content-type') ?? 'nothing'
  if (type.startsWith('text/event-stream')) return response
  await response.body?.cancel()
  throw new ModelFailure('garbage', `answered with ${type.slice(0, 50)}`)
}

type Event = Anthropic.RawMessageStreamEvent | { type: 'error'; error: { type?: string } } | { type: 'ping' }

async function* readEvents(
  { body, headers }: Response,
  signal: AbortSignal,
  known: Known,
  heard: Heard | undefined,
): AsyncGenerator<ModelEvent> {
  if (!body) return
  // A call is told once the next thing begins: whether the last one is whole, only the end of the answer says.
  let call: { id: string; name: string; json: string } | undefined
  for await (const data of eventsOf(body, signal)) {
    const event = parse(data)
    // A ping says that the connection lives, not that the model does.
    if (event.type !== 'message_start' && event.type !== 'ping') heard?.('piece')
    switch (event.type) {
      case 'message_start': {
        const { model, usage } = event.message
        known.model = model
        known.usage = usageOf(usage)
        break
      }
      case 'content_block_start':
        if (call) yield toCall(call)
        call = event.content_block.type === 'tool_use' ? { ...event.content_block, json: '' } : undefined
        break
      case 'content_block_delta':
        if (event.delta.type === 'text_delta') yield { type: 'text', text: event.delta.text }
        else if (event.delta.type === 'input_json_delta' && call) call.json += event.delta.partial_json
        break
      case 'message_delta':
        known.usage.outputTokens = event.usage.output_tokens
        known.stop = event.delta.stop_reason ? (STOPS[event.delta.stop_reason] ?? 'done') : known.stop
        known.isFinal = true
        break
      case 'error':
        throw statusFailure(STATUSES[event.error.type ?? ''] ?? 500, headers, event.error.type ?? '', event.error)
      case 'content_block_stop':
      case 'message_stop':
      case 'ping':
        break
    }
  }
  if (call && known.stop) yield toCall(call, known.stop === 'length')
}

function parse(data: string): Event {
  try {
    return JSON.parse(data)
  } catch (cause) {
    throw new ModelFailure('garbage', 'an event that is not JSON', { cause })
  }
}
