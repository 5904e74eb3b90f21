import type Anthropic from '@anthropic-ai/sdk'
import { APIError } from '@anthropic-ai/sdk'
import { Messages } from '@anthropic-ai/sdk/resources/messages'
import { anthropicBatches } from './anthropic-batch.ts'
import { anthropicClient, type Settings, STOPS, toFailure, toParams, usageOf } from './anthropic-wire.ts'
import { ModelFailure } from './failure.ts'
import type { Heard, ModelEvent, ModelProvider } from './model.ts'
import { type Known, startKnown, toCall, withEnd } from './reading.ts'

/** Claude. What stays the same from turn to turn (tools, first part of the system prompt, history) is cached by the provider. */
export function anthropicProvider(settings: Settings): ModelProvider {
  const messages = new Messages(anthropicClient(settings, streamOnly))
  return {
    name: 'anthropic',
    get batches() {
      return anthropicBatches(settings)
    },
    async *generate(model, request, signal, heard) {
      try {
        const stream = await messages.create({ ...toParams(request, model), stream: true }, { signal })
        heard?.('open')
        const known = startKnown(model)
        yield* withEnd(known, readEvents(wire(stream, signal), known, heard))
      } catch (error) {
        throw toFailure(error, signal)
      }
    },
  }
}

// The SDK reads whatever comes as a stream of events, and finds none in a page.
async function streamOnly(response: Response): Promise<Response> {
  const type = response.headers.get('content-type') ?? 'nothing'
  if (!response.ok || type.startsWith('text/event-stream')) return response
  await response.body?.cancel()
  throw new ModelFailure('garbage', `answered with ${type.slice(0, 50)}`)
}

type Stream = AsyncGenerator<Anthropic.RawMessageStreamEvent>

async function* readEvents(stream: Stream, known: Known, heard: Heard | undefined): AsyncGenerator<ModelEvent> {
  // A call is told once the next thing begins: whether the last one is whole, only the end of the answer says.
  let call: { id: string; name: string; json: string } | undefined
  for await (const event of stream) {
    if (event.type !== 'message_start') heard?.('piece')
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
      case 'content_block_stop':
      case 'message_stop':
        break
    }
  }
  if (call && known.stop) yield toCall(call, known.stop === 'length')
}

// What breaks while it is read is the wire's fault; an abort ends the SDK's stream without a word.
async function* wire(stream: AsyncIterable<Anthropic.RawMessageStreamEvent>, signal: AbortSignal): Stream {
  try {
    yield* stream
  } catch (cause) {
    if (cause instanceof APIError) throw cause
    if (cause instanceof SyntaxError) throw new ModelFailure('garbage', 'an event that is not JSON', { cause })
    throw new ModelFailure('cut', 'the stream broke', { cause })
  }
  signal.throwIfAborted()
}
