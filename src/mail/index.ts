export { eraseDrafts } from './drafts.ts'
export { isHandedOn } from './send.ts'
export { mailTools } from './tools.ts'
