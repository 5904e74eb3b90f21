export { eraseForgotten, getMemory, listMemories, memoriesForPrompt, memoriesSaying, wordsIn } from './memory.ts'
export { memoryTools } from './tools.ts'
