import type { PersonActor, Tool } from '#core'

/** What a key may be allowed, by domain; `mcp` and `realtime` open a door, and what is behind it asks for its own. */
const AREAS = [
  'tasks',
  'projects',
  'calendar',
  'memories',
  'preferences',
  'conversations',
  'notifications',
  'schedules',
  'profile',
  'integrations',
  'workflows',
  'ai',
  'suggestions',
  'effects',
  'mail',
] as const
type Area = (typeof AREAS)[number]
export type Scope = `${Area}:${'read' | 'write'}` | 'mcp' | 'realtime'

export const SCOPES: readonly Scope[] = [
  ...AREAS.flatMap((area): Scope[] => [`${area}:read`, `${area}:write`]),
  'mcp',
  'realtime',
]
const ALL: ReadonlySet<Scope> = new Set(SCOPES)

/** Which area a tool belongs to: `tasks:read` for one that changes nothing, else `tasks:write`. */
const TOOLS: Partial<Record<Area, readonly string[]>> = {
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
  calendar: ['create_event', 'list_events', 'find_time', 'update_event', 'move_event', 'delete_event', 'restore_event'],
  memories: ['remember', 'search_memories', 'update_memory', 'forget', 'recall'],
  preferences: ['get_preferences', 'set_preferences', 'get_time'],
  notifications: ['notify', 'withdraw_notification', 'ask_question'],
  integrations: ['call_webhook', 'mcp_tool'],
  mail: ['draft_mail', 'send_mail', 'discard_mail', 'keep_mail'],
  workflows: ['run_workflow', 'list_workflows', 'draft_workflow', 'create_workflow'],
  suggestions: ['list_suggestions', 'dismiss_suggestion', 'snooze_suggestion', 'list_commitments', 'end_commitment'],
  conversations: ['list_conversations', 'read_conversation', 'undo_last'],
  effects: ['list_effects', 'undo_effects'],
}

/** A session may do all that its person may, a key what it was given. */
export function scopesOf({ key }: PersonActor): ReadonlySet<Scope> {
  return key ? new Set(SCOPES.filter((scope) => key.scopes.includes(scope))) : ALL
}

/** The scope a tool asks for; undefined for one that was given none, which is offered to no key. */
export function scopeOf({ name, readOnly }: Pick<Tool, 'name' | 'readOnly'>): Scope | undefined {
  // Two underscores are in the names of other servers' tools, and in no other.
  const area = name.includes('__') ? 'integrations' : AREAS.find((area) => TOOLS[area]?.includes(name))
  return area && `${area}:${readOnly ? 'read' : 'write'}`
}

/** Of these tools those that whoever acts may use. */
export function toolsWithin(scopes: ReadonlySet<Scope>, tools: readonly Tool[]): Tool[] {
  return tools.filter((tool) => {
    const scope = scopeOf(tool)
    return scope !== undefined && scopes.has(scope)
  })
}
