import { conversationTools, standingTools } from '#assistant'
import type { PersonActor, Tool } from '#core'

/** Which scope a tool belongs to: `tasks:read` for one that changes nothing, else `tasks:write`. */
const AREAS = {
  tasks: [
    'create_task',
    'find_tasks',
    'update_task',
    'bulk_update',
    'complete_task',
    'reopen_task',
    'delete_task',
    'restore_task',
    'task_insights',
  ],
  projects: ['create_project', 'list_projects', 'archive_project', 'delete_project'],
  memories: ['remember', 'search_memories', 'update_memory', 'forget', 'recall'],
  preferences: ['get_preferences', 'set_preferences', 'get_time'],
  conversations: ['list_conversations', 'read_conversation'],
} as const
export type Area = keyof typeof AREAS
export type Scope = `${Area}:${'read' | 'write'}`

const IS_AREA: (name: string) => name is Area = (name): name is Area => name in AREAS
const NAMES = Object.keys(AREAS).filter(IS_AREA)
const ALL: ReadonlySet<Scope> = new Set(NAMES.flatMap((area): Scope[] => [`${area}:read`, `${area}:write`]))

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

/** An access token may do all that its person may; keys will carry fewer. */
export function scopesOf(_actor: PersonActor): ReadonlySet<Scope> {
  return ALL
}

/** The scope a tool asks for; undefined for one that was given none, which is offered to nobody. */
export function scopeOf({ name, readOnly }: Tool): Scope | undefined {
  const area = NAMES.find((area) => AREAS[area].some((known) => known === name))
  return area && `${area}:${readOnly ? 'read' : 'write'}`
}

/** The tools whoever holds these scopes may see and call. */
export function toolsWithin(scopes: ReadonlySet<Scope>): Tool[] {
  return [...standingTools(null), ...conversationTools].filter((tool) => {
    const scope = scopeOf(tool)
    return scope !== undefined && scopes.has(scope)
  })
}

/** What a host is told, so that it can ask its person first. Nothing here reaches beyond the person's own data. */
export function annotationsOf({ name, destructive, readOnly }: Tool) {
  const title = name.charAt(0).toUpperCase() + name.slice(1).replaceAll('_', ' ')
  const changes = { destructiveHint: destructive, idempotentHint: IDEMPOTENT.has(name) }
  return { title, readOnlyHint: readOnly, openWorldHint: false, ...(!readOnly && changes) }
}
