export { eraseForgotten, getMemory, listMemories, memoriesForPrompt, wordsIn } from './memory.ts'
export { memoryTools } from './tools.ts'
