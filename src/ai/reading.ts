import { ModelFailure } from './failure.ts'
import { type ModelEvent, type ModelMessage, NO_USAGE, type Stop, type Usage } from './model.ts'

/** What is known of an answer while it is read; without a `stop` it is not whole. */
export type Known = { model: string; usage: Usage; stop: Stop | undefined; isFinal: boolean }

export const startKnown = (model: string): Known => ({ model, usage: { ...NO_USAGE }, stop: undefined, isFinal: false })

/** The events, then what is known of the usage, whatever happened: what was spent until a stream broke is paid for too. */
export async function* withEnd(known: Known, events: AsyncIterable<ModelEvent>): AsyncGenerator<ModelEvent> {
  let failure: unknown
  try {
    yield* events
  } catch (error) {
    failure = error
  }
  const { model } = known
  const usage = isCount(known.usage) ? known.usage : { ...NO_USAGE }
  const stop = failure ? undefined : known.stop
  yield {
    type: 'end',
    stop: stop ?? 'aborted',
    model,
    usage,
    isFinal: stop !== undefined && known.isFinal && usage === known.usage,
  }
  if (failure) throw failure
  if (!stop) throw new ModelFailure('cut', 'the stream ended before its end')
}

const MAX_TOKENS = 1_000_000_000

/** Whether this is an amount of tokens at all: a provider may say anything. */
export const isCount = (usage: Usage) =>
  Object.values(usage).every((tokens) => Number.isInteger(tokens) && tokens >= 0 && tokens <= MAX_TOKENS)

/** Only an object is ever the input of a call: what is kept is sent back to the model, which refuses all else. */
export function toCall({ id, name, json }: { id: string; name: string; json: string }, isCut = false): ModelEvent {
  const input = parse(json)
  const call = { type: 'tool_call' as const, id, name, input: isCut ? {} : (input ?? {}) }
  if (isCut) return { type: 'tool_call', call, problem: 'The answer was cut off inside this call; make it shorter' }
  return input ? { type: 'tool_call', call } : { type: 'tool_call', call, problem: 'The input was not a JSON object' }
}

function parse(json: string): object | undefined {
  try {
    const value: unknown = json === '' ? {} : JSON.parse(json)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** The newest message in which a person says something; -1 where there is none. */
export const newestQuestion = (messages: ModelMessage[]): number =>
  messages.findLastIndex(({ role, parts }) => role === 'user' && parts.some(({ type }) => type === 'text'))

/** What changes from turn to turn, as it stands before the newest question. */
export const factsOf = (facts: string): string => `<facts>\n${facts}\n</facts>`

/** Said where an object of any shape is asked for: Claude has no other way, and OpenAI wants the word beside its own. */
export const JSON_ALONE = 'Answer with one JSON object alone: no other words, no code fence.'
