import { z } from 'zod'
import type { ModelTool, PersonFacts } from '#ai'
import { scopesOf, toolsWithin } from '#auth'
import { calendarTools } from '#calendar'
import { commitmentTools } from '#commitments'
import { AppError, defineTool, type Tool, type UserCtx } from '#core'
import { getEffects, isGone, outwardTools, undoLast, undoTools } from '#effects'
import { remoteTools, type ServerRow } from '#integrations'
import { memoryTools } from '#memories'
import { listSuggestions, suggestionTools, TURN_APPROVAL } from '#proactivity'
import { taskTools } from '#tasks'
import { personTools } from '#users'
import { workflowTools } from '#workflows'
import type { OpenedTurn } from './open.ts'

/** What may be done for a person, in a turn or out of one: each a verb of its domain, with a label. */
export function standingTools(sourceMessageId: string | null): Tool[] {
  const kept = [...taskTools, ...calendarTools, ...memoryTools(sourceMessageId), ...personTools]
  return [...kept, ...suggestionTools, ...commitmentTools]
}

/** Everything the assistant may do in this turn: no more than whoever asks. */
export function toolsFor({ actor }: Pick<UserCtx, 'actor'>, turn: OpenedTurn): Tool[] {
  const scopes = scopesOf(actor)
  const tools = toolsWithin(scopes, [...standingTools(turn.question.id), ...outwardTools(), ...workflowTools()])
  return [...tools, ...toolsWithin(scopes, [undoTool(turn), ...undoTools, ...remoteTools(turn.servers)])]
}

/** What it may do where nobody can be asked, others' words may stand, and nothing is kept that an undo could name. */
export function toolsWithoutAsking({ actor }: Pick<UserCtx, 'actor'>, servers: ServerRow[]): Tool[] {
  const tools = [...standingTools(null), ...remoteTools(servers, ({ trusted = false }) => trusted)]
  return toolsWithin(scopesOf(actor), tools).filter(({ destructive }) => !destructive)
}

/** Of what a prompt would tell that which whoever asks may read. */
export function factsWithin({ actor }: Pick<UserCtx, 'actor'>, facts: PersonFacts): PersonFacts {
  const scopes = scopesOf(actor)
  const projects = scopes.has('projects:read') ? facts.projects : []
  const memories = scopes.has('memories:read') ? facts.memories : []
  return { ...facts, projects, memories }
}

/** What of a tool a model sees. */
export function toModelTool(tool: Tool): ModelTool {
  const { name, description, input, inputSchema: given } = tool
  const known = modelTools.get(tool)
  if (known) return known
  const inputSchema = given ?? inputSchemas.get(input) ?? describe(input)
  inputSchemas.set(input, inputSchema)
  const made = { name, description, inputSchema }
  modelTools.set(tool, made)
  return made
}

const NOTHING = z.strictObject({})
// Those that are made for one turn have a schema that is not.
const modelTools = new WeakMap<Tool, ModelTool>()
const inputSchemas = new WeakMap<z.ZodType, ModelTool['inputSchema']>()

function describe(input: z.ZodType): ModelTool['inputSchema'] {
  const { $schema: _, ...inputSchema } = z.toJSONSchema(input, { io: 'input', unrepresentable: 'any' })
  return inputSchema
}

function undoTool(turn: OpenedTurn): Tool {
  return defineTool({
    name: 'undo_last',
    description:
      'Take back everything the last answer that did something did; what is held is not done at all. What stays done is told with its reason.',
    input: NOTHING,
    run: async (ctx) => {
      const answers = turn.history.flatMap(({ id, role }) => (role === 'assistant' ? id : []))
      const items = await undoLast(ctx, answers, await tappedIn(ctx, answers))
      if (!items)
        throw new AppError('nothing_to_undo', 'Nothing was done in this conversation that could be taken back')
      const says = (gone: boolean) => items.flatMap((one) => (isGone(one) === gone ? one.says : []))
      // What is said of an act may be others' words.
      const undone = await getEffects(
        ctx,
        items.map(({ id }) => id),
      )
      const tainted = undone.some((one) => one.tainted)
      return { output: { undone: says(true), stays: says(false), ...(tainted && { tainted }) } }
    },
  })
}

/** What these answers put before the person, of the newest. */
async function tappedIn(ctx: UserCtx, answers: string[]): Promise<string[]> {
  const { items } = await listSuggestions(ctx, { kind: TURN_APPROVAL, limit: MAX_TAPS })
  return items.flatMap(({ id, source }) => (source.kind === 'turn' && answers.includes(source.messageId) ? id : []))
}

const MAX_TAPS = 50
