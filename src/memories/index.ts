export { eraseForgotten, getMemory, listMemories, memoriesForPrompt, wordsIn } from './memory.ts'
export { memoriesApp } from './routes.ts'
export { memoryTools } from './tools.ts'
