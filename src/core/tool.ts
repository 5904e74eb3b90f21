import type { SQL } from 'drizzle-orm'
import type { z } from 'zod'
import type { UserCtx } from './ctx.ts'
import { AppError } from './errors.ts'
import { isRecord } from './output.ts'

/** What takes an act back: a tool with its input, and what to say when it is done. */
export type Undo = { tool: string; input: unknown; says: string }
/** The id under which a provider knows what was done, where it is not that of the output. */
export type Evidence = { id: string | null; provider: string | null }
/** `before` is what it acted upon as it was found, `plan` what was done, of a tool that says what it does. */
export type ToolAnswer = { output: unknown; before?: unknown; undo?: Undo; plan?: Plan; evidence?: Evidence }

/** What became of what a tool handed on, as whoever took it says. */
export type Fate = { status: 'done' | 'failed' | 'unknown'; detail: string; output: unknown; evidence: Evidence }

export type Change = { target: string | null; before: object | null; after: object | null }
/** What an act would do, known before it is done; `undo` is null where nothing takes it back. */
export type Plan = { says: string; changes: Change[]; undo: Undo | null }

type Asking = Pick<UserCtx, 'actor' | 'db'>
type NewId = UserCtx['newId']

/** A verb with a label: what the assistant may do. `destructive` asks the person first, `readOnly` changes nothing. */
export type Tool = {
  name: string
  description: string
  input: z.ZodType
  /** What a model is told of the input, where another wrote it: `input` then checks no more than can be. */
  inputSchema?: Record<string, unknown>
  destructive: boolean
  readOnly: boolean
  /** Of one that goes out: the person lets it be used with others' words in mind. */
  trusted?: boolean
  /** Which kind of effect it is, with what that one is given, where it is not one by its own name. */
  asEffect?(input: unknown): { kind: string; input: unknown }
  run(ctx: UserCtx, input: unknown): Promise<ToolAnswer>
  /**
   * What it acts upon as it is now, in the bin or not, for a statement to read: null, or JSON with `id` and `version`, or
   * a list of such. `newId` gives the ids that `run` will draw.
   */
  state?(ctx: Asking, input: unknown, newId: NewId): SQL
  /** Of the input and the state before. Asks nothing and changes nothing. */
  plan?(input: unknown, before: unknown, newId: NewId): Plan
  /** Of one that only hands on, by its output: null while it is on its way. */
  fate?(ctx: UserCtx, output: unknown): Promise<Fate | null>
  /** Of one that must be agreed to: what it would be done to, for whoever is asked. Throws where it is not to be asked about. */
  about?(ctx: Asking, input: unknown): Promise<unknown>
  /** The route by which the person does it themselves, where a conversation may not. */
  byHand?: string
}

/** `before`: what it acted upon as it was found; what takes the act back follows from it. */
type Ran<B> = { output: unknown; before?: B | undefined; evidence?: Evidence }

type ToolSpec<T extends z.ZodType, B> = {
  name: string
  description: string
  input: T
  inputSchema?: Record<string, unknown>
  destructive?: boolean
  readOnly?: boolean
  trusted?: boolean
  asEffect?(input: unknown): { kind: string; input: unknown }
  run(ctx: UserCtx, input: z.output<T>): Promise<Ran<B>>
  state?(ctx: Asking, input: z.output<T>, newId: NewId): SQL<B>
  plan?(input: z.output<T>, before: B | null, newId: NewId): Plan
  fate?(ctx: UserCtx, output: unknown): Promise<Fate | null>
  about?(ctx: Asking, input: z.output<T>): Promise<unknown>
  byHand?: string
}

/** Ties `run` to its schema; whatever calls the tool, the input is checked. `invalid_request` where it does not fit. */
export function defineTool<T extends z.ZodType, B = never>(given: ToolSpec<T, B>): Tool {
  const { destructive = false, readOnly = false, state, plan, about, ...spec } = given
  return {
    ...spec,
    destructive,
    readOnly,
    run: async (ctx, given) => {
      const input = read(spec, given)
      const answer = await spec.run(ctx, input)
      if (!plan) return answer
      const planned = plan(input, answer.before ?? null, () => idOf(answer.output))
      return { ...answer, plan: planned, ...(planned.undo && { undo: planned.undo }) }
    },
    ...(about && { about: async (ctx, input) => await about(ctx, read(spec, input)) }),
    ...(state && { state: (ctx, input, newId) => state(ctx, read(spec, input), newId) }),
    ...(plan && {
      // biome-ignore lint/nursery/noUnsafeTypeAssertion: what `state` of the same tool made Postgres write
      plan: (input, before, newId) => plan(read(spec, input), before as B | null, newId),
    }),
  }
}

const idOf = (output: unknown): string => (isRecord(output) && typeof output['id'] === 'string' ? output['id'] : '')

function read<T extends z.ZodType>({ name, input: schema }: { name: string; input: T }, input: unknown): z.output<T> {
  const parsed = schema.safeParse(input)
  if (parsed.success) return parsed.data
  const errors = parsed.error.issues.slice(0, 50).map((issue) => ({
    pointer: `/${issue.path.map((part) => String(part).replaceAll('~', '~0').replaceAll('/', '~1')).join('/')}`.slice(
      0,
      200,
    ),
    detail: issue.message.slice(0, 500),
  }))
  const said = errors.map(({ pointer, detail }) => `${pointer}: ${detail}`).join('; ')
  throw new AppError('invalid_request', `${name}: ${said}`.slice(0, 500), { errors })
}
