import type { z } from 'zod'
import { memoryTools } from '#memories'
import { taskTools } from '#tasks'

// Kinds of effect that other rooms offer, whose input is checked when they are done.
const OTHERS = [
  ...['create_event', 'update_event', 'move_event', 'delete_event', 'set_preferences', 'notify', 'draft_mail'],
  ...['send_mail', 'call_webhook', 'run_workflow', 'ask_question', 'mcp_tool'],
]

/** What a step may do, by name: the schema of its input, or null where it cannot be told. */
export type Kinds = ReadonlyMap<string, z.ZodType | null>

let known: Kinds | undefined

export function effectInputs(): Kinds {
  const tools = [...taskTools, ...memoryTools(null)].filter(({ readOnly }) => !readOnly)
  known ??= new Map<string, z.ZodType | null>([
    ...OTHERS.map((name): [string, null] => [name, null]),
    ...tools.map(({ name, input }): [string, z.ZodType] => [name, input]),
  ])
  return known
}
