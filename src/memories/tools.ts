import { z } from 'zod'
import { defineTool, s, type Tool } from '#core'
import { forget, listMemories, recall, remember, updateMemory } from './memory.ts'
import { MemoryPatch, NewMemory } from './schema.ts'

const RECALLED = 20

/** What the assistant may do with memories; a new one names the message it came from, where that is kept. */
export function memoryTools(sourceMessageId: string | null): Tool[] {
  return [
    defineTool({
      name: 'remember',
      description:
        'Keep a lasting fact, preference or person the user told you about, in their words but complete without context.',
      input: NewMemory,
      run: async (ctx, input) => {
        const memory = await remember(ctx, input, sourceMessageId)
        return { output: memory, undo: { tool: 'forget', input: { id: memory.id }, says: `Forgot: ${memory.text}` } }
      },
    }),
    defineTool({
      name: 'search_memories',
      description: 'What is remembered about the user, newest first; text narrows it to memories that contain it.',
      input: z.strictObject({ text: s.text(200, 1).optional(), limit: s.int(1, 50).default(RECALLED) }),
      readOnly: true,
      run: async (ctx, input) => ({ output: await listMemories(ctx, input) }),
    }),
    defineTool({
      name: 'update_memory',
      description: 'Correct something that is remembered.',
      input: MemoryPatch.extend({ id: s.id('mem') }),
      run: async (ctx, { id, ...patch }) => {
        const { before, after } = await updateMemory(ctx, id, patch, '*')
        const { text, kind } = before
        return {
          output: after,
          undo: { tool: 'update_memory', input: { id, text, kind }, says: `Remembered again: ${text}` },
        }
      },
    }),
    defineTool({
      name: 'forget',
      description: 'Forget something that is remembered.',
      input: z.strictObject({ id: s.id('mem') }),
      run: async (ctx, { id }) => {
        const memory = await forget(ctx, id)
        return {
          output: { id, text: memory.text },
          undo: { tool: 'recall', input: { id }, says: `Remembered again: ${memory.text}` },
        }
      },
    }),
    defineTool({
      name: 'recall',
      description: 'Bring back a memory that was just forgotten.',
      input: z.strictObject({ id: s.id('mem') }),
      run: async (ctx, { id }) => {
        const memory = await recall(ctx, id)
        return { output: memory, undo: { tool: 'forget', input: { id }, says: `Forgot: ${memory.text}` } }
      },
    }),
  ]
}
