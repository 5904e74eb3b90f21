import { z } from 'zod'
import { defineTool, s, type Tool, type Undo } from '#core'
import { forget, listMemories, memoryState, recall, remember, updateMemory } from './memory.ts'
import { type Memory, MemoryPatch, NewMemory } from './schema.ts'

const RECALLED = 20
// Made once: a model's view of a schema is remembered by the schema.
const SEARCH = z.strictObject({ text: s.text(200, 1).optional(), limit: s.int(1, 50).default(RECALLED) })
const PATCH = MemoryPatch.extend({ id: s.id('mem') })
const ONE = z.strictObject({ id: s.id('mem') })

type Kept = Pick<Memory, 'id' | 'text'>
const undoKeep = ({ id, text }: Kept): Undo => ({ tool: 'forget', input: { id }, says: `Forgot: ${text}` })
const undoForget = ({ id, text }: Kept): Undo => ({ tool: 'recall', input: { id }, says: `Remembered again: ${text}` })
const undoChange = ({ id, text, kind }: Memory): Undo => {
  return { tool: 'update_memory', input: { id, text, kind }, says: `Remembered again: ${text}` }
}

/** What the assistant may do with memories; a new one names the message it came from, if it came from one. */
export function memoryTools(sourceMessageId: string | null): Tool[] {
  return [
    defineTool({
      name: 'remember',
      description:
        'Keep a lasting fact, preference or person the user told you about, in their words but complete without context.',
      input: NewMemory,
      run: async (ctx, input) => {
        const memory = await remember(ctx, input, sourceMessageId)
        return { output: memory }
      },
      state: (ctx, _, newId) => memoryState(ctx, newId('mem')),
      plan: (input, _, newId) => {
        const id = newId('mem')
        const changes = [{ target: id, before: null, after: input }]
        return { says: `Remember: ${input.text}`, changes, undo: undoKeep({ id, text: input.text }) }
      },
    }),
    defineTool({
      name: 'search_memories',
      description: 'What is remembered about the user, newest first; text narrows it to memories that contain it.',
      input: SEARCH,
      readOnly: true,
      run: async (ctx, input) => ({ output: await listMemories(ctx, input) }),
    }),
    defineTool({
      name: 'update_memory',
      description: 'Correct something that is remembered.',
      input: PATCH,
      run: async (ctx, { id, ...patch }) => {
        const { before, after } = await updateMemory(ctx, id, patch, '*')
        return { output: after, before }
      },
      state: (ctx, { id }) => memoryState(ctx, id),
      plan: ({ id, ...patch }, before) => ({
        says: `Correct what is remembered${before ? `: ${before.text}` : ''}`,
        changes: [{ target: id, before: before && { text: before.text, kind: before.kind }, after: patch }],
        undo: before && undoChange(before),
      }),
    }),
    defineTool({
      name: 'forget',
      description: 'Forget something that is remembered.',
      input: ONE,
      run: async (ctx, { id }) => {
        const memory = await forget(ctx, id)
        return { output: { id, text: memory.text }, before: memory }
      },
      state: (ctx, { id }) => memoryState(ctx, id),
      plan: ({ id }, before) => ({
        says: `Forget${before ? `: ${before.text}` : ' something'}`,
        changes: [{ target: id, before, after: null }],
        undo: before && undoForget(before),
      }),
    }),
    defineTool({
      name: 'recall',
      description: 'Bring back a memory that was just forgotten.',
      input: ONE,
      run: async (ctx, { id }) => {
        const memory = await recall(ctx, id)
        return { output: memory, before: memory }
      },
      state: (ctx, { id }) => memoryState(ctx, id),
      plan: ({ id }, before) => ({
        says: `Remember again${before ? `: ${before.text}` : ''}`,
        changes: [{ target: id, before: null, after: before }],
        undo: before && undoKeep(before),
      }),
    }),
  ]
}
