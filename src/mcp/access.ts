import { conversationTools, standingTools } from '#assistant'
import { scopesOf, toolsWithin } from '#auth'
import type { PersonActor, Tool } from '#core'
import { kindsFor } from './resources.ts'
import { searchTools } from './search.ts'

// Twice is once: what they set is what they were told.
const IDEMPOTENT = new Set([
  'update_task',
  'bulk_update',
  'complete_task',
  'reopen_task',
  'restore_task',
  'archive_project',
  'update_memory',
  'recall',
  'set_preferences',
])

/** The tools whoever calls may see and call: all of them in a session, with a key those of its scopes. */
export function allowedTools(actor: PersonActor): Tool[] {
  const tools = toolsWithin(scopesOf(actor), [...standingTools(null), ...conversationTools])
  return kindsFor({ actor }).length > 0 ? [...tools, ...searchTools] : tools
}

/** What a host is told, so that it can ask its person first. Nothing here reaches beyond the person's own data. */
export function annotationsOf({ name, destructive, readOnly }: Tool) {
  const title = name.charAt(0).toUpperCase() + name.slice(1).replaceAll('_', ' ')
  const changes = { destructiveHint: destructive, idempotentHint: IDEMPOTENT.has(name) }
  return { title, readOnlyHint: readOnly, openWorldHint: false, ...(!readOnly && changes) }
}
