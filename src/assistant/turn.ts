import type { GatewayEvent, PersonFacts, Receipt } from '#ai'
import { canonical, describeError, findAppError, holdsOthersWords, type PersonActor, type UserCtx } from '#core'
import { databaseFailure } from '#database'
import type { Act } from '#effects'
import { modelMessages } from './history.ts'
import type { OpenedTurn } from './open.ts'
import { SYSTEM, volatilePrompt } from './prompt.ts'
import type { Part, ToolResultPart } from './schema.ts'
import { isForeign, type Run, takeSteps } from './steps.ts'
import { factsWithin, toolsFor } from './tools.ts'

// Of it the model also thinks, at the low effort of a chat.
const MAX_OUTPUT_TOKENS = 4096
const FLUSH_CHARS = 160
const FLUSH_MS = 40

/** What a turn tells as it goes; `signal` ends it. */
export type TurnPort = { signal: AbortSignal; emit(event: string, data: object): void }

export type TurnStatus = 'done' | 'failed' | 'cancelled' | 'interrupted'
/** What the gateway itself took for all of the turn's calls; `cache` is the last one's. */
export type TurnOverhead = Start['overhead'] & Pick<Start['decision'], 'cache'>
type Start = Extract<GatewayEvent, { type: 'start' }>
/** Why it failed, and the seconds after which it may not. */
export type TurnReason = { detail: string; retryAfterS: number | null }
/** `overhead` is null where no model was asked. */
export type TurnResult = {
  status: TurnStatus
  parts: Part[]
  /** Null where they were lost with the machine: what is known of them is in the parts. */
  acts: Act[] | null
  /** Others' words led to it, or may have. */
  isTainted: boolean
  receipt: Receipt | null
  errorCode: string | null
  /** In words, for whoever waits; it is not kept. */
  reason: TurnReason | null
  overhead: TurnOverhead | null
}
/** `bill`: what is awaited before anybody is told, that its last call is paid for. It does not fail. */
export type RunResult = TurnResult & { bill?: Promise<unknown> }

/**
 * Runs one turn to its end: model, tools, model, … Never throws: whatever happens is the result, with all that was
 * said and done before it.
 */
export async function runTurn(ctx: UserCtx, turn: OpenedTurn, port: TurnPort): Promise<RunResult> {
  const told: Told = { ctx, turn, port, unsent: '', flushedMs: ctx.now().getTime(), overhead: null }
  const run = runOf(told)
  const ended = (status: TurnStatus, errorCode: string | null = null, reason: TurnReason | null = null): RunResult => {
    return {
      status,
      parts: run.parts,
      acts: run.acts,
      isTainted: run.isTainted,
      receipt: run.receipt,
      errorCode,
      reason,
      overhead: told.overhead,
      ...(run.bill && { bill: run.bill }),
    }
  }
  try {
    let stop: string | undefined
    for await (const event of takeSteps(run)) {
      tell(told, event)
      if (event.type === 'end') stop = event.stop
    }
    // All of its room went into thinking.
    const isMute = stop === 'length' && run.parts.at(-1)?.type !== 'text'
    return isMute ? ended('failed', 'model_failed') : ended('done')
  } catch (error) {
    flush(told)
    if (port.signal.aborted) return ended('cancelled')
    const known = findAppError(error) ?? databaseFailure(error)
    ctx.log.error('turn.failed', { turnId: turn.answer.turnId, ...describeError(error) })
    const reason = known && { detail: known.message, retryAfterS: known.retryAfterS ?? null }
    return ended('failed', known?.code ?? 'internal', reason ?? null)
  }
}

type Told = {
  ctx: UserCtx
  turn: OpenedTurn
  port: TurnPort
  unsent: string
  flushedMs: number
  overhead: TurnOverhead | null
}

function runOf(told: Told): Run {
  const { ctx, turn, port } = told
  const person = factsWithin(ctx, turn.person)
  const request = {
    system: SYSTEM,
    volatileSystem: volatilePrompt(person),
    maxOutputTokens: MAX_OUTPUT_TOKENS,
    person,
  }
  const previousModel = turn.history.findLast(({ model }) => model !== null)?.model
  const { conversationId } = turn.answer
  return {
    ctx,
    signal: port.signal,
    call: {
      ...{ kind: 'chat', feature: 'assistant', request, conversationId, background: turn.isBackground },
      ...(previousModel && { previousModel }),
    },
    messages: modelMessages([...turn.history, turn.question]),
    tools: toolsFor(ctx, turn),
    clientTools: [],
    isAgreed: tapsOf(turn, ctx.actor),
    onResult: (result) => tellResult(told, result),
    isTainted: isTaintedFrom(turn, person),
    acts: [],
    messageId: turn.answer.id,
    parts: [],
    receipt: null,
  }
}

// A person dictates less in one go: what is longer was pasted.
const MAX_OWN_CHARS = 500

/** Whether something in this was pasted: who wrote it is not known. */
export const isPasted = (parts: Part[]): boolean =>
  parts.some((part) => part.type === 'text' && part.text.length > MAX_OWN_CHARS)

/** Whether others' words stand before this turn, or in what it is begun with. */
function isTaintedFrom({ isTainted, history, question }: OpenedTurn, { memories, projects }: PersonFacts): boolean {
  const said = [...history, question].filter(({ role }) => role === 'user')
  return (
    isTainted ||
    said.some(({ parts }) => isPasted(parts)) ||
    holdsOthersWords([memories, projects]) ||
    history.some(({ parts }) => hasOthers(parts))
  )
}

/** Whether something in these answers was written by others. */
const hasOthers = (parts: Part[]): boolean =>
  parts.some((part) => hasForeign(part) || (part.type === 'tool_result' && holdsOthersWords(part.output)))

const hasForeign = (part: Part) => part.type === 'tool_result' && isForeign(part.name) && !isQuestion(part.output)

function tell(told: Told, event: GatewayEvent): void {
  switch (event.type) {
    case 'text':
      told.unsent += event.text
      if (told.unsent.length >= FLUSH_CHARS || told.ctx.now().getTime() - told.flushedMs >= FLUSH_MS) flush(told)
      return
    case 'tool_call': {
      flush(told)
      const { id, name, input } = event.call
      told.port.emit('tool.called', { ...ids(told), callId: id, name, input })
      return
    }
    case 'start':
      told.overhead = add(told.overhead, event)
      return
    case 'end':
      flush(told)
      return
  }
}

function add(sum: TurnOverhead | null, { overhead, decision: { cache } }: Start): TurnOverhead {
  const { choiceUs, reserveUs, cacheUs } = sum ?? { choiceUs: 0, reserveUs: 0, cacheUs: 0 }
  return {
    choiceUs: choiceUs + overhead.choiceUs,
    reserveUs: reserveUs + overhead.reserveUs,
    cacheUs: cacheUs + overhead.cacheUs,
    cache,
  }
}

function tellResult(told: Told, { callId, name, output, isError, undo }: ToolResultPart): void {
  // Alone, so that it is in the log whatever becomes of the output: it is how the act is taken back.
  if (undo) told.port.emit('tool.undoable', { ...ids(told), callId, undo })
  told.port.emit('tool.finished', { ...ids(told), callId, name, output, isError })
}

const ids = ({ turn }: Told) => ({ turnId: turn.answer.turnId, messageId: turn.answer.id })

function flush(told: Told): void {
  told.flushedMs = told.ctx.now().getTime()
  if (told.unsent === '') return
  told.port.emit('message.delta', { ...ids(told), text: told.unsent })
  told.unsent = ''
}

/**
 * Says of a call whether the person tapped it: the answer just before asked about this very call, and they named it. Once
 * for each tap. Where others' words were read a program's tap is none.
 */
function tapsOf({ history, confirms }: OpenedTurn, { key }: PersonActor): Run['isAgreed'] {
  const asked = history.findLast(({ role }) => role === 'assistant')?.parts ?? []
  const questions = asked.flatMap((part) => (part.type === 'tool_result' && isQuestion(part.output) ? part.callId : []))
  const open = asked.flatMap((part) =>
    part.type === 'tool_call' && questions.includes(part.id) && confirms.includes(part.id)
      ? canonical([part.name, part.input])
      : [],
  )
  return ({ name, input }, isTainted) => {
    const index = key && isTainted ? -1 : open.indexOf(canonical([name, input]))
    return index >= 0 && open.splice(index, 1).length > 0
  }
}

function isQuestion(output: unknown): boolean {
  return typeof output === 'object' && output !== null && 'code' in output && output.code === 'confirmation_required'
}
