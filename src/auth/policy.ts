import type { Scope } from './scopes.ts'

/** `public` asks nobody, `operator` the operator's token, `session` a signed-in person and no key; else a key needs all of these. */
export type Rule = 'public' | 'operator' | 'session' | readonly Scope[]

const TASKS = { read: ['tasks:read'], write: ['tasks:write'] } as const
const PROJECTS = { read: ['projects:read'], write: ['projects:write'] } as const
const TALKS = { read: ['conversations:read'], write: ['conversations:write'] } as const
const MEMORIES = { read: ['memories:read'], write: ['memories:write'] } as const
const NOTIFICATIONS = { read: ['notifications:read'], write: ['notifications:write'] } as const
const SERVERS = { read: ['integrations:read'], write: ['integrations:write'] } as const
const AI = { read: ['ai:read'], write: ['ai:write'] } as const

/** Who may call which route: every one of them, and what is not here is closed to all. */
export const POLICY: Readonly<Record<string, Rule>> = {
  'GET /health': 'public',
  'GET /health/ready': 'public',
  'GET /.well-known/jwks.json': 'public',
  'POST /v1/auth/register': 'public',
  'POST /v1/auth/login': 'public',
  'POST /v1/auth/refresh': 'public',
  'GET /v1/realtime': 'public',
  'POST /v1/auth/logout': 'session',
  'GET /v1/auth/sessions': 'session',
  'DELETE /v1/auth/sessions/{id}': 'session',
  'GET /v1/api-keys': 'session',
  'POST /v1/api-keys': 'session',
  'GET /v1/api-keys/{id}': 'session',
  'PATCH /v1/api-keys/{id}': 'session',
  'DELETE /v1/api-keys/{id}': 'session',
  'POST /v1/api-keys/{id}/rotate': 'session',
  'GET /v1/signing-keys': 'session',
  'POST /v1/signing-keys': 'session',
  'DELETE /v1/signing-keys/{id}': 'session',
  'GET /v1/signing-keys/policy': 'session',
  'PUT /v1/signing-keys/policy': 'session',
  'GET /v1/me': ['profile:read'],
  'PATCH /v1/me': ['profile:write'],
  'DELETE /v1/me': 'session',
  'GET /v1/me/preferences': ['preferences:read'],
  'PATCH /v1/me/preferences': ['preferences:write'],
  'GET /v1/tasks': TASKS.read,
  'POST /v1/tasks': TASKS.write,
  'GET /v1/tasks/insights': TASKS.read,
  'POST /v1/tasks/bulk': TASKS.write,
  'GET /v1/tasks/{id}': TASKS.read,
  'PATCH /v1/tasks/{id}': TASKS.write,
  'DELETE /v1/tasks/{id}': TASKS.write,
  'POST /v1/tasks/{id}/complete': TASKS.write,
  'POST /v1/tasks/{id}/reopen': TASKS.write,
  'POST /v1/tasks/{id}/restore': TASKS.write,
  'GET /v1/projects': PROJECTS.read,
  'POST /v1/projects': PROJECTS.write,
  'GET /v1/projects/{id}': PROJECTS.read,
  'PATCH /v1/projects/{id}': PROJECTS.write,
  'DELETE /v1/projects/{id}': PROJECTS.write,
  'GET /v1/ai/usage': AI.read,
  'GET /v1/ai/budget': AI.read,
  // Limits are what a key is held by.
  'PUT /v1/ai/budget': 'session',
  'GET /v1/ai/decisions/{id}': AI.read,
  'DELETE /v1/ai/cache': AI.write,
  'GET /v1/conversations': TALKS.read,
  'POST /v1/conversations': TALKS.write,
  'GET /v1/conversations/{id}': TALKS.read,
  'PATCH /v1/conversations/{id}': TALKS.write,
  'DELETE /v1/conversations/{id}': TALKS.write,
  'GET /v1/conversations/{id}/messages': TALKS.read,
  // What was said before is in the prompt; the tools of the turn are those of the key.
  'POST /v1/conversations/{id}/messages': ['ai:write', 'conversations:read', 'conversations:write'],
  'GET /v1/conversations/{id}/events': TALKS.read,
  'POST /v1/turns/{id}/cancel': TALKS.write,
  'GET /v1/memories': MEMORIES.read,
  'POST /v1/memories': MEMORIES.write,
  'GET /v1/memories/{id}': MEMORIES.read,
  'PATCH /v1/memories/{id}': MEMORIES.write,
  'DELETE /v1/memories/{id}': MEMORIES.write,
  'GET /v1/notifications': NOTIFICATIONS.read,
  'GET /v1/notifications/unread-count': NOTIFICATIONS.read,
  'POST /v1/notifications/read-all': NOTIFICATIONS.write,
  'POST /v1/notifications/{id}/read': NOTIFICATIONS.write,
  'DELETE /v1/notifications/{id}': NOTIFICATIONS.write,
  // A socket may join every room.
  'POST /v1/realtime/ticket': [
    'realtime',
    'tasks:read',
    'projects:read',
    'memories:read',
    'notifications:read',
    'conversations:read',
    'profile:read',
  ],
  'GET /v1/mcp/servers': SERVERS.read,
  'POST /v1/mcp/servers': SERVERS.write,
  'GET /v1/mcp/servers/{id}': SERVERS.read,
  'PATCH /v1/mcp/servers/{id}': SERVERS.write,
  'DELETE /v1/mcp/servers/{id}': SERVERS.write,
  'POST /v1/mcp/servers/{id}/check': SERVERS.write,
  'POST /v1/mcp/servers/{id}/connect': 'session',
  'GET /v1/mcp/callback': 'public',
  'GET /v1/mcp/client': 'public',
  'GET /v1/admin/ai/experiments': 'operator',
  'PUT /v1/admin/people/{id}/plan': 'operator',
  'GET /v1/admin/dead-letters': 'operator',
  'POST /v1/admin/dead-letters/{id}/redrive': 'operator',
  // Each tool and resource behind it asks for its own scope.
  'POST /mcp': ['mcp'],
  'POST /compat/openai/v1/chat/completions': AI.write,
  'POST /compat/openai/v1/responses': AI.write,
  'POST /compat/openai/v1/embeddings': AI.write,
  'POST /compat/openai/v1/audio/transcriptions': AI.write,
  'GET /compat/openai/v1/models': AI.read,
  'GET /compat/openai/v1/models/{id}': AI.read,
  'POST /compat/anthropic/v1/messages': AI.write,
  'POST /compat/anthropic/v1/messages/count_tokens': AI.write,
  'GET /compat/anthropic/v1/models': AI.read,
  'GET /compat/anthropic/v1/models/{id}': AI.read,
}

/** What a stolen sign-in could do lasting harm by: unsigned, it is refused to a person who demands signatures. */
export const HIGH_SECURITY: ReadonlySet<string> = new Set([
  'POST /v1/api-keys',
  'PATCH /v1/api-keys/{id}',
  'POST /v1/api-keys/{id}/rotate',
  'POST /v1/signing-keys',
  'DELETE /v1/signing-keys/{id}',
  'PUT /v1/signing-keys/policy',
  'DELETE /v1/me',
  'PUT /v1/ai/budget',
])

export const isHighSecurity = (route: string): boolean => HIGH_SECURITY.has(route)

/** Throws for a route that has no row: nobody said who may call it. */
export function ruleOf(method: string, path: string): Rule {
  const rule = POLICY[`${method} ${path}`]
  if (rule === undefined) throw new Error(`the policy has no row for ${method} ${path}`)
  return rule
}

/** The scopes a key lacks for what this rule asks; undefined where no key will do. */
export function lackingScopes(rule: Rule, held: ReadonlySet<Scope>): Scope[] | undefined {
  if (rule === 'public') return []
  return typeof rule === 'string' ? undefined : rule.filter((scope) => !held.has(scope))
}
