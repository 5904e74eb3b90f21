export { concernsCommitments, hear, MAX_OPEN } from './hear.ts'
export { commitmentSubscriber } from './subscriber.ts'
export { commitmentTools } from './tools.ts'
