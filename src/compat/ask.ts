import { type Feature, findModel, generate, type ModelMessage, type ToolCall } from '#ai'
import { converse, type Passage, type PassageEvent } from '#assistant'
import { requireSession } from '#auth'
import { AppError, type UserCtx, wait } from '#core'
import { refuse } from './schema.ts'

/** The name under which the assistant itself is asked. */
export const ASSISTANT = 'aurelius'

const DEFAULT_OUTPUT_TOKENS = 4096
const SAME_TEMPERATURE = 0.3
const MAX_ASSISTANT_TOKENS = 8192
const BEGINNING = '(The conversation begins.)'

/** What a client asks, whatever protocol it speaks. */
export type Asked = Omit<Passage, 'feature' | 'maxOutputTokens'> & {
  model: string
  maxOutputTokens: number | undefined
  /** False: of several calls of tools only the first is told. */
  isParallel: boolean
}

type Start = Extract<PassageEvent, { type: 'start' }>
export type End = Extract<PassageEvent, { type: 'end' }>
/** What an answer is made of; `end` comes last, and only where it did not fail. */
export type Said = Exclude<PassageEvent, Start>

/** An answer that has begun: whatever refuses it has been thrown by now. */
export type Answering = {
  start: Start
  /** How long the model took to begin. */
  upstreamMs: number
  events: AsyncGenerator<Said>
  /** Lets go of the model; the gateway settles what was used. */
  close(): Promise<void>
}

/** An answer as a whole. */
export type Whole = { text: string; calls: ToolCall[]; end: End }

/** The answer as a whole; what the gateway does after its last word, the settling, is not waited for. */
export async function collect({ waitUntil }: Pick<UserCtx, 'waitUntil'>, answering: Answering): Promise<Whole> {
  const calls: ToolCall[] = []
  let text = ''
  try {
    for await (const said of answering.events) {
      if (said.type === 'text') text += said.text
      else if (said.type === 'tool_call') calls.push(said.call)
      else if (said.type === 'end') return { text, calls, end: said }
    }
  } finally {
    waitUntil(answering.close().catch(() => undefined))
  }
  throw new Error('an answer ends with its end')
}

/** Asks, and waits until the answer begins; `isFresh` wants one that was not given before. */
export async function ask(
  ctx: UserCtx,
  feature: Feature,
  asked: Asked,
  isFresh: boolean,
  signal: AbortSignal,
): Promise<Answering> {
  const messages = whole(asked.messages)
  const isAssistant = asked.model === ASSISTANT
  if (isAssistant) await ctx.admitted
  const { events, first } = isAssistant
    ? await begun(converse(ctx, toPassage(feature, { ...asked, messages }), signal))
    : await askModel(ctx, feature, { ...asked, messages }, isFresh, signal)
  if (first.done || first.value.type !== 'start') throw new Error('an answer begins with its start')
  const startedMs = ctx.now().getTime()
  let second = await events.next()
  // What was used comes before the failure itself.
  if (!second.done && isAborted(second.value)) second = await events.next()
  return {
    start: first.value,
    upstreamMs: ctx.now().getTime() - startedMs,
    events: tell(events, second, asked.isParallel),
    close: async () => {
      // What was said goes out first.
      await wait(0, signal).catch(() => undefined)
      await events.return(undefined)
    },
  }
}

type Begun = { events: AsyncGenerator<PassageEvent>; first: IteratorResult<PassageEvent> }
const begun = async (events: AsyncGenerator<PassageEvent>): Promise<Begun> => ({ events, first: await events.next() })

const isAborted = (event: PassageEvent) => event.type === 'end' && event.stop === 'aborted'

async function* tell(
  events: AsyncGenerator<PassageEvent>,
  first: IteratorResult<PassageEvent>,
  isParallel: boolean,
): AsyncGenerator<Said> {
  let calls = 0
  for (let at = first; !at.done; at = await events.next()) {
    const event = at.value
    if (event.type === 'start' || isAborted(event)) continue
    // A call that cannot be read is not one that a client could carry out.
    if (event.type === 'tool_call' && (event.problem !== undefined || (calls++ > 0 && !isParallel))) continue
    if (event.type === 'end' && event.stop === 'tools' && calls === 0)
      throw new AppError('model_failed', 'The model made a call that cannot be read')
    yield event
    if (event.type === 'end') return
  }
  throw new AppError('model_failed', 'The model stopped in the middle of its answer')
}

/** One call of a model of the catalogue. Limit and session are asked while the gateway chooses and reserves. */
async function askModel(
  ctx: UserCtx,
  feature: Feature,
  asked: Asked,
  isFresh: boolean,
  signal: AbortSignal,
): Promise<Begun> {
  const model = findModel(ctx.config, asked.model)
  if (!model) throw new AppError('not_found', `The model ${asked.model} does not exist`)
  const { model: name, isParallel: _, system, maxOutputTokens, ...rest } = asked
  const most = model.maxOutputTokens
  if (maxOutputTokens !== undefined && maxOutputTokens > most)
    throw new AppError('invalid_request', `${name} says ${most} tokens at most, ${maxOutputTokens} were asked for`)
  const request = {
    ...rest,
    system,
    volatileSystem: '',
    maxOutputTokens: maxOutputTokens ?? Math.min(DEFAULT_OUTPUT_TOKENS, most),
  }
  // Left out, a temperature is 1 in these protocols: whoever wants variety is not given an answer again.
  const isSame = !isFresh && (rest.temperature ?? 1) <= SAME_TEMPERATURE
  const share = isSame ? { share: { sources: [] } } : {}
  // Looking for one that was given may cost, and one that is shared is read ahead, whoever waits for it.
  if (isSame) await ctx.admitted
  const events = generate(ctx, { kind: 'chat', feature, request, model: name, ...share }, signal)
  const opening = begun(events)
  const living = requireSession(ctx)
  // Heard below, in this order: nobody must be told more than that theirs has ended.
  for (const beside of [opening, living]) beside.catch(() => undefined)
  try {
    await ctx.admitted
    await living
  } catch (error) {
    await events.return(undefined)
    throw error
  }
  return await opening
}

function toPassage(feature: Feature, asked: Asked): Passage {
  const { model: _, isParallel: __, maxOutputTokens = DEFAULT_OUTPUT_TOKENS, ...passage } = asked
  return { ...passage, feature, maxOutputTokens: Math.min(maxOutputTokens, MAX_ASSISTANT_TOKENS) }
}

/**
 * A history that every model takes: it begins with the person and ends with what is to be answered, nobody speaks twice
 * in a row, nothing is blank, and each call of a tool has its result next.
 */
function whole(messages: ModelMessage[]): ModelMessage[] {
  const out: ModelMessage[] = []
  for (const message of messages) {
    const parts = message.parts.filter((part) => part.type !== 'text' || /\S/.test(part.text))
    const last = out.at(-1)
    if (parts.length === 0) continue
    if (last?.role === message.role) Object.assign(last, { parts: [...last.parts, ...parts] })
    else out.push(Object.assign({ ...message }, { parts }))
  }
  const first = out[0]
  if (first?.role === 'assistant')
    out.unshift({ role: 'user', at: atOf(messages), parts: [{ type: 'text', text: BEGINNING }] })
  if (out.at(-1)?.role !== 'user')
    throw refuse('/messages', 'the last one must be said by the user, or be the result of a tool')
  for (const [index, message] of out.entries()) requireResults(message, out[index + 1])
  return out
}

const atOf = (messages: ModelMessage[]) => messages.find((message) => message.role === 'user')?.at ?? ''

function requireResults(message: ModelMessage, next: ModelMessage | undefined): void {
  if (message.role !== 'assistant') return
  const answered = new Set(next?.parts.map((part) => (part.type === 'tool_result' ? part.callId : '')))
  for (const part of message.parts) {
    if (part.type === 'tool_call' && !answered.has(part.id))
      throw refuse('/messages', `the call ${part.id} of ${part.name} must be followed by its result`)
  }
}
