export { eraseForgotten, memoriesForPrompt } from './memory.ts'
export { memoriesApp } from './routes.ts'
export { memoryTools } from './tools.ts'
