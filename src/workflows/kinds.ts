import type { z } from 'zod'
import { effectKinds } from '#effects'

/** What a step may do, by name: the schema of its input. */
export type Kinds = ReadonlyMap<string, z.ZodType | null>

export const effectInputs = (): Kinds => new Map(effectKinds().map(({ tool }) => [tool.name, tool.input]))
