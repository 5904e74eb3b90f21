import { expect, test } from 'vitest'
import { conversationTools, standingTools } from '#assistant'
import { type Scope, scopeOf } from '#auth'
import type { PersonActor } from '#core'
import { allowedTools, annotationsOf } from './access.ts'

const EVERY = [...standingTools(null), ...conversationTools]
const SESSION: PersonActor = { kind: 'person', userId: 'usr_1', sessionId: null }

test('every tool the assistant has belongs to a scope, which an access token holds', () => {
  expect(EVERY.filter((tool) => scopeOf(tool) === undefined).map(({ name }) => name)).toEqual([])
  expect(allowedTools(SESSION).map(({ name }) => name)).toEqual([...EVERY.map(({ name }) => name), 'search', 'fetch'])
})

test('fewer scopes are fewer tools, and a tool without one is offered to no key', () => {
  const within = (...scopes: Scope[]) =>
    allowedTools({ ...SESSION, key: { id: 'key_1', scopes, ratePerMinute: null } }).map(({ name }) => name)
  expect(within()).toEqual([])
  expect(within('mcp')).toEqual([])
  expect(within('tasks:read')).toEqual(['find_tasks', 'task_insights', 'search', 'fetch'])
  expect(within('tasks:write', 'preferences:read')).not.toContain('search')
  expect(within('conversations:read', 'memories:write')).toEqual([
    'remember',
    'update_memory',
    'forget',
    'recall',
    'list_conversations',
    'read_conversation',
    'search',
    'fetch',
  ])
  expect(scopeOf({ name: 'weather__today', readOnly: false })).toBe('integrations:write')
  expect(scopeOf({ name: 'unheard_of', readOnly: true })).toBeUndefined()
})

test('a host is told what a tool may do', () => {
  const told = Object.fromEntries(EVERY.map((tool) => [tool.name, annotationsOf(tool)]))
  expect(told['find_tasks']).toEqual({ title: 'Find tasks', readOnlyHint: true, openWorldHint: false })
  expect(told['delete_project']).toMatchObject({ destructiveHint: true, idempotentHint: false })
  expect(told['complete_task']).toMatchObject({ destructiveHint: false, idempotentHint: true })
  expect(EVERY.filter(({ destructive, readOnly }) => destructive && readOnly)).toEqual([])
})
