import {
  type Call,
  type GatewayEvent,
  generate,
  type ModelMessage,
  type ModelTool,
  type Receipt,
  type ToolCall,
} from '#ai'
import { namedIn, noteDenial } from '#audit'
import {
  AppError,
  bounded,
  canonical,
  derivedId,
  describeError,
  findAppError,
  holdsOthersWords,
  type Tool,
  type UserCtx,
} from '#core'
import { acting, databaseFailure } from '#database'
import { type Act, effectKind, outwardTools, realEffects } from '#effects'
import type { Part, ToolResultPart } from './schema.ts'
import { askTap } from './tap.ts'
import { toModelTool } from './tools.ts'

const MAX_STEPS = 8
const MAX_PARALLEL_TOOLS = 6

/** One run of the assistant: what it is asked, what it may do, and what came of it so far. */
export type Run = {
  ctx: UserCtx
  signal: AbortSignal
  /** What each step asks, but for the messages and the tools. */
  call: Omit<Call, 'request'> & { request: Omit<Call['request'], 'messages' | 'tools' | 'closedTools'> }
  /** All that was said, with the answer so far. */
  messages(parts: Part[]): ModelMessage[]
  tools: Tool[]
  /** Tools that whoever asks carries out: a call of one ends the run. */
  clientTools: ModelTool[]
  /** Whether the person has agreed to this very call; asked once, as it is agreed to once. */
  isAgreed(call: ToolCall, isTainted: boolean): boolean
  onResult(result: ToolResultPart): void
  /** Text of others was read before, or is now. */
  isTainted: boolean
  /** What was done, in the order it was. */
  acts: Act[]
  /** The answer it is for, where one is kept. */
  messageId: string | null
  parts: Part[]
  receipt: Receipt | null
  /** What is still to be heard of its last call: that it is paid for. Awaited by whoever runs it. */
  bill?: Promise<unknown>
}

/** A call, and why it is not to be carried out. */
type Made = ToolCall & { problem: string | undefined }

/** Model, tools, model, … until an answer calls nothing, or something of the client's. Its events as they come. */
export async function* takeSteps(run: Run): AsyncGenerator<GatewayEvent> {
  for (let step = 0; step <= MAX_STEPS; step++) {
    const calls: Made[] = []
    const events = generate(run.ctx, callOf(run, step < MAX_STEPS), run.signal)
    let bill: Promise<unknown> | undefined
    try {
      for (let heard = await events.next(); !heard.done; heard = await events.next()) {
        keep(run, heard.value, calls)
        yield heard.value
        // What follows a good end is the bill alone, which is settled beside what comes next.
        if (heard.value.type !== 'end' || heard.value.stop === 'aborted') continue
        bill = events.next()
        break
      }
    } finally {
      if (!bill) await events.return(undefined)
    }
    if (bill) run.bill = bill
    if (calls.length === 0) return
    const ours = calls.filter((call) => !isForClient(run, call))
    await Promise.all([bill, act(run, ours)])
    if (ours.length < calls.length) return
    run.signal.throwIfAborted()
  }
  throw new AppError('model_failed', 'The model went on calling tools beyond its steps')
}

/** A call that cannot be read is nobody's: the model is told. */
export function isForClient(run: Pick<Run, 'clientTools'>, { name, problem }: Pick<Made, 'name' | 'problem'>): boolean {
  return problem === undefined && run.clientTools.some((tool) => tool.name === name)
}

function callOf(run: Run, isOpen: boolean): Call {
  const tools = [...run.tools.map(toModelTool), ...run.clientTools]
  const { toolChoice, ...request } = run.call.request
  return {
    ...run.call,
    request: {
      ...request,
      messages: run.messages(run.parts),
      tools: isOpen ? tools : [],
      closedTools: isOpen ? [] : tools,
      ...(isOpen && toolChoice && { toolChoice }),
    },
  }
}

function keep(run: Run, event: GatewayEvent, calls: Made[]): void {
  if (event.type === 'text') {
    const last = run.parts.at(-1)
    if (last?.type === 'text') last.text += event.text
    else run.parts.push({ type: 'text', text: event.text })
  } else if (event.type === 'tool_call') {
    calls.push({ ...event.call, problem: event.problem })
    run.parts.push(event.call)
  } else if (event.type === 'end') run.receipt = add(run.receipt, event.receipt)
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

// Independent calls run together; what the next step reads is in the order they were asked for. Whoever stops, or is
// signed out, has nothing more begun for them, and what was done by then is kept with what takes it back.
async function act(run: Run, calls: Made[]): Promise<void> {
  const results = new Array<ToolResultPart | undefined>(calls.length)
  const failures: unknown[] = []
  let next = 0
  const work = async () => {
    while (next < calls.length && failures.length === 0 && !run.signal.aborted) {
      const index = next++
      const call = calls[index]
      if (!call) return
      try {
        const result = await runTool(run, call)
        results[index] = result
        run.onResult(result)
      } catch (error) {
        failures.push(error)
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(MAX_PARALLEL_TOOLS, calls.length) }, work))
  run.parts.push(...results.flatMap((result) => result ?? []))
  if (failures.length > 0) throw failures[0]
}

const toDoByHand = ({ byHand }: Tool) =>
  `Not done: words of others were read in this conversation, and from there it is never done. Tell the user to do it in the app${byHand ? ` (${byHand})` : ''}`

/** Whether what a tool answers is of others: it may hold words meant for a model. Servers of others have it in their names. */
export const isForeign = (tool: string) => tool.includes('__')

async function runTool(run: Run, call: Made): Promise<ToolResultPart> {
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
  const effect = tool.asEffect?.(input.data) ?? { kind: call.name, input: input.data }
  const kind = effectKind(effect.kind)
  const { isTainted: tainted, messageId } = run
  // What others wrote leads nothing out of here, whatever their server says of its tool: the person says so, or taps.
  const mustAsk = tool.destructive || (tainted && kind?.outward === true && !tool.trusted)
  const conversationId = run.call.conversationId ?? ''
  if (mustAsk && tainted && kind && messageId !== null)
    return { ...base, ...(await askTap(run.ctx, { kind, input: effect.input, messageId, conversationId })) }
  // There is no suggestion of what is no kind of effect, and nothing said here is a tap.
  if (mustAsk && tainted && !kind) return refuse('forbidden', toDoByHand(tool))
  const agreed = mustAsk && run.isAgreed(call, tainted)
  try {
    if (mustAsk && !agreed) {
      const about = await tool.about?.(run.ctx, input.data)
      if (holdsOthersWords(about)) {
        run.isTainted = true
        return refuse('forbidden', toDoByHand(tool))
      }
      const warning = kind?.undoWindowMs === null ? ' Say that it cannot be taken back.' : ''
      const detail = `Not done. Ask whether to go ahead: they agree by confirming this call, not by words. Then make the same call again.${warning}`
      return {
        ...base,
        output: { code: 'confirmation_required', detail, ...(about !== undefined && { about }) },
        isError: true,
      }
    }
    if (isForeign(call.name)) run.isTainted = true
    if (messageId !== null && goesByPort(tool)) {
      const asked = { ...effect, messageId, callId: call.id, tainted, agreed }
      return { ...base, ...(await byPort(run, asked, isForeign(call.name))) }
    }
    const answer = await tool.run(acting({ ...run.ctx, isTainted: tainted }, call.name, call.id), input.data)
    const { output, undo } = answer
    if (holdsOthersWords(output)) run.isTainted = true
    if (!tool.readOnly) run.acts.push({ callId: call.id, tool: call.name, input: input.data, answer, tainted, agreed })
    return { ...base, output: bounded(output), isError: false, ...(undo && { undo }) }
  } catch (error) {
    const known = findAppError(error) ?? databaseFailure(error)
    if (known?.code === 'session_ended') throw known
    if (known)
      noteDenial({ ...run.ctx, operation: call.name, callId: call.id }, known, namedIn(JSON.stringify(input.data)))
    if (!known) run.ctx.log.error('tool.failed', { tool: call.name, ...describeError(error) })
    return refuse(known?.code ?? 'internal', known?.message ?? 'This did not work')
  }
}

// Held, refused or done, and kept as an effect before the answer is.
async function byPort(run: Run, { kind, input, messageId, callId, tainted, agreed }: Asked, isOfOthers: boolean) {
  const port = realEffects(acting(run.ctx, kind, callId))
  const origin = { kind: 'turn', messageId, callId } as const
  // The same call again in one answer is the same act: nobody agreed to two.
  const key = `turn:${messageId}:${derivedId('call', new Date(0), canonical([kind, input]))}`
  const outcome = await port.perform({ kind, input, key, origin, tainted, isAgreed: agreed })
  if ('code' in outcome) return { output: { code: outcome.code, detail: outcome.detail }, isError: true }
  const { status, says, effectId, heldUntil, output } = outcome
  if (isOfOthers) return { output: bounded(output), isError: false }
  return { output: bounded({ status, says, effectId, heldUntil, output }), isError: false }
}

type Asked = { kind: string; input: unknown; messageId: string; callId: string; tainted: boolean; agreed: boolean }

const goesByPort = ({ name, asEffect, readOnly }: Tool): boolean =>
  (asEffect !== undefined && !readOnly) || outwardTools().some((tool) => tool.name === name)
