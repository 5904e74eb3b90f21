import { type GatewayEvent, generate, type Receipt, type ToolCall } from '#ai'
import { AppError, describeError, findAppError, type Tool, type UserCtx } from '#core'
import { databaseFailure } from '#database'
import { toModelMessages } from './history.ts'
import type { OpenedTurn } from './open.ts'
import { bounded, canonical } from './output.ts'
import { SYSTEM, volatilePrompt } from './prompt.ts'
import type { Part, ToolResultPart } from './schema.ts'
import { toModelTool, toolsFor } from './tools.ts'

const MAX_STEPS = 8
const MAX_PARALLEL_TOOLS = 6
const MAX_OUTPUT_TOKENS = 2048
const FLUSH_CHARS = 160
const FLUSH_MS = 40

/** What a turn tells as it goes; `signal` ends it. */
export type TurnPort = { signal: AbortSignal; emit(event: string, data: object): void }

export type TurnStatus = 'done' | 'failed' | 'cancelled' | 'interrupted'
export type TurnResult = { status: TurnStatus; parts: Part[]; receipt: Receipt | null; errorCode: string | null }

/**
 * Runs one turn to its end: model, tools, model, … Never throws: whatever happens is the result, with all that was
 * said and done before it.
 */
export async function runTurn(ctx: UserCtx, turn: OpenedTurn, port: TurnPort): Promise<TurnResult> {
  const run: Run = {
    ctx,
    turn,
    port,
    tools: toolsFor(turn),
    parts: [],
    receipt: null,
    unsent: '',
    flushedMs: ctx.now().getTime(),
  }
  try {
    for (let step = 0; step <= MAX_STEPS; step++) {
      const calls = await say(run, step < MAX_STEPS)
      if (calls.length === 0) return { status: 'done', parts: run.parts, receipt: run.receipt, errorCode: null }
      await act(run, calls)
      port.signal.throwIfAborted()
    }
    throw new AppError('model_failed', 'The model went on calling tools beyond its steps')
  } catch (error) {
    flush(run)
    if (port.signal.aborted) return { status: 'cancelled', parts: run.parts, receipt: run.receipt, errorCode: null }
    const known = findAppError(error) ?? databaseFailure(error)
    ctx.log.error('turn.failed', { turnId: turn.answer.turnId, ...describeError(error) })
    return { status: 'failed', parts: run.parts, receipt: run.receipt, errorCode: known?.code ?? 'internal' }
  }
}

/** A call, and why it is not to be carried out. */
type Call = ToolCall & { problem: string | undefined }

type Run = {
  ctx: UserCtx
  turn: OpenedTurn
  port: TurnPort
  tools: Tool[]
  parts: Part[]
  receipt: Receipt | null
  unsent: string
  flushedMs: number
}

async function say(run: Run, withTools: boolean): Promise<Call[]> {
  const { ctx, turn, port } = run
  const tools = run.tools.map(toModelTool)
  const request = {
    system: SYSTEM,
    volatileSystem: volatilePrompt(turn.person),
    messages: toModelMessages([...turn.history, turn.question], run.parts),
    tools: withTools ? tools : [],
    closedTools: withTools ? [] : tools,
    maxOutputTokens: MAX_OUTPUT_TOKENS,
    person: turn.person,
  }
  const calls: Call[] = []
  const previousModel = turn.history.findLast(({ model }) => model !== null)?.model
  const call = {
    kind: 'chat' as const,
    feature: 'assistant' as const,
    request,
    conversationId: turn.answer.conversationId,
    ...(previousModel && { previousModel }),
  }
  for await (const event of generate(ctx, call, port.signal)) take(run, event, calls)
  flush(run)
  return calls
}

function take(run: Run, event: GatewayEvent, calls: Call[]): void {
  switch (event.type) {
    case 'text': {
      const last = run.parts.at(-1)
      if (last?.type === 'text') last.text += event.text
      else run.parts.push({ type: 'text', text: event.text })
      run.unsent += event.text
      if (run.unsent.length >= FLUSH_CHARS || run.ctx.now().getTime() - run.flushedMs >= FLUSH_MS) flush(run)
      return
    }
    case 'tool_call':
      flush(run)
      calls.push({ ...event.call, problem: event.problem })
      run.parts.push(event.call)
      run.port.emit('tool.called', {
        ...ids(run),
        callId: event.call.id,
        name: event.call.name,
        input: event.call.input,
      })
      return
    case 'start':
      return
    case 'end':
      run.receipt = add(run.receipt, event.receipt)
      return
  }
}

const ids = ({ turn }: Run) => ({ turnId: turn.answer.turnId, messageId: turn.answer.id })

function flush(run: Run): void {
  run.flushedMs = run.ctx.now().getTime()
  if (run.unsent === '') return
  run.port.emit('message.delta', { ...ids(run), text: run.unsent })
  run.unsent = ''
}

function add(sum: Receipt | null, next: Receipt): Receipt {
  if (!sum) return next
  return {
    ...next,
    inputTokens: sum.inputTokens + next.inputTokens,
    outputTokens: sum.outputTokens + next.outputTokens,
    cacheReadTokens: sum.cacheReadTokens + next.cacheReadTokens,
    cacheWriteTokens: sum.cacheWriteTokens + next.cacheWriteTokens,
    costMicros: sum.costMicros + next.costMicros,
    isEstimated: sum.isEstimated || next.isEstimated,
    firstTokenMs: sum.firstTokenMs ?? next.firstTokenMs,
    totalMs: sum.totalMs + next.totalMs,
  }
}

// Independent calls run together; what the next step reads is in the order they were asked for.
async function act(run: Run, calls: Call[]): Promise<void> {
  const results = new Array<ToolResultPart | undefined>(calls.length)
  let next = 0
  const work = async () => {
    for (let index = next++; index < calls.length; index = next++) {
      const call = calls[index]
      if (!call) return
      const result = await runTool(run, call)
      results[index] = result
      // Alone, so that it is in the log whatever becomes of the output: it is how the act is taken back.
      if (result.undo) run.port.emit('tool.undoable', { ...ids(run), callId: call.id, undo: result.undo })
      run.port.emit('tool.finished', {
        ...ids(run),
        callId: call.id,
        name: call.name,
        output: result.output,
        isError: result.isError,
      })
    }
  }
  await Promise.all(Array.from({ length: Math.min(MAX_PARALLEL_TOOLS, calls.length) }, work))
  run.parts.push(...results.flatMap((result) => result ?? []))
}

async function runTool(run: Run, call: Call): Promise<ToolResultPart> {
  const base = { type: 'tool_result' as const, callId: call.id, name: call.name }
  const refuse = (code: string, detail: string) => ({ ...base, output: { code, detail }, isError: true })
  if (call.problem !== undefined) return refuse('invalid_request', call.problem)
  const tool = run.tools.find(({ name }) => name === call.name)
  if (!tool) return refuse('not_found', `There is no tool ${call.name}`)
  const input = tool.input.safeParse(call.input)
  if (!input.success)
    return refuse(
      'invalid_request',
      input.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; '),
    )
  if (tool.destructive && !wasAgreed(run.turn, call)) {
    return refuse('confirmation_required', 'Ask whether to go ahead; after they agree, make the same call again')
  }
  try {
    const { output, undo } = await tool.run(run.ctx, input.data)
    return { ...base, output: bounded(output), isError: false, ...(undo && { undo }) }
  } catch (error) {
    const known = findAppError(error) ?? databaseFailure(error)
    if (known?.code === 'session_ended') throw known
    if (!known) run.ctx.log.error('tool.failed', { tool: call.name, ...describeError(error) })
    return refuse(known?.code ?? 'internal', known?.message ?? 'This did not work')
  }
}

// Agreed to: the same call was asked about in the answer just before, the question reached the person, and they have
// spoken since.
function wasAgreed(turn: OpenedTurn, call: Call): boolean {
  const previous = turn.history.findLast(({ role }) => role === 'assistant')
  if (previous?.status !== 'done') return false
  const same = canonical([call.name, call.input])
  return previous.parts.some((part, index) => {
    if (part.type !== 'tool_result' || !isQuestion(part.output)) return false
    const made = previous.parts.find((other) => other.type === 'tool_call' && other.id === part.callId)
    const wasSaid = previous.parts.slice(index).some((later) => later.type === 'text' && later.text.trim() !== '')
    return wasSaid && made?.type === 'tool_call' && canonical([made.name, made.input]) === same
  })
}

function isQuestion(output: unknown): boolean {
  return typeof output === 'object' && output !== null && 'code' in output && output.code === 'confirmation_required'
}
