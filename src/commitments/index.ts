export { concernsCommitments, hear } from './hear.ts'
export { commitmentSubscriber } from './subscriber.ts'
export { commitmentTools } from './tools.ts'
