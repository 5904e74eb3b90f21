import { expect, test } from 'vitest'
import { conversationTools, standingTools } from '#assistant'
import { annotationsOf, type Scope, scopeOf, scopesOf, toolsWithin } from './access.ts'

const EVERY = [...standingTools(null), ...conversationTools]

test('every tool the assistant has belongs to a scope, which an access token holds', () => {
  expect(EVERY.filter((tool) => scopeOf(tool) === undefined).map(({ name }) => name)).toEqual([])
  const all = scopesOf({ kind: 'person', userId: 'usr_1', sessionId: null })
  expect(toolsWithin(all).map(({ name }) => name)).toEqual(EVERY.map(({ name }) => name))
})

test('fewer scopes are fewer tools', () => {
  const within = (...scopes: Scope[]) => toolsWithin(new Set(scopes)).map(({ name }) => name)
  expect(within()).toEqual([])
  expect(within('tasks:read')).toEqual(['find_tasks', 'task_insights'])
  expect(within('conversations:read', 'memories:write')).toEqual([
    'remember',
    'update_memory',
    'forget',
    'recall',
    'list_conversations',
    'read_conversation',
  ])
})

test('a host is told what a tool may do', () => {
  const told = Object.fromEntries(EVERY.map((tool) => [tool.name, annotationsOf(tool)]))
  expect(told['find_tasks']).toEqual({ title: 'Find tasks', readOnlyHint: true, openWorldHint: false })
  expect(told['delete_project']).toMatchObject({ destructiveHint: true, idempotentHint: false })
  expect(told['complete_task']).toMatchObject({ destructiveHint: false, idempotentHint: true })
  expect(EVERY.filter(({ destructive, readOnly }) => destructive && readOnly)).toEqual([])
})
