export { eraseDrafts } from './drafts.ts'
export { mailTools } from './tools.ts'
