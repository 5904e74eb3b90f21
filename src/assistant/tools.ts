import { sql } from 'drizzle-orm'
import { z } from 'zod'
import type { ModelTool, PersonFacts } from '#ai'
import { scopesOf, toolsWithin } from '#auth'
import { calendarTools } from '#calendar'
import { AppError, defineTool, findAppError, type Tool, type UserCtx } from '#core'
import { eventOfAct, markActUndone, outwardTools } from '#effects'
import { remoteTools } from '#integrations'
import { memoryTools } from '#memories'
import { kick } from '#queue'
import { taskTools } from '#tasks'
import { personTools } from '#users'
import { workflowTools } from '#workflows'
import type { OpenedTurn } from './open.ts'
import type { ToolResultPart } from './schema.ts'
import { messages } from './tables.ts'

/** What may be done for a person, in a turn or out of one: each a verb of its domain, with a label. */
export function standingTools(sourceMessageId: string | null): Tool[] {
  return [...taskTools, ...calendarTools, ...memoryTools(sourceMessageId), ...personTools]
}

/** Everything the assistant may do in this turn: no more than whoever asks. */
export function toolsFor({ actor }: Pick<UserCtx, 'actor'>, turn: OpenedTurn): Tool[] {
  const scopes = scopesOf(actor)
  const tools = toolsWithin(scopes, [...standingTools(turn.question.id), ...outwardTools(), ...workflowTools()])
  return [...tools, ...toolsWithin(scopes, [undoTool(turn, tools), ...remoteTools(turn.servers)])]
}

/** What it may do where nobody can be asked, and nothing is kept that an undo could name. */
export function toolsWithoutAsking({ actor }: Pick<UserCtx, 'actor'>): Tool[] {
  return toolsWithin(scopesOf(actor), standingTools(null)).filter(({ destructive }) => !destructive)
}

/** Of what a prompt would tell that which whoever asks may read. */
export function factsWithin({ actor }: Pick<UserCtx, 'actor'>, facts: PersonFacts): PersonFacts {
  const scopes = scopesOf(actor)
  const projects = scopes.has('projects:read') ? facts.projects : []
  const memories = scopes.has('memories:read') ? facts.memories : []
  return { ...facts, projects, memories }
}

/** What of a tool a model sees. */
export function toModelTool({ name, description, input, inputSchema: given }: Tool): ModelTool {
  const inputSchema = given ?? inputSchemas.get(input) ?? describe(input)
  inputSchemas.set(input, inputSchema)
  return { name, description, inputSchema }
}

const NOTHING = z.strictObject({})
const inputSchemas = new WeakMap<z.ZodType, ModelTool['inputSchema']>()

function describe(input: z.ZodType): ModelTool['inputSchema'] {
  const { $schema: _, ...inputSchema } = z.toJSONSchema(input, { io: 'input', unrepresentable: 'any' })
  return inputSchema
}

type Undoable = { messageId: string; results: ToolResultPart[] }

// The newest answer that did something which can be, and was not yet, taken back.
function lastActs(turn: OpenedTurn): Undoable | undefined {
  for (const message of turn.history.toReversed()) {
    const results = message.parts.filter(
      (part): part is ToolResultPart => part.type === 'tool_result' && part.undo !== undefined && !part.isError,
    )
    const open = results.filter(({ callId }) => !message.undoneCalls.includes(callId))
    if (open.length > 0) return { messageId: message.id, results: open }
  }
  return undefined
}

function undoTool(turn: OpenedTurn, tools: Tool[]): Tool {
  return defineTool({
    name: 'undo_last',
    description: 'Take back everything the last answer that changed something did.',
    input: NOTHING,
    run: async (ctx) => {
      const last = lastActs(turn)
      if (!last) throw new AppError('nothing_to_undo', 'Nothing was done in this conversation that could be taken back')
      const undone: string[] = []
      for (const { callId, undo } of last.results.toReversed()) {
        const tool = tools.find(({ name }) => name === undo?.tool)
        if (!tool || !undo) continue
        await takeBack(ctx, tool, undo.input)
        await markUndone(ctx, last.messageId, callId)
        turn.history.find(({ id }) => id === last.messageId)?.undoneCalls.push(callId)
        undone.push(undo.says)
      }
      return { output: { undone } }
    },
  })
}

// What is not there any more needs no taking back: an undo that was cut short goes on where it stopped.
async function takeBack(ctx: UserCtx, tool: Tool, input: unknown): Promise<void> {
  try {
    await tool.run(ctx, input)
  } catch (error) {
    if (findAppError(error)?.code !== 'not_found') throw error
  }
}

async function markUndone(ctx: UserCtx, messageId: string, callId: string): Promise<void> {
  const marked = ctx.db
    .update(messages)
    .set({ undoneCalls: sql`${messages.undoneCalls} || ${JSON.stringify([callId])}::jsonb` })
    .where(sql`${messages.id} = ${messageId} and ${messages.userId} = ${ctx.actor.userId}`)
  const [, [effect]] = await ctx.db.batch([marked, markActUndone(ctx, messageId, callId)])
  kick(ctx, [eventOfAct(effect)])
}
