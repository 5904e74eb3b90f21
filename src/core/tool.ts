import type { z } from 'zod'
import type { UserCtx } from './ctx.ts'
import { AppError } from './errors.ts'

/** What takes an act back: a tool with its input, and what to say when it is done. */
export type Undo = { tool: string; input: unknown; says: string }
export type ToolAnswer = { output: unknown; undo?: Undo }

/** A verb with a label: what the assistant may do. `destructive` asks the person first, `readOnly` changes nothing. */
export type Tool = {
  name: string
  description: string
  input: z.ZodType
  /** What a model is told of the input, where another wrote it: `input` then checks no more than can be. */
  inputSchema?: Record<string, unknown>
  destructive: boolean
  readOnly: boolean
  run(ctx: UserCtx, input: unknown): Promise<ToolAnswer>
}

type ToolSpec<T extends z.ZodType> = {
  name: string
  description: string
  input: T
  inputSchema?: Record<string, unknown>
  destructive?: boolean
  readOnly?: boolean
  run(ctx: UserCtx, input: z.output<T>): Promise<ToolAnswer>
}

/** Ties `run` to its schema; whatever calls the tool, the input is checked. `invalid_request` where it does not fit. */
export function defineTool<T extends z.ZodType>({ destructive = false, readOnly = false, ...spec }: ToolSpec<T>): Tool {
  return { ...spec, destructive, readOnly, run: async (ctx, input) => await spec.run(ctx, read(spec, input)) }
}

function read<T extends z.ZodType>({ name, input: schema }: ToolSpec<T>, input: unknown): z.output<T> {
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
