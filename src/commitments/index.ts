export { concernsCommitments, hear } from './hear.ts'
export { commitmentSubscriber } from './subscriber.ts'
