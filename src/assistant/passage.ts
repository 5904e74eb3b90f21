import type { Feature, Format, GatewayEvent, ModelMessage, ModelTool, PersonFacts, ToolCall, ToolChoice } from '#ai'
import { AppError, type UserCtx } from '#core'
import { type ServerRow, serversForTurn } from '#integrations'
import { memoriesForPrompt, wordsIn } from '#memories'
import { projectsForPrompt } from '#tasks'
import { factsForPrompt } from '#users'
import { split } from './history.ts'
import { SYSTEM, volatilePrompt } from './prompt.ts'
import type { ToolResultPart } from './schema.ts'
import { isForClient, type Run, takeSteps } from './steps.ts'
import { factsWithin, toolsWithoutAsking } from './tools.ts'

const MAX_SAID_CHARS = 2000
const MAX_NOTE_CHARS = 400

/** What a client asks that keeps the conversation itself: nothing of it is stored. */
export type Passage = {
  feature: Feature
  /** The client's own prompt. */
  system: string
  messages: ModelMessage[]
  /** Carried out by the client: a call of one ends the passage. */
  tools: ModelTool[]
  maxOutputTokens: number
  toolChoice?: ToolChoice
  format?: Format
  temperature?: number
  topP?: number
  stopSequences?: string[]
}

/** `working`: a tool of ours runs, and nothing is said meanwhile. */
export type PassageEvent = GatewayEvent | { type: 'working'; tool: string }

/**
 * The assistant without a stored conversation, with the person's facts, memories and tools. One `start`, one `end` for
 * all its calls, as `generate` has them; of the calls of tools only the client's are told. One trip before the first.
 */
export async function* converse(ctx: UserCtx, passage: Passage, signal: AbortSignal): AsyncGenerator<PassageEvent> {
  const acts: string[] = []
  const run = runOf(ctx, passage, await openPassage(ctx, passage), signal, acts)
  const calls: ToolCall[] = []
  let hasStarted = false
  let last: Extract<GatewayEvent, { type: 'end' }> | undefined
  try {
    for await (const event of takeSteps(run)) {
      if (event.type === 'end') last = event
      else if (event.type === 'start') {
        if (!hasStarted) yield event
        hasStarted = true
      } else if (event.type === 'text') yield event
      else if (isForClient(run, { name: event.call.name, problem: event.problem })) calls.push(event.call)
      else yield { type: 'working', tool: event.call.name }
    }
    await run.bill
    // What was done here is not in the history the client comes back with: unsaid, it would be done again.
    if (calls.length > 0 && acts.length > 0) yield { type: 'text', text: `\n[Already done: ${acts.join('; ')}]\n` }
    for (const call of calls) yield { type: 'tool_call', call }
  } catch (error) {
    await run.bill
    if (last && run.receipt) yield { ...last, stop: 'aborted', receipt: run.receipt }
    throw error
  }
  if (last && run.receipt) yield { ...last, receipt: run.receipt }
}

type Opened = { person: PersonFacts; servers: ServerRow[] }

/** Who asks, what is remembered that may matter and which servers they added; fails when their session has ended. */
async function openPassage(ctx: UserCtx, { messages }: Passage): Promise<Opened> {
  const said = messages.findLast(({ role, parts }) => role === 'user' && parts.some(({ type }) => type === 'text'))
  const text = said?.parts.map((part) => (part.type === 'text' ? part.text : '')).join('\n') ?? ''
  const [facts, projects, memories, servers] = await ctx.db.batch([
    factsForPrompt(ctx),
    projectsForPrompt(ctx),
    memoriesForPrompt(ctx, wordsIn(text.slice(-MAX_SAID_CHARS).toWellFormed())),
    serversForTurn(ctx),
  ])
  const [person] = facts
  if (!person) throw new AppError('not_found', 'This person no longer exists')
  const known = factsWithin(ctx, { ...person, now: ctx.now().toISOString(), projects, memories })
  return { person: known, servers }
}

function runOf(ctx: UserCtx, passage: Passage, { person, servers }: Opened, signal: AbortSignal, acts: string[]): Run {
  const { feature, system, messages, tools: clientTools, toolChoice, ...request } = passage
  // Their choice is about their tools: asked for one of them, ours are not among those to choose from.
  const isTheirs = toolChoice === 'required' || typeof toolChoice === 'object'
  const taken = new Set(clientTools.map(({ name }) => name))
  const tools = isTheirs ? [] : toolsWithoutAsking(ctx, servers).filter(({ name }) => !taken.has(name))
  const asked = {
    ...request,
    system: system === '' ? SYSTEM : `${SYSTEM}\n\nThe client they write from asks of you:\n${system}`,
    volatileSystem: volatilePrompt(person),
    person,
    ...(isTheirs && { toolChoice }),
  }
  const note = ({ callId, name, isError }: ToolResultPart) => {
    const call = run.parts.find((part) => part.type === 'tool_call' && part.id === callId)
    const isWrite = tools.some((tool) => tool.name === name && !tool.readOnly)
    if (isWrite && !isError && call?.type === 'tool_call')
      acts.push(`${name} ${JSON.stringify(call.input)}`.slice(0, MAX_NOTE_CHARS).toWellFormed())
  }
  const run: Run = {
    ctx,
    signal,
    call: { kind: 'chat', feature, request: asked },
    messages: (parts) => [...messages, ...split(parts, person.now)],
    tools,
    clientTools: toolChoice === 'none' ? [] : clientTools,
    isAgreed: () => false,
    onResult: note,
    // What their client has read is not known here.
    isTainted: true,
    acts: [],
    messageId: null,
    parts: [],
    receipt: null,
  }
  return run
}
